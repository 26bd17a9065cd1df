// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_record.h"

#include <openssl/crypto.h>
#include <string.h>

enum { TYPE_ALERT = 21, TYPE_HANDSHAKE = 22, TYPE_DATA = 23 };
enum { ALERT_WARNING = 1, ALERT_FATAL = 2 };
enum {
    CLOSE_NOTIFY = 0,
    UNEXPECTED_MESSAGE = 10,
    BAD_RECORD_MAC = 20,
    RECORD_OVERFLOW = 22,
    ILLEGAL_PARAMETER = 47,
    DECODE_ERROR = 50,
    INTERNAL_ERROR = 80,
    USER_CANCELED = 90,
};
enum { KEY_UPDATE = 24, KEY_UPDATE_SIZE = 5 };

static bool way_key(const struct tls_suite *suite, const uint8_t *secret,
                    struct tls_record_way *way)
{
    struct span none = {0};
    return tls_suite_expand(suite, secret, span_text("key"), none, way->key, suite->key_size) &&
           tls_suite_expand(suite, secret, span_text("iv"), none, way->iv, sizeof way->iv);
}

// The next generation of keys (section 7.2). Only a key that is new counts from zero: after a
// failure an alert is sealed still.
static bool way_update(const struct tls_suite *suite, uint8_t *secret, struct tls_record_way *way)
{
    bool done = tls_suite_expand(suite, secret, span_text("traffic upd"), (struct span){0}, secret,
                                 suite->hash_size) &&
                way_key(suite, secret, way);
    if (done)
        way->sequence = 0;
    return done;
}

bool tls_record_start(struct tls_record *record, const struct tls_suite *suite)
{
    record->suite = suite;
    return way_key(suite, record->secrets.client, &record->read) &&
           way_key(suite, record->secrets.server, &record->write);
}

bool tls_record_export(const struct tls_record *record, const char *label, uint8_t *out,
                       size_t size)
{
    const struct tls_suite *suite = record->suite;
    uint8_t empty[TLS_SECRET_MOST], secret[TLS_SECRET_MOST];
    struct span nothing = span_of(empty, suite->hash_size);
    bool done = tls_suite_hash_nothing(suite, empty) &&
                tls_suite_expand(suite, record->secrets.exporter, span_text(label), nothing, secret,
                                 suite->hash_size) &&
                tls_suite_expand(suite, secret, span_text("exporter"), nothing, out, size);
    OPENSSL_cleanse(secret, sizeof secret);
    return done;
}

void tls_record_wipe(struct tls_record *record)
{
    OPENSSL_cleanse(record, sizeof *record);
}

// A cipher keyed for the way's next record, whose head is authenticated. NULL: no memory. It lives
// for one record: kept, it would be most of what a connection costs.
static EVP_CIPHER_CTX *cipher_open(const struct tls_record *record, struct tls_record_way *way,
                                   const uint8_t head[TLS_RECORD_HEAD], int seal)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    uint8_t nonce[sizeof way->iv];
    uint64_t sequence = way->sequence++;
    int size;
    memcpy(nonce, way->iv, sizeof nonce);
    for (unsigned i = 0; i < 8; i++)
        nonce[sizeof nonce - 1 - i] ^= (uint8_t)(sequence >> 8 * i);
    if (cipher &&
        EVP_CipherInit_ex2(cipher, record->suite->cipher, way->key, nonce, seal, NULL) == 1 &&
        EVP_CipherUpdate(cipher, NULL, &size, head, TLS_RECORD_HEAD) == 1)
        return cipher;
    EVP_CIPHER_CTX_free(cipher);
    return NULL;
}

static bool seal(struct tls_record *record, uint8_t type, struct span data,
                 struct tls_buffer *output)
{
    size_t inner = data.size + 1 + TLS_RECORD_TAG; // all but the head
    uint8_t *at = tls_buffer_room(output, TLS_RECORD_HEAD + inner);
    if (!at)
        return false;
    const uint8_t head[] = {TYPE_DATA, 3, 3, (uint8_t)(inner >> 8), (uint8_t)inner};
    memcpy(at, head, sizeof head);
    at += sizeof head;
    EVP_CIPHER_CTX *cipher = cipher_open(record, &record->write, head, 1);
    int size;
    bool done =
        cipher && EVP_CipherUpdate(cipher, at, &size, data.at, (int)data.size) == 1 &&
        EVP_CipherUpdate(cipher, at + data.size, &size, &type, 1) == 1 &&
        EVP_CipherFinal_ex(cipher, at + data.size + 1, &size) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TLS_RECORD_TAG, at + data.size + 1) == 1;
    EVP_CIPHER_CTX_free(cipher);
    if (done)
        output->end += TLS_RECORD_HEAD + inner;
    return done;
}

static bool seal_alert(struct tls_record *record, uint8_t level, uint8_t alert,
                       struct tls_buffer *output)
{
    const uint8_t text[] = {level, alert};
    return seal(record, TYPE_ALERT, span_of(text, sizeof text), output);
}

static void fail(struct tls_record *record, uint8_t alert, const char *error,
                 struct tls_buffer *output)
{
    record->error = error;
    (void)seal_alert(record, ALERT_FATAL, alert, output); // it ends either way
}

// The key that we seal with is the next one from here on.
static bool update_write(struct tls_record *record, struct tls_buffer *output)
{
    const uint8_t text[KEY_UPDATE_SIZE] = {KEY_UPDATE, 0, 0, 1, 0};
    return seal(record, TYPE_HANDSHAKE, span_of(text, sizeof text), output) &&
           way_update(record->suite, record->secrets.server, &record->write);
}

bool tls_record_write(struct tls_record *record, struct span data, struct tls_buffer *output)
{
    CHECK(data.size <= TLS_RECORD_DATA_MOST);
    if (record->write.sequence >= TLS_RECORD_KEY_MOST && !update_write(record, output))
        return false;
    return seal(record, TYPE_DATA, data, output);
}

void tls_record_finish(struct tls_record *record, struct tls_buffer *output)
{
    (void)seal_alert(record, ALERT_WARNING, CLOSE_NOTIFY, output);
}

// In place. True: it is what the client sealed; *ret_type, and *size is without padding.
static bool open_sealed(struct tls_record *record, const uint8_t head[TLS_RECORD_HEAD], uint8_t *at,
                        size_t *size, uint8_t *ret_type)
{
    size_t inner = *size - TLS_RECORD_TAG;
    int got;
    EVP_CIPHER_CTX *cipher = cipher_open(record, &record->read, head, 0);
    bool done =
        cipher && EVP_CipherUpdate(cipher, at, &got, at, (int)inner) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TLS_RECORD_TAG, at + inner) == 1 &&
        EVP_CipherFinal_ex(cipher, at + inner, &got) == 1;
    EVP_CIPHER_CTX_free(cipher);
    while (done && inner > 0 && at[inner - 1] == 0) // what is not the client's is not looked at
        inner--;
    *ret_type = done && inner > 0 ? at[inner - 1] : 0;
    *size = inner > 0 ? inner - 1 : 0;
    return done;
}

static void take_alert(struct tls_record *record, struct span text, struct tls_buffer *output)
{
    if (text.size != 2)
        fail(record, DECODE_ERROR, "alert of a wrong size", output);
    else if (text.at[1] == CLOSE_NOTIFY)
        record->closed = true;
    else if (text.at[1] != USER_CANCELED) // close_notify follows (section 6.1)
        record->error = "the client sent an alert";
}

static void take_handshake(struct tls_record *record, struct span text, struct tls_buffer *output)
{
    static const uint8_t start[] = {KEY_UPDATE, 0, 0, 1};
    if (text.size != KEY_UPDATE_SIZE || memcmp(text.at, start, sizeof start) != 0) {
        fail(record, UNEXPECTED_MESSAGE, "a handshake message after the handshake", output);
        return;
    }
    uint8_t wanted = text.at[4];
    if (wanted > 1)
        fail(record, ILLEGAL_PARAMETER, "KeyUpdate of an unknown kind", output);
    else if (!way_update(record->suite, record->secrets.client, &record->read) ||
             (wanted && !update_write(record, output)))
        fail(record, INTERNAL_ERROR, "no memory", output);
}

// Records that bring nothing are as few as libraries allow each other, and a record of data pays
// for one: they cost us a key or an answer, and no limit on what is read counts them.
static bool is_flood(struct tls_record *record, bool brings)
{
    if (!brings)
        return ++record->idle > TLS_RECORD_IDLE_MOST;
    record->idle -= record->idle > 0;
    return false;
}

static void take_message(struct tls_record *record, uint8_t type, struct span text,
                         struct tls_buffer *output)
{
    if (type == TYPE_ALERT && text.size > 0)
        take_alert(record, text, output);
    else if (type == TYPE_HANDSHAKE && text.size > 0)
        take_handshake(record, text, output);
    else
        fail(record, UNEXPECTED_MESSAGE, "a record of no known type, or of nothing", output);
}

// One whole record. False: it is not there, or it is the last one.
static bool take_record(struct tls_record *record, struct tls_buffer *input,
                        struct tls_buffer *output)
{
    size_t there = tls_buffer_waiting(input);
    if (there < TLS_RECORD_HEAD)
        return false;
    uint8_t *head = input->at + input->begin, *at = head + TLS_RECORD_HEAD;
    size_t whole = (size_t)(head[3] << 8 | head[4]), size = whole;
    uint8_t type;
    if (head[0] != TYPE_DATA) {
        fail(record, UNEXPECTED_MESSAGE, "a record in the clear", output);
        return false;
    }
    if (whole > TLS_RECORD_DATA_MOST + 256) {
        fail(record, RECORD_OVERFLOW, "a record that is too long", output);
        return false;
    }
    if (whole < TLS_RECORD_TAG + 1) {
        fail(record, BAD_RECORD_MAC, "a record that is too short to be sealed", output);
        return false;
    }
    if (there < TLS_RECORD_HEAD + whole)
        return false;
    if (!open_sealed(record, head, at, &size, &type)) {
        fail(record, BAD_RECORD_MAC, "a record that is damaged", output);
        return false;
    }
    if (size > TLS_RECORD_DATA_MOST) {
        fail(record, RECORD_OVERFLOW, "more data than a record may hold", output);
        return false;
    }
    if (is_flood(record, type == TYPE_DATA && size > 0)) {
        fail(record, UNEXPECTED_MESSAGE, "too many records that bring no data", output);
        return false;
    }
    tls_buffer_skip(input, TLS_RECORD_HEAD);
    if (type == TYPE_DATA) {
        record->waiting = (uint16_t)size;
        record->behind = (uint16_t)(whole - size);
        return true;
    }
    take_message(record, type, span_of(at, size), output);
    tls_buffer_skip(input, whole);
    return !record->closed && !record->error;
}

static size_t take_data(struct tls_record *record, struct tls_buffer *input, uint8_t *to,
                        size_t size)
{
    size_t got = record->waiting < size ? record->waiting : size;
    uint8_t *from = input->at + input->begin;
    memcpy(to, from, got);
    OPENSSL_cleanse(from, got); // credentials may be among it
    record->waiting = (uint16_t)(record->waiting - got);
    tls_buffer_skip(input, got);
    if (record->waiting > 0)
        return got;
    tls_buffer_skip(input, record->behind);
    record->behind = 0;
    return got;
}

size_t tls_record_read(struct tls_record *record, struct tls_buffer *input,
                       struct tls_buffer *output, uint8_t *to, size_t size)
{
    size_t total = 0;
    while (total < size && !record->closed && !record->error) {
        if (record->behind == 0 && !take_record(record, input, output))
            break;
        if (record->behind > 0)
            total += take_data(record, input, to + total, size - total);
    }
    return total;
}

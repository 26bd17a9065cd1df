// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls.h"

#include "tls/tls_buffer.h"
#include "tls/tls_context.h"
#include "tls/tls_record.h"

#include <openssl/err.h>
#include <stdlib.h>

enum {
    INPUT_MAX = 18 * 1024,  // one whole record (RFC 8446, section 5.2) and then some
    OUTPUT_MAX = 32 * 1024, // beyond it nothing more is taken in
};

struct tls {
    SSL *ssl; // NULL: the handshake is done, and records are ours
    struct tls_owner *owner;
    struct tls_buffer input;  // ciphertext that nobody has read
    struct tls_buffer output; // ciphertext that nobody has sent
    const char *error;        // constant text, NULL until TLS_FAILED
    enum reason refusal;      // likewise, NONE until then
    const char *cipher;       // OpenSSL's name, once open
    char *server_name;        // LDH-checked, NULL: none
    uint8_t state;            // enum tls_state
    uint8_t protocol;         // enum protocol
    uint8_t version;          // once open: 2 or 3
    bool resumed;
    bool finished; // close_notify was sent
    struct tls_record record;
};

static int bio_write(BIO *bio, const char *data, int size)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (size <= 0 || !tls_buffer_put(&tls->output, span_of(data, (size_t)size)))
        return -1;
    return size;
}

static int bio_read(BIO *bio, char *data, int size)
{
    struct tls *tls = BIO_get_data(bio);
    struct span taken = span_head(tls_buffer_span(&tls->input), size > 0 ? (size_t)size : 0);
    BIO_clear_retry_flags(bio);
    if (taken.size == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(data, taken.at, taken.size);
    tls_buffer_skip(&tls->input, taken.size);
    return (int)taken.size;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH;
}

bool tls_owner_init(struct tls_owner *owner, void (*free)(struct tls_owner *owner))
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "weir");
    atomic_init(&owner->references, 1);
    owner->method = method;
    owner->free = free;
    return method && BIO_meth_set_write(method, bio_write) && BIO_meth_set_read(method, bio_read) &&
           BIO_meth_set_ctrl(method, bio_ctrl);
}

void tls_owner_release(struct tls_owner *owner)
{
    if (atomic_fetch_sub(&owner->references, 1) > 1)
        return;
    BIO_meth_free(owner->method);
    owner->free(owner);
}

const char *tls_owner_cause(void)
{
    unsigned long error = ERR_peek_error();
    if (ERR_SYSTEM_ERROR(error))
        return strerror(ERR_GET_REASON(error));
    const char *reason = ERR_reason_error_string(error);
    return reason ? reason : "unknown error";
}

enum protocol tls_protocol_of(const SSL *ssl)
{
    const struct tls *tls = SSL_get_app_data(ssl);
    return (enum protocol)tls->protocol;
}

struct tls *tls_owner_open(struct tls_owner *owner, SSL_CTX *ctx, enum protocol protocol,
                           SSL **ret_ssl)
{
    struct tls *tls = calloc(1, sizeof *tls);
    BIO *bio = BIO_new(owner->method);
    SSL *ssl = SSL_new(ctx);
    if (!tls || !bio || !ssl) {
        SSL_free(ssl);
        BIO_free(bio);
        free(tls);
        ERR_clear_error();
        return NULL;
    }
    tls->ssl = ssl;
    tls->owner = owner;
    tls->protocol = (uint8_t)protocol;
    tls->state = TLS_HANDSHAKING;
    atomic_fetch_add(&owner->references, 1);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_app_data(ssl, tls);
    SSL_set_bio(ssl, bio, bio); // takes the one reference
    *ret_ssl = ssl;
    return tls;
}

struct tls *tls_open(struct tls_context *context, enum protocol protocol)
{
    SSL *ssl;
    if (context->groups_count == 0)
        return NULL;
    struct tls *tls = tls_owner_open(&context->owner, context->groups[0], protocol, &ssl);
    if (tls)
        SSL_set_accept_state(ssl);
    return tls;
}

void tls_close(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    tls_record_wipe(&tls->record);
    tls_buffer_done(&tls->input);
    tls_buffer_done(&tls->output);
    tls_owner_release(tls->owner);
    free(tls->server_name);
    free(tls);
}

static void fail(struct tls *tls, const char *error)
{
    tls->error = error;
    tls->refusal =
        tls->state == TLS_HANDSHAKING ? REASON_TLS_HANDSHAKE_FAILED : REASON_TLS_RECORD_BAD;
    tls->state = TLS_FAILED;
    tls_buffer_done(&tls->input);
}

// Every call into OpenSSL that did not succeed ends here; its error queue is left empty.
static void settle(struct tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        break;
    case SSL_ERROR_ZERO_RETURN:
        tls->state = TLS_PEER_CLOSED;
        break;
    default: {
        unsigned long error = ERR_peek_error();
        const char *reason = ERR_reason_error_string(error);
        fail(tls, reason ? reason : "TLS failed without a reason given");
        if (ERR_GET_REASON(error) == SSL_R_NO_APPLICATION_PROTOCOL)
            tls->refusal = REASON_TLS_ALPN_FOREIGN;
        else if (ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST)
            tls->refusal = REASON_MAIL_NOT_MAIL;
        break;
    }
    }
    ERR_clear_error();
}

size_t tls_feed(struct tls *tls, struct span ciphertext)
{
    if (tls->state == TLS_FAILED || tls->state == TLS_PEER_CLOSED)
        return ciphertext.size; // nobody will read it
    size_t waiting = tls_buffer_waiting(&tls->input);
    if (waiting >= INPUT_MAX)
        return 0;
    struct span taken = span_head(ciphertext, INPUT_MAX - waiting);
    if (!tls_buffer_put(&tls->input, taken))
        fail(tls, "no memory");
    return taken.size;
}

bool tls_has_step(const struct tls *tls)
{
    return tls->state == TLS_HANDSHAKING && tls_buffer_waiting(&tls->output) <= OUTPUT_MAX &&
           tls_buffer_waiting(&tls->input) > 0;
}

static void note_facts(struct tls *tls)
{
    const char *sni = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    char name[HOST_NAME_MAX_DNS + 1];
    tls->version = SSL_version(tls->ssl) == TLS1_3_VERSION ? 3 : 2;
    tls->cipher = SSL_get_cipher_name(tls->ssl);
    tls->resumed = SSL_session_reused(tls->ssl) == 1;
    if (sni && tls_names_clean(span_of(sni, strnlen(sni, HOST_NAME_MAX_DNS + 1)), false, name))
        tls->server_name = strdup(name); // NULL: as if there was none
}

static uint64_t records_in(struct span ciphertext)
{
    uint64_t count = 0;
    while (ciphertext.size >= TLS_RECORD_HEAD) {
        size_t size = (size_t)(ciphertext.at[3] << 8 | ciphertext.at[4]);
        ciphertext = span_skip(ciphertext, TLS_RECORD_HEAD + size);
        count++;
    }
    return count;
}

// From here on records are ours, and OpenSSL's part of the session is over: what it sealed behind
// the client's Finished, the tickets, stands in the output from `before` on; of the client's
// records it has read none. It stays where it alone knows how: TLS 1.2, a cipher that is not ours,
// records that the client wants smaller (RFC 6066, section 4), and towards a server.
static void take_over(struct tls *tls, size_t before)
{
    struct tls_record *record = &tls->record;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);
    const struct tls_suite *suite = tls_suite_find(SSL_CIPHER_get_protocol_id(cipher));
    if (!suite || record->secrets.known != TLS_SECRETS_ALL || !SSL_is_server(tls->ssl) ||
        SSL_SESSION_get_max_fragment_length(SSL_get_session(tls->ssl)) != 0 ||
        SSL_has_pending(tls->ssl))
        return;
    record->write.sequence = records_in(span_skip(tls_buffer_span(&tls->output), before));
    if (!tls_record_start(record, suite))
        return;
    SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); // of no business now
    SSL_free(tls->ssl);
    tls->ssl = NULL;
}

static void handshake(struct tls *tls)
{
    size_t before = tls_buffer_waiting(&tls->output);
    ERR_clear_error();
    tls_schedule_note(&tls->record.secrets);
    int result = SSL_do_handshake(tls->ssl);
    tls_schedule_note(NULL);
    if (result != 1) {
        settle(tls, result);
        return;
    }
    tls->state = TLS_OPEN;
    note_facts(tls);
    take_over(tls, before);
}

void tls_owner_begin(struct tls *tls)
{
    handshake(tls);
}

enum tls_state tls_step(struct tls *tls)
{
    if (tls_has_step(tls))
        handshake(tls);
    return (enum tls_state)tls->state;
}

// True while there may be something to decrypt: asking OpenSSL in vain costs it a record buffer.
static bool is_readable(const struct tls *tls)
{
    return tls->state == TLS_OPEN && tls_buffer_waiting(&tls->output) <= OUTPUT_MAX &&
           (tls_buffer_waiting(&tls->input) > 0 || (tls->ssl && SSL_pending(tls->ssl) > 0));
}

static size_t read_own(struct tls *tls, uint8_t *buffer, size_t size)
{
    struct tls_record *record = &tls->record;
    size_t got = tls_record_read(record, &tls->input, &tls->output, buffer, size);
    if (record->error)
        fail(tls, record->error);
    else if (record->closed)
        tls->state = TLS_PEER_CLOSED;
    return got;
}

static size_t read_openssl(struct tls *tls, uint8_t *buffer, size_t size)
{
    size_t got = 0;
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, buffer, size, &got);
    if (result != 1)
        settle(tls, result);
    return got;
}

size_t tls_read(struct tls *tls, uint8_t *buffer, size_t size, enum tls_state *ret_state)
{
    size_t total = 0, got = 1;
    while (got > 0 && total < size && is_readable(tls)) {
        got = (tls->ssl ? read_openssl : read_own)(tls, buffer + total, size - total);
        total += got;
    }
    *ret_state = (enum tls_state)tls->state;
    return total;
}

static size_t write_own(struct tls *tls, struct span data)
{
    if (tls_record_write(&tls->record, data, &tls->output))
        return data.size;
    fail(tls, "no memory");
    return 0;
}

static size_t write_openssl(struct tls *tls, struct span data)
{
    size_t put = 0;
    ERR_clear_error();
    int result = SSL_write_ex(tls->ssl, data.at, data.size, &put);
    if (result != 1)
        settle(tls, result);
    return put;
}

size_t tls_write(struct tls *tls, struct span plaintext)
{
    size_t total = 0, put = 1;
    while (put > 0 && total < plaintext.size && !tls->finished &&
           (tls->state == TLS_OPEN || tls->state == TLS_PEER_CLOSED) &&
           tls_buffer_waiting(&tls->output) <= OUTPUT_MAX) {
        struct span record = span_head(span_skip(plaintext, total), TLS_RECORD_DATA_MOST);
        put = (tls->ssl ? write_openssl : write_own)(tls, record);
        total += put;
    }
    return total;
}

void tls_finish(struct tls *tls)
{
    if (tls->finished || (tls->state != TLS_OPEN && tls->state != TLS_PEER_CLOSED))
        return;
    tls->finished = true;
    if (!tls->ssl) {
        tls_record_finish(&tls->record, &tls->output);
        return;
    }
    ERR_clear_error();
    SSL_shutdown(
        tls->ssl); // what it returns says whether the peer did so too; that comes by reading
    ERR_clear_error();
}

struct span tls_output(struct tls *tls)
{
    return tls_buffer_span(&tls->output);
}

void tls_output_sent(struct tls *tls, size_t size)
{
    tls_buffer_skip(&tls->output, size);
}

void tls_facts(const struct tls *tls, struct tls_facts *ret_facts)
{
    *ret_facts =
        (struct tls_facts){.version = tls->version, .cipher = tls->cipher, .resumed = tls->resumed};
    if (tls->server_name)
        span_to_text(span_text(tls->server_name), ret_facts->server_name,
                     sizeof ret_facts->server_name);
}

enum reason tls_refusal(const struct tls *tls)
{
    return tls->refusal;
}

bool tls_binding(const struct tls *tls, uint8_t *out)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    if (tls->state == TLS_HANDSHAKING || tls->version != 3)
        return false;
    if (!out)
        return true;
    if (!tls->ssl)
        return tls_record_export(&tls->record, label, out, TLS_BINDING);
    return SSL_export_keying_material(tls->ssl, out, TLS_BINDING, label, sizeof label - 1, NULL, 0,
                                      0) == 1;
}

const char *tls_error_text(const struct tls *tls)
{
    return tls->error ? tls->error : "";
}

// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls.h"

#include "tls/tls_buffer.h"
#include "tls/tls_context.h"

#include <openssl/err.h>
#include <stdlib.h>

enum {
    INPUT_MAX = 18 * 1024,  // one whole record (RFC 8446, section 5.2) and then some
    OUTPUT_MAX = 32 * 1024, // beyond it nothing more is taken in
    RECORD_MAX = 16 * 1024, // plaintext of one record
};

struct tls {
    SSL *ssl;
    struct tls_owner *owner;
    struct tls_buffer input;  // ciphertext that OpenSSL has not read
    struct tls_buffer output; // ciphertext that nobody has sent
    const char *error;        // constant text, NULL until TLS_FAILED
    uint8_t state;            // enum tls_state
    uint8_t protocol;         // enum protocol
    bool finished;            // close_notify was sent
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
    tls_buffer_done(&tls->input);
    tls_buffer_done(&tls->output);
    tls_owner_release(tls->owner);
    free(tls);
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
        const char *reason = ERR_reason_error_string(ERR_peek_error());
        tls->error = reason ? reason : "TLS failed without a reason given";
        tls->state = TLS_FAILED;
        tls_buffer_done(&tls->input);
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
    if (!tls_buffer_put(&tls->input, taken)) {
        tls->error = "no memory";
        tls->state = TLS_FAILED;
    }
    return taken.size;
}

bool tls_has_step(const struct tls *tls)
{
    return tls->state == TLS_HANDSHAKING && tls_buffer_waiting(&tls->output) <= OUTPUT_MAX &&
           tls_buffer_waiting(&tls->input) > 0;
}

static void handshake(struct tls *tls)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1)
        tls->state = TLS_OPEN;
    else
        settle(tls, result);
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
           (tls_buffer_waiting(&tls->input) > 0 || SSL_pending(tls->ssl) > 0);
}

size_t tls_read(struct tls *tls, uint8_t *buffer, size_t size, enum tls_state *ret_state)
{
    size_t total = 0;
    while (total < size && is_readable(tls)) {
        size_t got = 0;
        ERR_clear_error();
        int result = SSL_read_ex(tls->ssl, buffer + total, size - total, &got);
        if (result != 1)
            settle(tls, result);
        total += got;
    }
    *ret_state = (enum tls_state)tls->state;
    return total;
}

size_t tls_write(struct tls *tls, struct span plaintext)
{
    size_t total = 0;
    while (total < plaintext.size && !tls->finished &&
           (tls->state == TLS_OPEN || tls->state == TLS_PEER_CLOSED) &&
           tls_buffer_waiting(&tls->output) <= OUTPUT_MAX) {
        struct span record = span_head(span_skip(plaintext, total), RECORD_MAX);
        size_t put = 0;
        ERR_clear_error();
        int result = SSL_write_ex(tls->ssl, record.at, record.size, &put);
        if (result != 1) {
            settle(tls, result);
            break;
        }
        total += put;
    }
    return total;
}

void tls_finish(struct tls *tls)
{
    if (tls->finished || (tls->state != TLS_OPEN && tls->state != TLS_PEER_CLOSED))
        return;
    tls->finished = true;
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
    const char *sni = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    *ret_facts = (struct tls_facts){
        .version = SSL_version(tls->ssl) == TLS1_3_VERSION ? 3 : 2,
        .cipher = SSL_get_cipher_name(tls->ssl),
        .resumed = SSL_session_reused(tls->ssl) == 1,
    };
    if (!sni || !tls_names_clean(span_of(sni, strnlen(sni, HOST_NAME_MAX_DNS + 1)), false,
                                 ret_facts->server_name))
        ret_facts->server_name[0] = '\0';
}

bool tls_binding(const struct tls *tls, uint8_t *out)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    if (!SSL_is_init_finished(tls->ssl) || SSL_version(tls->ssl) != TLS1_3_VERSION)
        return false;
    return !out || SSL_export_keying_material(tls->ssl, out, TLS_BINDING, label, sizeof label - 1,
                                              NULL, 0, 0) == 1;
}

const char *tls_error_text(const struct tls *tls)
{
    return tls->error ? tls->error : "";
}

// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_context.h"

#include "tls/tls_schedule.h"
#include "tls/tls_tickets.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { RSA_BITS_MAX = 2048, EC_BITS_MAX = 256 };

struct identity { // one certificate of the policy while the context is built
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    GENERAL_NAMES *names; // NULL: none
    unsigned group;
};

static bool fault(char *text, size_t size, const char *file, const char *what, const char *why)
{
    snprintf(text, size, "%s: %s: %s", file, what, why);
    ERR_clear_error();
    return false;
}

// An encrypted key must not make the process ask at a terminal.
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    return -1;
}

static bool load_certificate(struct identity *identity, const char *file, char *text, size_t size)
{
    BIO *in = BIO_new_file(file, "r");
    if (!in)
        return fault(text, size, file, "cannot open certificate file", tls_owner_cause());
    identity->leaf = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);
    if (!identity->leaf) {
        BIO_free(in);
        return fault(text, size, file, "no PEM certificate", tls_owner_cause());
    }
    identity->chain = sk_X509_new_null();
    X509 *next;
    while (identity->chain && (next = PEM_read_bio_X509(in, NULL, no_passphrase, NULL)))
        if (!sk_X509_push(identity->chain, next))
            X509_free(next);
    BIO_free(in);
    // The reader ends with "no start line" at the end of the file; anything else is damage.
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return fault(text, size, file, "damaged certificate chain", tls_owner_cause());
    ERR_clear_error();
    return true;
}

static bool load_key(struct identity *identity, const char *file, char *text, size_t size)
{
    BIO *in = BIO_new_file(file, "r");
    if (!in)
        return fault(text, size, file, "cannot open key file", tls_owner_cause());
    identity->key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
    BIO_free(in);
    if (!identity->key)
        return fault(text, size, file, "no usable PEM private key (is it encrypted?)",
                     tls_owner_cause());
    return true;
}

// One signature is the longest step of a turn, and it holds the whole worker.
static bool check_key(const struct identity *identity, const struct policy_certificate *files,
                      char *text, size_t size)
{
    int type = EVP_PKEY_get_base_id(identity->key), bits = EVP_PKEY_get_bits(identity->key);
    const char *file = files->key_file;
    char why[160];
    if (type == EVP_PKEY_RSA && bits > RSA_BITS_MAX) {
        snprintf(why, sizeof why,
                 "RSA key of %d bits, at most %d are served: signing would hold a worker too long; "
                 "use a P-256 key or RSA 2048",
                 bits, RSA_BITS_MAX);
        return fault(text, size, file, "key refused", why);
    }
    if (type == EVP_PKEY_EC && bits > EC_BITS_MAX) {
        snprintf(why, sizeof why, "curve of %d bits, only P-256 is served", bits);
        return fault(text, size, file, "key refused", why);
    }
    if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC)
        return fault(text, size, file, "key refused", "neither ECDSA nor RSA");
    if (X509_check_private_key(identity->leaf, identity->key) != 1)
        return fault(text, size, file, "key does not belong to certificate",
                     files->certificate_file);
    return true;
}

static bool identity_load(struct identity *identity, const struct policy_certificate *files,
                          char *text, size_t size)
{
    if (!load_certificate(identity, files->certificate_file, text, size) ||
        !load_key(identity, files->key_file, text, size) || !check_key(identity, files, text, size))
        return false;
    identity->names = X509_get_ext_d2i(identity->leaf, NID_subject_alt_name, NULL, NULL);
    ERR_clear_error();
    return true;
}

static void identity_free(struct identity *identity)
{
    X509_free(identity->leaf);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    GENERAL_NAMES_free(identity->names);
}

static bool has_same_names(const struct identity *a, const struct identity *b)
{
    int count = sk_GENERAL_NAME_num(a->names);
    if (count != sk_GENERAL_NAME_num(b->names))
        return false;
    for (int i = 0; i < count; i++)
        if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(a->names, i),
                             sk_GENERAL_NAME_value(b->names, i)) != 0)
            return false;
    return count > 0;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                       const unsigned char *in, unsigned in_size, void *argument)
{
    static const char *const names[PROTOCOL_COUNT] = {
        [PROTOCOL_IMAP] = "imap", [PROTOCOL_POP3] = "pop3"};
    const char *own = names[tls_protocol_of(ssl)];
    struct reader offer = reader_of(span_of(in, in_size));
    while (own && offer.left.size && !offer.short_read) {
        struct span name = reader_bytes(&offer, reader_u8(&offer));
        if (!span_equal(name, span_text(own)))
            continue;
        *out = name.at;
        *out_size = (unsigned char)name.size;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int select_name(SSL *ssl, int *alert, void *argument)
{
    const struct tls_context *context = argument;
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char name[HOST_NAME_MAX_DNS + 1];
    unsigned group;
    if (!sni || !tls_names_clean(span_of(sni, strnlen(sni, HOST_NAME_MAX_DNS + 1)), false, name) ||
        !tls_names_find(&context->names, name, &group))
        return SSL_TLSEXT_ERR_NOACK; // the first certificate, and the client decides
    if (group != 0)
        SSL_set_SSL_CTX(ssl, context->groups[group]);
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *group_open(struct tls_context *context)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(NULL, TLS_SCHEDULE_PROPERTIES, TLS_server_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_clear_options(ctx, SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Tickets only: a server-side cache would be shared, locked memory.
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ctx, TLS_TICKET_SECONDS);
    tls_tickets_use(context->tickets, ctx);
    SSL_CTX_set_max_early_data(ctx, 0);
    SSL_CTX_set_tlsext_servername_callback(ctx, select_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, context);
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
    if (SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
        SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
        SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

// Joins an earlier group of the same names and another key type, or opens one.
static bool place(struct tls_context *context, struct identity *all, unsigned index)
{
    struct identity *own = &all[index];
    bool joined = false;
    uint64_t same_type = 0; // groups that have such a key already, a bit each
    static_assert(CERTIFICATES_MAX <= 64, "a bit each");
    for (unsigned i = 0; i < index; i++)
        if (EVP_PKEY_get_base_id(all[i].key) == EVP_PKEY_get_base_id(own->key))
            same_type |= UINT64_C(1) << all[i].group;
    for (unsigned i = 0; i < index && !joined; i++) {
        joined = has_same_names(&all[i], own) && !(same_type >> all[i].group & 1);
        own->group = all[i].group;
    }
    if (!joined) {
        SSL_CTX *ctx = group_open(context);
        if (!ctx)
            return false;
        own->group = context->groups_count;
        context->groups[context->groups_count++] = ctx;
    }
    for (int i = 0; i < sk_GENERAL_NAME_num(own->names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(own->names, i);
        if (name->type != GEN_DNS)
            continue;
        struct span text = span_of(ASN1_STRING_get0_data(name->d.dNSName),
                                   (size_t)ASN1_STRING_length(name->d.dNSName));
        if (tls_names_add(&context->names, text, own->group) != 0)
            return false;
    }
    return SSL_CTX_use_cert_and_key(context->groups[own->group], own->leaf, own->key, own->chain,
                                    0) == 1;
}

static bool build(struct tls_context *context, const struct policy *policy, struct identity *all,
                  char *text, size_t size)
{
    for (unsigned i = 0; i < policy->certificates_count; i++) {
        const struct policy_certificate *files = &policy->certificates[i];
        if (!identity_load(&all[i], files, text, size))
            return false;
        if (!place(context, all, i))
            return fault(text, size, files->certificate_file, "certificate refused",
                         tls_owner_cause());
    }
    tls_names_sort(&context->names);
    for (unsigned i = 0; i < policy->services_count && context->groups_count == 0; i++)
        if (policy->services[i].tls != TLS_OFF)
            return fault(text, size, policy->services[i].name, "service wants TLS",
                         "no certificate is configured");
    return true;
}

static void context_free(struct tls_owner *owner)
{
    struct tls_context *context = (struct tls_context *)owner; // its first member
    for (unsigned i = 0; i < context->groups_count; i++)
        SSL_CTX_free(context->groups[i]);
    tls_names_done(&context->names);
    free(context);
}

struct tls_context *tls_context_build(const struct policy *policy, struct tls_tickets *tickets,
                                      char *text, size_t text_size, const char **ret_what)
{
    ERR_clear_error();
    struct tls_context *context = calloc(1, sizeof *context);
    struct identity *all = calloc(CERTIFICATES_MAX, sizeof *all);
    snprintf(text, text_size, "no memory for certificates");
    // What the end of a context needs comes first.
    bool built = context && tls_owner_init(&context->owner, context_free) && all;
    if (built && !tls_schedule_load())
        built = fault(text, text_size, "OpenSSL", "lacks what TLS 1.3 needs", tls_owner_cause());
    if (built) {
        context->tickets = tickets;
        built = build(context, policy, all, text, text_size);
    }
    for (unsigned i = 0; all && i < policy->certificates_count; i++)
        identity_free(&all[i]);
    free(all);
    ERR_clear_error();
    if (built)
        return context;
    tls_context_free(context);
    *ret_what = text;
    return NULL;
}

void tls_context_free(struct tls_context *context)
{
    if (context)
        tls_owner_release(&context->owner);
}

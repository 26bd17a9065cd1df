// SPDX-License-Identifier: BSD-3-Clause
#include "tls_peer.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];

void peer_init(void)
{
    strcpy(directory, "/tmp/weir-tls-XXXXXX");
    assert_non_null(mkdtemp(directory));
}

void peer_done(void)
{
    DIR *dir = opendir(directory);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    closedir(dir);
    assert_int_equal(rmdir(directory), 0);
}

const char *peer_directory(void)
{
    return directory;
}

static FILE *create(const char *name, const char *suffix, char path[PATH_NAME_MAX + 1])
{
    snprintf(path, PATH_NAME_MAX + 1, "%s/%s%s", directory, name, suffix);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    return file;
}

void peer_write(const char *name, const char *text)
{
    char path[PATH_NAME_MAX + 1];
    FILE *file = create(name, "", path);
    fputs(text, file);
    fclose(file);
}

static EVP_PKEY *make_key(enum peer_key key)
{
    switch (key) {
    case PEER_EC:
        return EVP_EC_gen("P-256");
    case PEER_EC384:
        return EVP_EC_gen("P-384");
    case PEER_RSA:
        return EVP_RSA_gen(2048);
    case PEER_RSA3072:
        return EVP_RSA_gen(3072);
    case PEER_RSA1024:
        return EVP_RSA_gen(1024);
    }
    return NULL;
}

static void add_names(X509 *x509, const char *dns_names)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    const char *rest = dns_names;
    while (*rest) {
        size_t size = strcspn(rest, ",");
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *text = ASN1_IA5STRING_new();
        ASN1_STRING_set(text, rest, (int)size);
        GENERAL_NAME_set0_value(name, GEN_DNS, text);
        sk_GENERAL_NAME_push(names, name);
        rest += size + (rest[size] == ',');
    }
    if (sk_GENERAL_NAME_num(names) > 0)
        assert_int_equal(X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0), 1);
    GENERAL_NAMES_free(names);
}

void peer_certificate(struct policy *policy, const char *name, enum peer_key type,
                      const char *dns_names)
{
    struct policy_certificate *files = &policy->certificates[policy->certificates_count++];
    EVP_PKEY *key = make_key(type);
    X509 *x509 = X509_new();
    assert_non_null(key);
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509_set_pubkey(x509, key);
    add_names(x509, dns_names);
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
    FILE *file = create(name, ".pem", files->certificate_file);
    assert_int_equal(PEM_write_X509(file, x509), 1);
    fclose(file);
    file = create(name, ".key", files->key_file);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(x509);
    EVP_PKEY_free(key);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct peer *peer = SSL_get_app_data(ssl);
    SSL_SESSION_free(peer->session);
    peer->session = session;
    return 1; // the reference is ours
}

void peer_open(struct peer *peer, int version, const char *sni, const char *alpn)
{
    int number = version == 3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    *peer = (struct peer){.ctx = SSL_CTX_new(TLS_client_method())};
    assert_non_null(peer->ctx);
    SSL_CTX_set_min_proto_version(peer->ctx, number);
    SSL_CTX_set_max_proto_version(peer->ctx, number);
    SSL_CTX_set_session_cache_mode(peer->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(peer->ctx, keep_session);
    peer->ssl = SSL_new(peer->ctx);
    SSL_set_app_data(peer->ssl, peer);
    SSL_set_bio(peer->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(peer->ssl);
    if (sni)
        assert_int_equal(SSL_set_tlsext_host_name(peer->ssl, sni), 1);
    if (alpn)
        SSL_set_alpn_protos(peer->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
}

void peer_close(struct peer *peer)
{
    // Freed without a shutdown, OpenSSL would forbid its session to be resumed.
    SSL_set_shutdown(peer->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->ctx);
    SSL_SESSION_free(peer->session);
    ERR_clear_error();
}

size_t peer_take(struct peer *peer, uint8_t *buffer, size_t size)
{
    int got = BIO_read(SSL_get_wbio(peer->ssl), buffer, (int)size);
    return got > 0 ? (size_t)got : 0;
}

static bool client_to_server(struct peer *peer, struct tls *tls, size_t step)
{
    uint8_t buffer[4096];
    size_t got = peer_take(peer, buffer, step && step < sizeof buffer ? step : sizeof buffer);
    for (size_t fed = 0; fed < got;) {
        size_t taken = tls_feed(tls, span_of(buffer + fed, got - fed));
        tls_step(tls);
        assert_true(taken > 0);
        fed += taken;
    }
    return got > 0;
}

static bool server_to_client(struct peer *peer, struct tls *tls)
{
    struct span out = tls_output(tls);
    if (out.size == 0)
        return false;
    assert_int_equal(BIO_write(SSL_get_rbio(peer->ssl), out.at, (int)out.size), (int)out.size);
    tls_output_sent(tls, out.size);
    return true;
}

void peer_pump(struct peer *peer, struct tls *tls, size_t step)
{
    for (int i = 0; i < 1000000; i++) {
        if (!SSL_is_init_finished(peer->ssl))
            SSL_do_handshake(peer->ssl);
        else // tickets and alerts; data would be lost, so it waits inside
            SSL_peek(peer->ssl, (uint8_t[1]){0}, 1);
        ERR_clear_error();
        bool moved = client_to_server(peer, tls, step);
        if (!server_to_client(peer, tls) && !moved)
            return;
    }
    fail_msg("the handshake never comes to rest");
}

bool peer_is_connected(const struct peer *peer)
{
    return SSL_is_init_finished(peer->ssl);
}

const char *peer_subject(const struct peer *peer)
{
    static char text[128];
    X509 *x509 = SSL_get0_peer_certificate(peer->ssl);
    assert_non_null(x509);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, text, sizeof text);
    return text;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "tls_peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct tls_tickets *tickets;
static struct policy *policy;

static int set_up(void **state)
{
    peer_init();
    policy = calloc(1, sizeof *policy);
    tickets = tls_tickets_open(0);
    return policy && tickets ? 0 : -1;
}

static int tear_down(void **state)
{
    peer_done();
    tls_tickets_shut(tickets);
    free(policy);
    return 0;
}

static void is_refused_naming(const char *file, const char *cause)
{
    char text[512];
    const char *what = NULL;
    assert_null(tls_context_build(policy, tickets, text, sizeof text, &what));
    assert_non_null(what);
    if (!strstr(what, file) || !strstr(what, cause))
        fail_msg("\"%s\" should name %s and %s", what, file, cause);
    assert_int_equal(ERR_peek_error(), 0);
}

// The first test: once it is loaded, OpenSSL is not asked again.
static void an_openssl_without_the_algorithms_is_named(void **state)
{
    peer_certificate(policy, "mail", PEER_EC, "mail.example.net");
    assert_int_equal(EVP_set_default_properties(NULL, "provider=nobody"), 1);
    is_refused_naming("OpenSSL", "unsupported");
    assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
}

static void a_missing_certificate_is_named(void **state)
{
    peer_certificate(policy, "mail", PEER_EC, "mail.example.net");
    unlink(policy->certificates[0].certificate_file);
    is_refused_naming("mail.pem", "No such file");
}

static void a_missing_key_is_named(void **state)
{
    peer_certificate(policy, "mail", PEER_EC, "mail.example.net");
    unlink(policy->certificates[0].key_file);
    is_refused_naming("mail.key", "No such file");
}

static void garbage_is_named(void **state)
{
    peer_certificate(policy, "mail", PEER_EC, "mail.example.net");
    peer_write("mail.pem", "this is no certificate\n");
    is_refused_naming("mail.pem", "no start line");
    peer_write("mail.pem", "");
    is_refused_naming("mail.pem", "no PEM certificate");
    peer_write("mail.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    is_refused_naming("mail.pem", "no PEM certificate");
}

static void a_damaged_chain_is_named(void **state)
{
    peer_certificate(policy, "mail", PEER_EC, "mail.example.net");
    FILE *file = fopen(policy->certificates[0].certificate_file, "a");
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", file);
    fclose(file);
    is_refused_naming("mail.pem", "damaged certificate chain");
}

static void a_garbage_key_is_named(void **state)
{
    peer_certificate(policy, "mail", PEER_EC, "mail.example.net");
    peer_write("mail.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    is_refused_naming("mail.key", "private key");
}

static void an_encrypted_key_is_refused_without_asking_anybody(void **state)
{
    peer_certificate(policy, "mail", PEER_EC, "mail.example.net");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file = fopen(policy->certificates[0].key_file, "w");
    assert_int_equal(
        PEM_write_PKCS8PrivateKey(file, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL), 1);
    fclose(file);
    EVP_PKEY_free(key);
    is_refused_naming("mail.key", "encrypted");
}

static void a_directory_is_named(void **state)
{
    peer_certificate(policy, "mail", PEER_EC, "mail.example.net");
    snprintf(policy->certificates[0].certificate_file,
             sizeof policy->certificates[0].certificate_file, "%s", peer_directory());
    is_refused_naming(peer_directory(), "no PEM certificate");
}

static void a_key_of_another_certificate_is_named(void **state)
{
    peer_certificate(policy, "mail", PEER_EC, "mail.example.net");
    peer_certificate(policy, "imap", PEER_EC, "imap.example.net");
    struct policy_certificate *second = &policy->certificates[1];
    memcpy(second->key_file, policy->certificates[0].key_file, sizeof second->key_file);
    is_refused_naming("imap.pem", "does not belong");
}

static void keys_that_would_hold_a_worker_are_refused(void **state)
{
    peer_certificate(policy, "big", PEER_RSA3072, "mail.example.net");
    is_refused_naming("big.key", "3072 bits");
    policy->certificates_count = 0;
    peer_certificate(policy, "curve", PEER_EC384, "mail.example.net");
    is_refused_naming("curve.key", "384 bits");
}

static void a_weak_key_is_refused(void **state)
{
    peer_certificate(policy, "weak", PEER_RSA1024, "mail.example.net");
    is_refused_naming("weak.pem", "key too small");
}

static void a_tls_service_without_a_certificate_is_refused(void **state)
{
    policy->services_count = 1;
    policy->services[0] = (struct policy_service){.name = "imaps", .tls = TLS_IMPLICIT};
    is_refused_naming("imaps", "no certificate");
}

static void no_certificate_and_no_tls_service_is_fine_and_opens_nothing(void **state)
{
    char text[256];
    const char *what;
    struct tls_context *context = tls_context_build(policy, tickets, text, sizeof text, &what);
    assert_non_null(context);
    assert_null(tls_open(context, PROTOCOL_SMTP));
    tls_context_free(context);
    tls_context_free(NULL);
}

// The subject that a client with that name (and signature algorithms) is shown.
static void shows(struct tls_context *context, const char *sni, const char *sigalgs,
                  const char *subject)
{
    for (int version = 2; version <= 3; version++) {
        struct peer peer;
        struct tls *tls = tls_open(context, PROTOCOL_IMAP);
        peer_open(&peer, version, sni, NULL);
        if (sigalgs)
            assert_int_equal(SSL_set1_sigalgs_list(peer.ssl, sigalgs), 1);
        peer_pump(&peer, tls, 0);
        assert_true(peer_is_connected(&peer));
        assert_string_equal(peer_subject(&peer), subject);
        peer_close(&peer);
        tls_close(tls);
    }
}

static void the_server_name_chooses_the_certificate(void **state)
{
    char text[256];
    const char *what;
    peer_certificate(policy, "first", PEER_EC, "mail.example.net,smtp.example.net");
    peer_certificate(policy, "second", PEER_EC, "*.example.org");
    peer_certificate(policy, "nameless", PEER_EC, "");
    peer_certificate(policy, "third", PEER_RSA, "imap.example.org");
    struct tls_context *context = tls_context_build(policy, tickets, text, sizeof text, &what);
    assert_non_null(context);
    shows(context, NULL, NULL, "first");
    shows(context, "nobody.example.com", NULL, "first");
    shows(context, "SMTP.example.net", NULL, "first");
    shows(context, "pop3.example.org", NULL, "second");
    shows(context, "imap.example.org", NULL, "third");
    shows(context, "a.b.example.org", NULL, "first");
    shows(context, "bad/name", NULL, "first");
    tls_context_free(context);
}

static void the_client_chooses_between_ecdsa_and_rsa_of_the_same_names(void **state)
{
    char text[256];
    const char *what;
    peer_certificate(policy, "other", PEER_EC, "other.example.net");
    peer_certificate(policy, "ec", PEER_EC, "mail.example.net");
    peer_certificate(policy, "rsa", PEER_RSA, "mail.example.net");
    struct tls_context *context = tls_context_build(policy, tickets, text, sizeof text, &what);
    assert_non_null(context);
    shows(context, "mail.example.net", "ECDSA+SHA256", "ec");
    shows(context, "mail.example.net", "RSA-PSS+SHA256", "rsa");
    tls_context_free(context);
}

static void a_session_outlives_its_context(void **state)
{
    char text[256];
    const char *what;
    struct peer peer;
    peer_certificate(policy, "first", PEER_EC, "mail.example.net");
    peer_certificate(policy, "second", PEER_EC, "imap.example.net");
    struct tls_context *context = tls_context_build(policy, tickets, text, sizeof text, &what);
    assert_non_null(context);
    struct tls *tls = tls_open(context, PROTOCOL_IMAP);
    tls_context_free(context);
    peer_open(&peer, 3, "imap.example.net", NULL);
    peer_pump(&peer, tls, 0);
    assert_true(peer_is_connected(&peer));
    assert_string_equal(peer_subject(&peer), "second");
    peer_close(&peer);
    tls_close(tls);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_openssl_without_the_algorithms_is_named),
        TEST(a_missing_certificate_is_named),
        TEST(a_missing_key_is_named),
        TEST(garbage_is_named),
        TEST(a_damaged_chain_is_named),
        TEST(a_garbage_key_is_named),
        TEST(an_encrypted_key_is_refused_without_asking_anybody),
        TEST(a_directory_is_named),
        TEST(a_key_of_another_certificate_is_named),
        TEST(keys_that_would_hold_a_worker_are_refused),
        TEST(a_weak_key_is_refused),
        TEST(a_tls_service_without_a_certificate_is_refused),
        TEST(no_certificate_and_no_tls_service_is_fine_and_opens_nothing),
        TEST(the_server_name_chooses_the_certificate),
        TEST(the_client_chooses_between_ecdsa_and_rsa_of_the_same_names),
        TEST(a_session_outlives_its_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_client.h"

#include "tls_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct policy policy;
static struct tls_tickets *tickets;
static struct tls_context *context;
static char ca_file[PATH_NAME_MAX + 1];
static char text[256];
static const char *what;

static int set_up_all(void **state)
{
    peer_init();
    peer_certificate(&policy, "mx", PEER_EC, "mx.example.net,*.wild.example");
    memcpy(ca_file, policy.certificates[0].certificate_file, sizeof ca_file);
    tickets = tls_tickets_open(0);
    context = tls_context_build(&policy, tickets, text, sizeof text, &what);
    return context ? 0 : -1;
}

static int tear_down_all(void **state)
{
    tls_context_free(context);
    tls_tickets_shut(tickets);
    peer_done();
    return 0;
}

static struct tls_clients *clients_with(const char *name, bool verify, const char *file)
{
    struct policy_backend *backend = &policy.backends[0];
    policy.backends_count = 1;
    *backend = (struct policy_backend){.tls = TLS_IMPLICIT, .tls_verify = verify};
    snprintf(backend->tls_name, sizeof backend->tls_name, "%s", name);
    snprintf(backend->tls_ca_file, sizeof backend->tls_ca_file, "%s", file);
    return tls_clients_build(&policy, text, sizeof text, &what);
}

static void carry(struct tls *from, struct tls *to)
{
    struct span output = tls_output(from);
    size_t taken = tls_feed(to, output);
    tls_output_sent(from, taken);
    tls_step(to);
}

// What the handshake with our own server side comes to.
static enum tls_state meet(struct tls_clients *clients, struct tls **ret_client,
                           struct tls **ret_server)
{
    struct addr addr;
    assert_true(addr_parse("203.0.113.10", &addr));
    *ret_client = tls_client_open(clients, 0, &addr);
    *ret_server = tls_open(context, PROTOCOL_SMTP);
    assert_non_null(*ret_client);
    assert_non_null(*ret_server);
    for (int i = 0; i < 10; i++) {
        carry(*ret_client, *ret_server);
        carry(*ret_server, *ret_client);
    }
    return tls_step(*ret_client);
}

static void assert_meets(const char *name, bool verify, const char *file, enum tls_state want)
{
    struct tls *client, *server;
    struct tls_clients *clients = clients_with(name, verify, file);
    assert_non_null(clients);
    assert_int_equal(meet(clients, &client, &server), want);
    if (want == TLS_FAILED)
        assert_int_not_equal(tls_step(server), TLS_OPEN);
    tls_close(client);
    tls_close(server);
    tls_clients_free(clients);
}

static void a_file_that_cannot_be_trusted_is_named(void **state)
{
    assert_null(clients_with("mx.example.net", true, "/nowhere/ca.pem"));
    assert_non_null(strstr(what, "/nowhere/ca.pem: "));
}

static void a_certificate_of_another_name_fails(void **state)
{
    assert_meets("other.example.net", true, ca_file, TLS_FAILED);
    assert_meets("a.b.wild.example", true, ca_file, TLS_FAILED);
    assert_meets("net", true, ca_file, TLS_FAILED);
}

static void without_a_name_the_address_must_be_in_it(void **state)
{
    assert_meets("", true, ca_file, TLS_FAILED);
}

static void a_certificate_of_nobody_that_is_trusted_fails(void **state)
{
    char other[PATH_NAME_MAX + 1];
    struct policy another = {0};
    peer_certificate(&another, "ca", PEER_EC, "mx.example.net");
    memcpy(other, another.certificates[0].certificate_file, sizeof other);
    assert_meets("mx.example.net", true, other, TLS_FAILED);
    assert_meets("mx.example.net", true, "", TLS_FAILED); // nor by the system
}

static void a_good_one_opens_and_carries_both_ways(void **state)
{
    struct tls *client, *server;
    uint8_t buffer[64];
    enum tls_state now;
    assert_meets("a.wild.example", true, ca_file, TLS_OPEN);
    struct tls_clients *clients = clients_with("mx.example.net", true, ca_file);
    assert_int_equal(meet(clients, &client, &server), TLS_OPEN);
    tls_clients_free(clients); // sessions go on
    assert_int_equal(tls_write(client, span_text("EHLO")), 4);
    carry(client, server);
    assert_int_equal(tls_read(server, buffer, sizeof buffer, &now), 4);
    assert_int_equal(tls_write(server, span_text("250")), 3);
    carry(server, client);
    assert_int_equal(tls_read(client, buffer, sizeof buffer, &now), 3);
    assert_memory_equal(buffer, "250", 3);
    tls_close(client);
    tls_close(server);
}

// Records are ours at the server's end alone, whatever the configuration of OpenSSL prefers.
static void a_provider_that_is_preferred_changes_nothing(void **state)
{
    assert_int_equal(EVP_set_default_properties(NULL, "?provider=weir"), 1);
    a_good_one_opens_and_carries_both_ways(state);
    assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
}

static void an_operator_may_trust_anybody(void **state)
{
    assert_meets("other.example.net", false, "", TLS_OPEN);
    assert_meets("", false, "", TLS_OPEN);
}

static void a_backend_without_tls_has_no_session(void **state)
{
    struct addr addr = {{0}};
    policy.backends[0].tls = TLS_OFF;
    struct tls_clients *clients = tls_clients_build(&policy, text, sizeof text, &what);
    assert_non_null(clients);
    assert_null(tls_client_open(clients, 0, &addr));
    tls_clients_free(clients);
    tls_clients_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_cannot_be_trusted_is_named),
        cmocka_unit_test(a_certificate_of_another_name_fails),
        cmocka_unit_test(without_a_name_the_address_must_be_in_it),
        cmocka_unit_test(a_certificate_of_nobody_that_is_trusted_fails),
        cmocka_unit_test(a_good_one_opens_and_carries_both_ways),
        cmocka_unit_test(a_provider_that_is_preferred_changes_nothing),
        cmocka_unit_test(an_operator_may_trust_anybody),
        cmocka_unit_test(a_backend_without_tls_has_no_session),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}

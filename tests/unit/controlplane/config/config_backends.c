// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_backends.h"

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char before[] = "interfaces:\n"
                             "  outside: {device: a, ipv4: 198.51.100.1/24}\n"
                             "  inside: {device: b, ipv4: 203.0.113.1/24}\n"
                             "services: {s: {port: 25, protocol: smtp, backend: b}}\n"
                             "smtp: {host_name: mail.example.net}\n"
                             "backends:\n";

static char file[] = "/tmp/weir-config-XXXXXX";
static struct config_errors errors;

static struct config *read_text(const char *tail)
{
    struct config *config = NULL;
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    fprintf(stream, "%s%s", before, tail);
    fclose(stream);
    errors = (struct config_errors){0};
    int error = config_read(file, &config, &errors);
    assert_true((error == 0) == (config != NULL));
    return config;
}

static void what_no_backend_can_have_is_refused_by_place(void **state)
{
    static const struct {
        const char *tail, *want; // want: behind the file's name
    } rows[] = {
        {"  b: {protocol: smtp}\n", "7:6: backends.b: expected `address` and `port`, or `servers`"},
        {"  b: {protocol: smtp, address: 192.0.2.1}\n", "7:6: backends.b: port: missing"},
        {"  b: {protocol: smtp, address: 192.0.2.1, port: 25, servers: [{address: 192.0.2.2}]}\n",
         "7:62: backends.b.servers: expected either `address` or `servers`, not both"},
        {"  b: {protocol: smtp, port: 25, servers: []}\n",
         "7:42: backends.b.servers: expected at least one server"},
        {"  b: {protocol: smtp, servers: [{address: 192.0.2.1}]}\n",
         "7:6: backends.b: port: missing"},
        {"  b: {protocol: smtp, servers: [{address: 192.0.2.1, port: 26}, {address: 192.0.2.2}]}\n",
         "7:6: backends.b: port: missing"},
        {"  b: {protocol: smtp, port: 25, servers: [{address: 192.0.2.1}, {address: 192.0.2.1}]}\n",
         "7:42: backends.b.servers: expected each address and port once"},
        {"  b: {protocol: smtp, port: 25, servers: [{port: 26}]}\n",
         "7:43: backends.b.servers[0].address: missing"},
        {"  b: {protocol: smtp, port: 25, servers: [{address: 192.0.2.1, weight: 0}]}\n",
         "7:72: backends.b.servers[0].weight: expected a number from 1 to 255, not \"0\""},
        {"  b: {protocol: smtp, port: 25, servers: [{address: 192.0.2.1, backup: 1}]}\n",
         "7:72: backends.b.servers[0].backup: expected true or false, not \"1\""},
        {"  b: {protocol: smtp, port: 25, address: 192.0.2.1, identity: xclient}\n",
         "7:63: backends.b.identity: expected none, forward or proxy, not \"xclient\""},
        {"  b: {protocol: smtp, port: 25, address: 192.0.2.1, tls: always}\n",
         "7:58: backends.b.tls: expected off, starttls or implicit, not \"always\""},
        {"  b: {protocol: smtp, port: 25, address: 192.0.2.1, tls_name: mx.example}\n",
         "7:6: backends.b: tls: expected starttls or implicit with tls_name or tls_ca_file"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[512];
        assert_null(read_text(rows[i].tail));
        snprintf(line, sizeof line, "%s:%s\n", file, rows[i].want);
        assert_string_equal(errors.text, line);
    }
}

static void a_ninth_server_is_refused(void **state)
{
    char text[1024] = "  b: {protocol: smtp, port: 25, servers: [";
    for (int i = 1; i <= 9; i++) {
        size_t size = strlen(text);
        snprintf(text + size, sizeof text - size, "{address: 192.0.2.%d}, ", i);
    }
    size_t size = strlen(text);
    snprintf(text + size, sizeof text - size, "]}\n");
    assert_null(read_text(text));
    assert_non_null(strstr(errors.text, "more than 8 items"));
}

static void one_server_needs_no_list(void **state)
{
    struct config *config =
        read_text("  b: {protocol: smtp, address: 192.0.2.1, port: 2525, identity: proxy}\n");
    assert_non_null(config);
    const struct policy_backend *backend = &config->head.backends[0];
    assert_int_equal(backend->servers_count, 1);
    assert_int_equal(backend->servers[0].port, 2525);
    assert_int_equal(backend->servers[0].weight, 1);
    assert_int_equal(backend->identity, IDENTITY_PROXY);
    assert_int_equal(backend->tls, TLS_OFF);
    assert_int_equal(backend->tls_verify, 1);
    config_free(config);
}

static void servers_have_the_backends_port_or_their_own(void **state)
{
    struct config *config = read_text("  b:\n"
                                      "    protocol: smtp\n"
                                      "    port: 25\n"
                                      "    servers:\n"
                                      "      - {address: 192.0.2.1, port: 26, weight: 3}\n"
                                      "      - {address: 192.0.2.2}\n"
                                      "      - {address: '2001:db8::2', backup: true}\n"
                                      "    tls: starttls\n"
                                      "    tls_name: MX.Example.net\n"
                                      "    tls_ca_file: ca.pem\n"
                                      "    tls_verify: false\n");
    assert_string_equal(errors.text, "");
    const struct policy_backend *backend = &config->head.backends[0];
    assert_int_equal(backend->servers_count, 3);
    assert_int_equal(backend->servers[0].port, 26);
    assert_int_equal(backend->servers[0].weight, 3);
    assert_int_equal(backend->servers[1].port, 25);
    assert_int_equal(backend->servers[1].backup, 0);
    assert_int_equal(backend->servers[2].port, 25);
    assert_int_equal(backend->servers[2].backup, 1);
    assert_int_equal(backend->tls, TLS_STARTTLS);
    assert_string_equal(backend->tls_name, "mx.example.net");
    assert_string_equal(backend->tls_ca_file, "/tmp/ca.pem");
    assert_int_equal(backend->tls_verify, 0);
    config_free(config);
}

static int group_up(void **state)
{
    int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int group_down(void **state)
{
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(what_no_backend_can_have_is_refused_by_place),
        cmocka_unit_test(a_ninth_server_is_refused),
        cmocka_unit_test(one_server_needs_no_list),
        cmocka_unit_test(servers_have_the_backends_port_or_their_own),
    };
    return cmocka_run_group_tests_name("config_backends", cases, group_up, group_down);
}

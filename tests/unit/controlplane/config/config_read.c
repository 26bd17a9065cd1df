// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include "base/packet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char least[] = "interfaces:\n"
                            "  outside: {device: net_null0, ipv4: 198.51.100.1/24}\n"
                            "  inside: {device: net_null1, ipv6: '2001:db8::1/64'}\n"
                            "backends:\n"
                            "  b: {address: 203.0.113.10, port: 25, protocol: smtp}\n"
                            "services:\n"
                            "  smtp: {port: 25, protocol: smtp, backend: b}\n"
                            "smtp: {host_name: mail.example.net}\n";

static char file[] = "/tmp/weir-config-XXXXXX";
static struct config_errors errors;

static void file_write(const char *head, const char *tail)
{
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    fputs(head, stream);
    fputs(tail, stream);
    fclose(stream);
}

static struct config *read_text(const char *head, const char *tail)
{
    struct config *config = NULL;
    file_write(head, tail);
    errors = (struct config_errors){0};
    int error = config_read(file, &config, &errors);
    assert_true((error == 0) == (config != NULL));
    assert_true((error == 0) == (errors.count == 0));
    return config;
}

// The text, refused with just this line (without the file's name).
static void assert_refused(const char *head, const char *tail, const char *want)
{
    char line[512];
    struct config *config = read_text(head, tail);
    assert_null(config);
    snprintf(line, sizeof line, "%s:%s\n", file, want);
    assert_string_equal(errors.text, line);
}

static void missing_file_is_refused_by_name(void **state)
{
    struct config *config;
    errors = (struct config_errors){0};
    assert_int_equal(config_read("/nowhere/weir.yaml", &config, &errors), -ENOENT);
    assert_string_equal(errors.text,
                        "/nowhere/weir.yaml: cannot be read: No such file or directory\n");
}

static void legs_that_share_a_network_are_refused(void **state)
{
    assert_null(read_text("interfaces:\n"
                          "  outside: {device: a, ipv4: 192.0.2.1/24, ipv6: '2001:db8::1/32'}\n"
                          "  inside: {device: b, ipv4: 192.0.2.99/28, ipv6: '2001:db8:1::1/48'}\n",
                          ""));
    assert_non_null(strstr(errors.text, ":3:11: interfaces.inside: expected another IPv4 network"));
    assert_non_null(strstr(errors.text, ":3:11: interfaces.inside: expected another IPv6 network"));
}

static void what_is_not_yaml_is_refused_with_line_and_column(void **state)
{
    assert_null(read_text("a: [1\nb: {", ""));
    assert_non_null(strstr(errors.text, ":2:2: not YAML: "));
    assert_null(read_text("", ""));
    assert_non_null(strstr(errors.text, ": empty\n"));
    assert_null(read_text("\x01\xff\xfe", ""));
    assert_non_null(strstr(errors.text, "not YAML: "));
}

static void a_second_document_is_refused(void **state)
{
    assert_refused(least, "---\nlimits: {}\n", "10:1: expected one document, this is a second");
    assert_refused(least, "---\n[\n", "11:1: not YAML: did not find expected node content");
}

static void numbers_that_contradict_each_other_are_refused(void **state)
{
    assert_refused(least, "boot: {worker_lcores: [1, 2, 1]}\n",
                   "9:30: boot.worker_lcores[2]: expected each CPU once");
    assert_refused(least, "limits: {syn_attack_low: 30000}\n",
                   "9:9: limits: expected syn_attack_low to be at most syn_attack_high");
}

static void every_wrong_value_is_refused_by_line_key_and_expectation(void **state)
{
    static const struct {
        const char *tail, *want;
    } rows[] = {
        {"colour: red\n",
         "9:1: colour: unknown key, expected one of: control, boot, interfaces, routes, tls, "
         "backends, services, domains, relay_networks, smtp, dnsbl, auth, dns, limits, classes, "
         "lists, "
         "rules"},
        {"dns: {timeout_ms: 1}\n",
         "9:19: dns.timeout_ms: expected a number from 10 to 60000, not \"1\""},
        {"dns: {timeout_ms: 60001}\n",
         "9:19: dns.timeout_ms: expected a number from 10 to 60000, not \"60001\""},
        {"dns: {timeout_ms: -5}\n",
         "9:19: dns.timeout_ms: expected a number from 10 to 60000, not \"-5\""},
        {"dns: {timeout_ms: [1]}\n",
         "9:19: dns.timeout_ms: expected a number from 10 to 60000, not a list"},
        {"dns: {servers: [localhost]}\n",
         "9:17: dns.servers[0]: expected ADDRESS:PORT or [IPV6-ADDRESS]:PORT, not \"localhost\""},
        {"dns: {servers: []}\n", "9:16: dns.servers: expected at least one server"},
        {"dns: nothing\n", "9:6: dns: expected a mapping, not \"nothing\""},
        {"dns: {timeout_ms: 20, timeout_ms: 30}\n", "9:23: dns.timeout_ms: given twice"},
        {"boot: {sources: 1000}\n", "9:17: boot.sources: expected a power of two, not \"1000\""},
        {"boot: {worker_lcores: []}\n", "9:23: boot.worker_lcores: expected at least one CPU"},
        {"boot: {worker_lcores: 3}\n", "9:23: boot.worker_lcores: expected a list, not \"3\""},
        {"control: {dns_user: \"a\\nb\"}\n",
         "9:21: control.dns_user: expected printable ASCII text of 1 to 31 bytes, not \"a?b\""},
        {"control: {dns_user: \"a\\0b\"}\n",
         "9:21: control.dns_user: expected printable ASCII text of 1 to 31 bytes, not \"a?b\""},
        {"routes: [{to: 0.0.0.0/0, via: '2001:db8::1', leg: outside}]\n",
         "9:10: routes[0]: expected `to` and `via` of one family"},
        {"routes: [{to: 0.0.0.0/0, via: 100.64.9.9, leg: outside}]\n",
         "9:10: routes[0]: via: expected an address on that leg's own network"},
        {"routes: [{to: 10.0.0.1/8, via: 192.0.2.1, leg: outside}]\n",
         "9:15: routes[0].to: expected a prefix such as 192.0.2.0/24 or 2001:db8::/32, host bits "
         "zero, not \"10.0.0.1/8\""},
        {"routes: [{to: 10.0.0.0/8, via: 192.0.2.1, leg: left}]\n",
         "9:48: routes[0].leg: expected outside or inside, not \"left\""},
        {"domains: {example.net: {backend: c}}\n",
         "9:34: domains.example.net.backend: expected the name of a backend, not \"c\""},
        {"domains: {'a b': {backend: b}}\n",
         "9:11: domains.a b: expected a domain name, not \"a b\""},
        {"domains: {a.example: {backend: b}, A.Example.: {backend: b}}\n",
         "9:36: domains.A.Example.: given twice"},
        {"limits: {speed: 1}\n", "9:10: limits.speed: unknown limit; `weirctl limits` lists them"},
        {"limits: {connections_source: 0}\n",
         "9:30: limits.connections_source: expected a number from 1 to 1000000, not \"0\""},
        {"lists: {deny: [300.0.0.0/8]}\n",
         "9:16: lists.deny[0]: expected a prefix such as 192.0.2.0/24 or 2001:db8::/32, host bits "
         "zero, not \"300.0.0.0/8\""},
        {"tls: {certificates: [{key: a}]}\n", "9:22: tls.certificates[0].certificate: missing"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(least, rows[i].tail, rows[i].want);
}

static void smtp_has_no_master(void **state)
{
    static const char before[] = "interfaces:\n"
                                 "  outside: {device: a, ipv4: 198.51.100.1/24}\n"
                                 "  inside: {device: b, ipv4: 203.0.113.1/24}\n"
                                 "smtp: {host_name: m.example}\n"
                                 "services: {s: {port: 25, protocol: smtp, backend: b}}\n"
                                 "backends:\n";
    assert_refused(before, "  b: {address: 192.0.2.1, port: 25, protocol: smtp, master_file: m}\n",
                   "7:6: backends.b: master_file: expected only with protocol imap or pop3");
}

static void service_must_fit_its_backend_and_its_tls(void **state)
{
    static const char before[] = "interfaces:\n"
                                 "  outside: {device: a, ipv4: 198.51.100.1/24}\n"
                                 "  inside: {device: b, ipv4: 203.0.113.1/24}\n"
                                 "smtp: {host_name: m.example}\n"
                                 "backends: {b: {address: 192.0.2.1, port: 25, protocol: smtp}}\n"
                                 "services:\n";
    assert_refused(before, "  s: {port: 25, protocol: imap, backend: b}\n",
                   "7:6: services.s: backend: expected one of the service's protocol");
    assert_refused(before, "  s: {port: 25, protocol: smtp, submission: true, backend: b}\n",
                   "7:6: services.s: tls: expected starttls or implicit with submission");
    assert_refused(before, "  s: {port: 25, protocol: smtp, tls: starttls, backend: b}\n",
                   "7:6: services.s: tls: expected a certificate in tls.certificates");
    assert_refused(before, "  s: {port: 0, protocol: smtp, backend: b}\n",
                   "7:13: services.s.port: expected a number from 1 to 65535, not \"0\"");
    assert_refused(before,
                   "  s: {port: 25, protocol: smtp, backend: b}\n"
                   "  t: {port: 25, protocol: smtp, backend: b}\n",
                   "8:6: services.t: port: expected one that no other service has");
    assert_refused(before, "  s: {port: 25, protocol: smtp}\n", "7:6: services.s.backend: missing");
    assert_refused(before, "  a-name-too-long-by-1: {port: 25}\n",
                   "7:3: services.a-name-too-long-by-1: expected a name of 1 to 15 letters, "
                   "digits, '-', '_' and '.'");
}

static void interface_needs_an_address(void **state)
{
    assert_null(
        read_text("interfaces: {outside: {device: a}, inside: {device: b, ipv4: 192.0.2.1}}\n",
                  "smtp: {host_name: a}\nbackends: {}\nservices: {}\n"));
    assert_non_null(strstr(errors.text, ":1:23: interfaces.outside: expected an ipv4 or an ipv6 "
                                        "address, or both\n"));
    assert_non_null(strstr(errors.text, "interfaces.inside.ipv4: expected an IPv4 address and "
                                        "prefix, 192.0.2.1/24, not \"192.0.2.1\"\n"));
    assert_non_null(strstr(errors.text, "backends: expected at least one backend\n"));
    assert_non_null(strstr(errors.text, "services: expected at least one service\n"));
}

static void many_errors_are_all_counted_and_the_first_shown(void **state)
{
    char tail[2000] = "lists:\n  deny:\n";
    for (int i = 0; i < 50; i++)
        snprintf(tail + strlen(tail), 16, "    - x\n");
    assert_null(read_text(least, tail));
    assert_int_equal(errors.count, 50);
    unsigned lines = 0;
    for (const char *c = errors.text; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, CONFIG_ERRORS_SHOWN);
}

static void deep_and_self_referring_documents_end(void **state)
{
    assert_null(read_text("&a [*a]", ""));
    assert_null(read_text("&a {interfaces: *a, smtp: *a, lists: *a}", ""));
    char deep[3000] = "lists: {deny: ";
    memset(deep + strlen(deep), '[', 2000);
    assert_null(read_text(deep, ""));
}

static void one_entry_too_many_is_refused(void **state)
{
    char tail[8000] = "relay_networks:\n";
    for (int i = 0; i < NETWORKS_MAX; i++)
        snprintf(tail + strlen(tail), 32, "  - 10.0.%d.0/24\n", i);
    struct config *config = read_text(least, tail);
    assert_non_null(config);
    assert_int_equal(config->relay_networks.count, NETWORKS_MAX);
    config_free(config);
    snprintf(tail + strlen(tail), 32, "  - 10.1.0.0/24\n");
    assert_null(read_text(least, tail));
    assert_non_null(strstr(errors.text, "relay_networks: more than 256 items\n"));
}

static void least_configuration_gets_the_defaults(void **state)
{
    struct config *config = read_text(least, "");
    assert_non_null(config);
    assert_string_equal(config->control.api_socket, "/run/weir/control.sock");
    assert_string_equal(config->control.metrics, "");
    assert_string_equal(config->dns.servers[0], "127.0.0.1:53");
    assert_int_equal(config->head.boot.legs[LEG_INSIDE].mtu, 1500);
    assert_int_equal(config->head.boot.legs[LEG_OUTSIDE].bits[FAMILY_V4], 120);
    assert_int_equal(config->head.boot.legs[LEG_INSIDE].bits[FAMILY_V6], 64);
    assert_int_equal(config->head.limits[LIMIT_CONNECTIONS_SOURCE], 50);
    assert_int_equal(config->head.smtp.verdicts[FINDING_RDNS_NONE].action, ACTION_TAG);
    config_free(config);
}

static void sample_with_every_key_is_accepted(void **state)
{
    struct config *config = NULL;
    errors = (struct config_errors){0};
    int error = config_read(SAMPLE, &config, &errors);
    assert_string_equal(errors.text, "");
    assert_int_equal(error, 0);
    assert_int_equal(config->head.services_count, 7);
    assert_int_equal(config->head.backends_count, 3);
    assert_int_equal(config->head.routes_count, 2);
    assert_int_equal(config->domains_count, 1);
    assert_string_equal(config->control.metrics, "127.0.0.1:9464");
    assert_true(config->head.services[1].submission);
    assert_int_equal(config->head.backends[0].identity, IDENTITY_FORWARD);
    config_free(config);
}

static void domains_are_lower_case_and_sorted(void **state)
{
    struct config *config =
        read_text(least, "domains: {Z.Example: {backend: b}, a.example.: {backend: b}}\n");
    assert_non_null(config);
    assert_string_equal(config->domains[0].name, "a.example");
    assert_string_equal(config->domains[1].name, "z.example");
    config_free(config);
}

static void relative_files_start_at_the_configuration(void **state)
{
    struct config *config =
        read_text(least, "tls: {certificates: [{certificate: mail.pem, key: /k.pem}]}\n");
    assert_non_null(config);
    assert_string_equal(config->head.certificates[0].certificate_file, "/tmp/mail.pem");
    assert_string_equal(config->head.certificates[0].key_file, "/k.pem");
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_file_is_refused_by_name),
        cmocka_unit_test(legs_that_share_a_network_are_refused),
        cmocka_unit_test(what_is_not_yaml_is_refused_with_line_and_column),
        cmocka_unit_test(a_second_document_is_refused),
        cmocka_unit_test(numbers_that_contradict_each_other_are_refused),
        cmocka_unit_test(every_wrong_value_is_refused_by_line_key_and_expectation),
        cmocka_unit_test(smtp_has_no_master),
        cmocka_unit_test(service_must_fit_its_backend_and_its_tls),
        cmocka_unit_test(interface_needs_an_address),
        cmocka_unit_test(many_errors_are_all_counted_and_the_first_shown),
        cmocka_unit_test(deep_and_self_referring_documents_end),
        cmocka_unit_test(one_entry_too_many_is_refused),
        cmocka_unit_test(least_configuration_gets_the_defaults),
        cmocka_unit_test(sample_with_every_key_is_accepted),
        cmocka_unit_test(domains_are_lower_case_and_sorted),
        cmocka_unit_test(relative_files_start_at_the_configuration),
    };
    close(mkstemp(file));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}

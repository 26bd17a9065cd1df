// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_auth.h"

#include "section_read.h"

static bool reads(const char *text)
{
    static const struct config_key root = {.read = config_auth_read, .keys = config_auth_keys};
    return section_reads(&root, offsetof(struct config, auth), text);
}

static void assert_refused(const char *text, const char *want)
{
    assert_false(reads(text));
    section_assert_said(want);
}

static void wrong_values_are_refused(void **state)
{
    assert_refused("{backend: ldap}", "backend: expected passwd_file or dovecot, not \"ldap\"");
    assert_refused("{backend: dovecot, socket: ''}", "expected a socket with backend dovecot");
    assert_refused("{socket: somewhere}", "socket: expected ADDRESS:PORT");
    assert_refused("{mailbox_map: /nowhere/map}", "/nowhere/map");
}

static void a_socket_is_a_path_or_an_address(void **state)
{
    assert_true(reads("{backend: dovecot, socket: /run/dovecot/auth}"));
    assert_string_equal(config->auth.socket, "/run/dovecot/auth");
    assert_true(reads("{backend: dovecot, socket: '192.0.2.1:12345'}"));
    assert_string_equal(config->auth.socket, "192.0.2.1:12345");
}

static void mailboxes_are_at_backends_that_are_there(void **state)
{
    char map[] = "/tmp/weir-map-XXXXXX", text[64];
    static const char lines[] = "alice@example.net: far\n";
    int fd = mkstemp(map);
    assert_int_equal(write(fd, lines, strlen(lines)), strlen(lines));
    close(fd);
    snprintf(text, sizeof text, "{mailbox_map: %s}", map);
    assert_true(reads(text));
    unlink(map);
    assert_true(config_auth_check(config, &errors) < 0);
    assert_non_null(strstr(errors.text, "alice@example.net: expected a backend"));
    memcpy(config->head.backends[0].name, "far", 4);
    config->head.backends_count = 1;
    assert_int_equal(config_auth_check(config, &errors), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(a_socket_is_a_path_or_an_address),
        cmocka_unit_test(mailboxes_are_at_backends_that_are_there),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    config_free(config);
    return failed;
}

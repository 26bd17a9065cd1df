// SPDX-License-Identifier: BSD-3-Clause
/* weirctl as people and scripts use it: output and exit code. */
#include "support/control_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct control_fixture f;
static char text[1 << 16];

static int up(void **state)
{
    control_fixture_up(&f, 2, "");
    return 0;
}

static int down(void **state)
{
    control_fixture_down(&f);
    return 0;
}

static int weirctl(const char *arguments)
{
    return control_fixture_weirctl(&f, arguments, text, sizeof text);
}

static void wrong_usage_exits_2_and_says_how(void **state)
{
    static const struct {
        const char *arguments, *want;
    } rows[] = {
        {"", "usage: weirctl [--socket PATH] [--json] COMMAND"},
        {"dance", "usage: weirctl [--socket PATH] [--json] COMMAND"},
        {"bans dance", "usage: weirctl [--socket PATH] [--json] COMMAND"},
        {"--colour status", "usage: weirctl [--socket PATH] [--json] COMMAND"},
        {"status now", "usage: weirctl status "},
        {"bans add", "usage: weirctl bans add ADDRESS [SECONDS]"},
        {"bans add 192.0.2.1 60 70", "usage: weirctl bans add ADDRESS [SECONDS]"},
        {"limits set connections_source -1", "weirctl: -1: expected a number of at least 0"},
        {"lists add \"$(printf '\\377')\" 192.0.2.0/24", "weirctl: list: expected UTF-8 text"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(weirctl(rows[i].arguments), 2);
        if (!strstr(text, rows[i].want))
            fail_msg("%s: %s", rows[i].arguments, text);
    }
}

static void absent_control_plane_is_one_line_and_exit_1(void **state)
{
    assert_int_equal(weirctl("--socket /tmp/nowhere.sock status"), 1);
    assert_string_equal(text, "weirctl: the control plane is not running (nobody listens on "
                              "/tmp/nowhere.sock)\n");
}

static void refusal_is_one_line_and_exit_1(void **state)
{
    assert_int_equal(weirctl("bans remove 192.0.2.1"), 1);
    assert_string_equal(text, "weirctl: no such ban\n");
    assert_int_equal(weirctl("--json bans remove 192.0.2.1"), 1);
    assert_string_equal(text, "{\"ok\":false,\"error\":\"no such ban\"}\n");
    assert_int_equal(weirctl("limits set connections_source 0"), 1);
    assert_string_equal(text, "weirctl: value: expected a number from 1 to 1000000\n");
}

static void what_is_no_number_is_told_the_range(void **state)
{
    static const char *const values[] = {"1.5", "many", "9223372036854775808",
                                         "99999999999999999999"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char arguments[64];
        snprintf(arguments, sizeof arguments, "limits set connections_source %s", values[i]);
        assert_int_equal(weirctl(arguments), 1);
        assert_string_equal(text, "weirctl: value: expected a number from 1 to 1000000\n");
    }
    assert_int_equal(weirctl("bans add 192.0.2.1 soon"), 1);
    assert_string_equal(text, "weirctl: seconds: expected a number from 1 to 31622400\n");
}

static void help_names_every_command(void **state)
{
    static const char *const words[] = {
        "status",        "stats",        "bans list",     "bans add",   "bans remove",
        "lists list",    "lists add",    "limits get",    "limits set", "sessions list",
        "sessions kill", "config check", "config reload", "--json",     "WEIR_SOCKET",
        "top",           "explain",      "--prefixes",
    };
    assert_int_equal(weirctl("--help"), 0);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_non_null(strstr(text, words[i]));
}

static void status_is_readable(void **state)
{
    assert_int_equal(weirctl("status"), 0);
    assert_non_null(strstr(text, "data plane     attached, pid "));
    assert_non_null(strstr(text, "2 workers"));
    assert_non_null(strstr(text, "dns  child     running, pid "));
    assert_non_null(strstr(text, "policy         generation 1: "));
    assert_non_null(strstr(text, "\nSERVICE  PORT  PROTOCOL  TLS  SUBMISSION  BACKEND\n"
                                 "smtp       25  smtp      off  no          postfix\n"));
}

static void what_limits_and_checks_in_shadow_would_refuse_is_shown(void **state)
{
    counter_shadow(fake_dataplane_counters(f.fake, 0), REASON_CONNECTIONS_SOURCE);
    counter_shadow(fake_dataplane_counters(f.fake, 1), REASON_CONNECTIONS_SOURCE);
    counter_shadow_login(fake_dataplane_counters(f.fake, 1), REASON_CONNECTIONS_SOURCE);
    counter_shadow(fake_dataplane_counters(f.fake, 1), REASON_SMTP_SPF_FAIL);
    assert_int_equal(weirctl("stats"), 0);
    assert_non_null(strstr(text, "IN SHADOW           WOULD REFUSE  LOGGED IN\n"
                                 "connections_source             2          1\n"
                                 "smtp_spf_fail                  1          0\n"));
    assert_int_equal(weirctl("limits mode connections_source shadow"), 0);
    assert_int_equal(weirctl("limits get connections_source"), 0);
    assert_string_equal(text,
                        "50, shadow; in shadow it would have refused 2, of which 1 logged in\n");
    assert_int_equal(weirctl("limits mode connections_source enforce"), 0);
}

static void stats_show_what_is_not_zero_and_all_when_asked(void **state)
{
    counter_add(fake_dataplane_counters(f.fake, 1), COUNTER_RX_PACKETS, 5);
    counter_refuse(fake_dataplane_counters(f.fake, 0), REASON_BANNED);
    assert_int_equal(weirctl("stats"), 0);
    assert_string_equal(text, "COUNTER     VALUE  MEANING\n"
                              "rx_packets      5  frames received\n"
                              "\n"
                              "REFUSED OR ENDED  STATION  VALUE  MEANING\n"
                              "banned            guard        1  source is banned\n");
    assert_int_equal(weirctl("stats --all"), 0);
    assert_non_null(strstr(text, "0 + 5  frames received\n"));
    assert_non_null(strstr(text, "\ndeny_list "));
}

static void bans_lists_and_limits_are_shown_after_a_change(void **state)
{
    assert_int_equal(weirctl("bans add 192.0.2.1 7200"), 0);
    assert_string_equal(text, "done\n");
    assert_int_equal(weirctl("bans"), 0);
    assert_string_equal(text, "ADDRESS         LEFT  REASON\n"
                              "192.0.2.1  2 h 0 min  operator\n");
    assert_int_equal(weirctl("lists add deny 2001:db8::/32"), 0);
    assert_string_equal(text, "done, policy generation 2\n");
    assert_int_equal(weirctl("lists"), 0);
    assert_non_null(strstr(text, "allow  (empty)\ndeny   2001:db8::/32\nmartian  10.0.0.0/8\n"));
    assert_int_equal(weirctl("limits set connections_source 7"), 0);
    assert_int_equal(weirctl("limits get connections_source"), 0);
    assert_string_equal(text, "7\n");
    assert_int_equal(weirctl("limits"), 0);
    assert_non_null(strstr(text, "\nconnections_source "));
    assert_int_equal(weirctl("trace"), 0);
    assert_non_null(strstr(text, "session 5, client: "));
    assert_non_null(strstr(text, "\n  -1.500 s is aborted by its owner\n"));
    assert_int_equal(weirctl("config check"), 0);
    assert_int_equal(weirctl("config reload"), 0);
    assert_int_equal(weirctl("limits get connections_source"), 0);
    assert_string_equal(text, "50\n");
}

static void foreign_text_cannot_drive_the_terminal(void **state)
{
    fake_dataplane_sessions(f.fake, 0, 1);
    assert_int_equal(weirctl("sessions"), 0);
    assert_null(strchr(text, '\x1b'));
    assert_non_null(strstr(text, "a?[1m\xef\xbf\xbd"));
    assert_int_equal(weirctl("sessions kill 0"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_exits_2_and_says_how),
        cmocka_unit_test(absent_control_plane_is_one_line_and_exit_1),
        cmocka_unit_test_setup_teardown(refusal_is_one_line_and_exit_1, up, down),
        cmocka_unit_test_setup_teardown(what_is_no_number_is_told_the_range, up, down),
        cmocka_unit_test(help_names_every_command),
        cmocka_unit_test_setup_teardown(status_is_readable, up, down),
        cmocka_unit_test_setup_teardown(stats_show_what_is_not_zero_and_all_when_asked, up, down),
        cmocka_unit_test_setup_teardown(what_limits_and_checks_in_shadow_would_refuse_is_shown, up,
                                        down),
        cmocka_unit_test_setup_teardown(bans_lists_and_limits_are_shown_after_a_change, up, down),
        cmocka_unit_test_setup_teardown(foreign_text_cannot_drive_the_terminal, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

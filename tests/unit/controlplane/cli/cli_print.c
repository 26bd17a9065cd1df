// SPDX-License-Identifier: BSD-3-Clause
#include "cli/cli_print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cli_print *const all_printers[] = {
    cli_print_status, cli_print_stats,    cli_print_bans,    cli_print_lists,  cli_print_limits,
    cli_print_limit,  cli_print_sessions, cli_print_trace,   cli_print_change, cli_print_order,
    cli_print_check,  cli_print_top,      cli_print_explain,
};

// The text, for free(3). ' in the JSON stands for ".
static char *printed(cli_print *print, const char *json, bool all)
{
    char *text = NULL;
    size_t size;
    char *quoted = strdup(json);
    assert_non_null(quoted);
    for (char *c = quoted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_error_t error;
    json_t *response = json_loads(quoted, 0, &error);
    if (!response)
        fail_msg("%s: %s", error.text, quoted);
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(out, response, all);
    fclose(out);
    json_decref(response);
    free(quoted);
    return text;
}

static void assert_prints(cli_print *print, const char *json, bool all, const char *want)
{
    char *text = printed(print, json, all);
    assert_string_equal(text, want);
    free(text);
}

static void answer_without_its_fields_still_prints(void **state)
{
    static const char *const odd[] = {
        "{}",
        "{'controlplane':5,'children':[1,{}],'services':{},'counters':[{}],'reasons':[null],"
        "'bans':[[]],'allow':5,'limits':'x','value':'x','sessions':[{'user':[]}],'file':0}",
    };
    for (size_t i = 0; i < sizeof all_printers / sizeof all_printers[0]; i++)
        for (int one = 0; one < 2; one++)
            for (int all = 0; all < 2; all++) {
                char *text = printed(all_printers[i], odd[one], all);
                assert_int_equal(text[strlen(text) - 1], '\n');
                free(text);
            }
}

static void data_plane_that_is_away_catches_the_eye(void **state)
{
    char *text =
        printed(cli_print_status, "{'dataplane':{'state':'offered','attached':false}}", false);
    assert_non_null(strstr(text, "\ndata plane     NOT ATTACHED (offered)\n"));
    free(text);
    assert_prints(cli_print_change, "{'generation':3,'published':false}", false,
                  "done; the data plane is not attached and gets it when it is\n");
}

static void cut_lists_say_so(void **state)
{
    assert_prints(cli_print_bans, "{'bans':[],'truncated':true}", false,
                  "ADDRESS  LEFT  REASON\n(cut: there are more)\n");
    char *text = printed(cli_print_sessions, "{'sessions':[],'truncated':true}", false);
    assert_non_null(strstr(text, "\n(cut: there are more)\n"));
    free(text);
}

static void connections_are_told_each_with_its_events(void **state)
{
    assert_prints(cli_print_trace, "{'connections':[]}", false,
                  "nothing is known of such connections\n");
    assert_prints(
        cli_print_trace,
        "{'truncated':true,'connections':[{'session':7,'leg':'client','text':'a','events':"
        "[{'text':'b'},{'text':'c'}]},{'session':8,'leg':'backend','text':'d'}]}",
        false,
        "session 7, client: a\n  b\n  c\n\nsession 8, backend: d\n"
        "(cut: there are more)\n");
}

static void counters_at_zero_are_left_out_unless_all_are_asked_for(void **state)
{
    static const char json[] =
        "{'workers':2,'counters':[{'name':'a','total':0,'workers':[0,0],'text':'first'},"
        "{'name':'b','total':7,'workers':[3,4],'text':'second'}],'reasons':[]}";
    assert_prints(cli_print_stats, json, false,
                  "COUNTER  VALUE  MEANING\n"
                  "b            7  second\n"
                  "\n"
                  "nothing yet\n");
    assert_prints(cli_print_stats, json, true,
                  "COUNTER  VALUE  WORKERS  MEANING\n"
                  "a            0    0 + 0  first\n"
                  "b            7    3 + 4  second\n"
                  "\n"
                  "nothing yet\n");
}

static void more_workers_than_a_cell_holds_are_cut_between_numbers(void **state)
{
    char json[4096] = "{'workers':99,'reasons':[],'counters':[{'total':1,'workers':[7";
    for (int i = 0; i < 99; i++)
        strncat(json, ",12345678", sizeof json - strlen(json) - 1);
    strncat(json, "]}]}", sizeof json - strlen(json) - 1);
    char *text = printed(cli_print_stats, json, true);
    assert_non_null(strstr(text, "7 + 12345678 + 12345678"));
    free(text);
}

static void status_tells_both_planes_and_their_parts(void **state)
{
    assert_prints(
        cli_print_status,
        "{'controlplane':{'pid':10,'uptime_ms':61000,'metrics_port':9100,'session_log':'/s.json',"
        "'session_lines':5,'session_lines_lost':1},"
        "'dataplane':{'attached':true,'pid':11,'workers':2,'attached_ms':5000,'sessions':3,'"
        "draining':true,'busy_permille':[7,1000],"
        "'nic':{'missed':8,'no_mbuf':9,'errors':10,'queue_errors':11,'further':12}},"
        "'children':[{'name':'dns','state':'running','pid':12,'restarts':0},"
        "{'name':'auth','state':'waiting','pid':null,'restarts':3}],"
        "'auth':{'right':1,'wrong':2,'throttled':3,'unavailable':4,'users':5,'waiting_pairs':6,"
        "'waiting_known':7,'waiting_sources':8,'waiting_prefixes':9,'fault':'/p: gone'},"
        "'policy':{'generation':2,'domains':3,'relay_networks':4,'rules':5,'allow':6,'deny':7},"
        "'services':[{'name':'smtp','port':25,'protocol':'smtp','tls':'starttls',"
        "'submission':false,'backend':'postfix'}]}",
        false,
        "control plane  running, pid 10, up 1 min 1 s, metrics on port 9100\n"
        "data plane     attached, pid 11, 2 workers, for 5 s, DRAINING, 3 sessions\n"
        "busy           0.7 %, 100.0 % of the last second\n"
        "lost at ports  8 missed, 9 without buffer, 10 bad, 11 in queues, 12 further\n"
        "dns  child     running, pid 12, restarted 0 times\n"
        "auth child     waiting, restarted 3 times\n"
        "logins         1 right, 2 wrong, 3 told to wait, 4 unavailable; 5 users\n"
        "waiting        6 users at an address (7 more where known), 8 addresses, 9 prefixes\n"
        "USERS NOT READ /p: gone\n"
        "policy         generation 2: 3 domains, 4 relay networks, 5 rules, 6 allowed and 7 denied "
        "prefixes\n"
        "session log    /s.json: 5 lines, 1 lost\n"
        "\n"
        "SERVICE  PORT  PROTOCOL  TLS       SUBMISSION  BACKEND\n"
        "smtp       25  smtp      starttls  no          postfix\n");
}

static void top_says_of_what_and_how_sure_it_is(void **state)
{
    assert_prints(cli_print_top,
                  "{'by':'packets','of':'sources','total':2000.0,'sampled':64,'rows':["
                  "{'address':'192.0.2.1','rate':1500.4,'most':1510.0,'share':0.75},"
                  "{'address':'2001:db8::/64','rate':0.25,'most':20.0,'share':0.0001}]}",
                  false,
                  "sources by packets, 2000 a second in all, one in 64 looked at\n\n"
                  "ADDRESS        A SECOND  AT MOST   SHARE\n"
                  "192.0.2.1          1500     1510  75.0 %\n"
                  "2001:db8::/64      0.25    20.00   0.0 %\n");
}

static void explain_is_a_line_for_each_piece_of_evidence(void **state)
{
    assert_prints(cli_print_explain,
                  "{'address':'192.0.2.1','evidence':['on no list','not banned']}", false,
                  "192.0.2.1\n  on no list\n  not banned\n");
}

static void short_answers_are_one_line(void **state)
{
    assert_prints(cli_print_change, "{'generation':3,'published':true}", false,
                  "done, policy generation 3\n");
    assert_prints(cli_print_order, "{'workers':2}", false, "done\n");
    assert_prints(cli_print_limit, "{'value':50}", false, "50\n");
    assert_prints(cli_print_limit, "{'value':50,'mode':'off'}", false, "50, off\n");
    assert_prints(cli_print_check, "{'file':'/etc/weir.yaml'}", false, "/etc/weir.yaml: ok\n");
    assert_prints(cli_print_lists, "{'allow':[],'deny':['192.0.2.0/24','2001:db8::/32']}", false,
                  "allow  (empty)\ndeny   192.0.2.0/24\ndeny   2001:db8::/32\n");
    assert_prints(cli_print_lists,
                  "{'deny':[],'from files':[{'name':'drop','class':'deny','ipv4':2,'ipv6':1,"
                  "'file':'/a'}],'error':'/a:7:1: no'}",
                  false,
                  "deny   (empty)\nFILE  CLASS  IPV4  IPV6  PATH\ndrop  deny      2     1  /a\n"
                  "not reloaded: /a:7:1: no\n");
    assert_prints(cli_print_list_test, "{'class':'default'}", false, "default: no list holds it\n");
    assert_prints(cli_print_list_test, "{'class':'deny','prefix':'::/0','file':''}", false,
                  "deny by ::/0\n");
    assert_prints(cli_print_list_test, "{'class':'deny','prefix':'::/0','file':'/a'}", false,
                  "deny by ::/0 of /a\n");
    assert_prints(cli_print_bans, "{'bans':[{'address':'192.0.2.1','seconds':90,'reason':'x'}]}",
                  false,
                  "ADDRESS          LEFT  REASON\n"
                  "192.0.2.1  1 min 30 s  x\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_without_its_fields_still_prints),
        cmocka_unit_test(data_plane_that_is_away_catches_the_eye),
        cmocka_unit_test(cut_lists_say_so),
        cmocka_unit_test(connections_are_told_each_with_its_events),
        cmocka_unit_test(counters_at_zero_are_left_out_unless_all_are_asked_for),
        cmocka_unit_test(more_workers_than_a_cell_holds_are_cut_between_numbers),
        cmocka_unit_test(status_tells_both_planes_and_their_parts),
        cmocka_unit_test(top_says_of_what_and_how_sure_it_is),
        cmocka_unit_test(explain_is_a_line_for_each_piece_of_evidence),
        cmocka_unit_test(short_answers_are_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

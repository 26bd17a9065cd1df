// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_finding.h"

#include "smtp_plays.h"

#include <stdio.h>

#define FROM_JOE "C:MAIL FROM:<joe@good.example.org>\n"
#define NAMED    "S:250 mail.example.net\n"

static struct policy_verdict verdict(enum action action)
{
    return (struct policy_verdict){(uint8_t)action, action == ACTION_SCORE ? 3 : 0};
}

static void play(enum finding finding, enum action action, const char *script)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    struct policy_smtp *policy = &fake->policy.policy.smtp;
    policy->verdicts[finding] = verdict(action);
    policy->score_threshold = 3;
    policy->verdicts[FINDING_SCORE_REACHED].action = ACTION_DEFER;
    policy->dnsbl_threshold = 3;
    if (finding == FINDING_DNSBL_LISTED)
        policy->dnsbl_zones = 1;
    mail_host_fake_start(fake);
    mail_script_play(fake, script);
    mail_host_fake_close(fake);
}

// How each finding comes about, up to where it is judged.
static const struct way {
    enum finding finding;
    const char *before, *behind; // the command that is judged, what else happens to it
} ways[] = {
    {FINDING_HELO_SYNTAX, GREETED "C:HELO -a.example\n", ""},
    {FINDING_HELO_SYNTAX, GREETED "C:HELO a..example\n", ""},
    {FINDING_HELO_SYNTAX, GREETED "C:HELO 192.0.2.1\n", ""},
    {FINDING_HELO_SHORT, GREETED "C:HELO localhost\n" NAMED FROM_JOE, ""},
    {FINDING_HELO_LITERAL, GREETED "C:HELO [198.51.100.10]\n" NAMED FROM_JOE, ""},
    {FINDING_HELO_FORGED, GREETED "C:HELO mail.example.net\n" NAMED FROM_JOE, ""},
    {FINDING_HELO_FORGED, GREETED "C:HELO [198.51.100.1]\n" NAMED FROM_JOE, ""},
    {FINDING_DNSBL_LISTED, "E:dnsbl 3\n" HELLO FROM_JOE, ""},
    {FINDING_RDNS_NONE, "E:rdns none\n" BANNER EHLO FROM_JOE, ""},
    {FINDING_RDNS_UNCONFIRMED, "E:rdns unconfirmed a.example\n" BANNER EHLO FROM_JOE, ""},
    {FINDING_RDNS_UNAVAILABLE, "E:unavailable rdns\n" BANNER EHLO FROM_JOE, ""},
    {FINDING_RDNS_DIFFERS, HELLO FROM_JOE, "E:helo forward\nE:spf pass\n"},
    {FINDING_RDNS_DIFFERS, HELLO FROM_JOE, "E:helo mismatch\nE:spf pass\n"},
    {FINDING_HELO_MISMATCH, HELLO FROM_JOE, "E:helo mismatch\nE:spf pass\n"},
    {FINDING_SPF_FAIL, HELLO FROM_JOE, "E:spf fail\n"},
    {FINDING_SPF_SOFTFAIL, HELLO FROM_JOE, "E:spf softfail\n"},
    {FINDING_SPF_NEUTRAL, HELLO FROM_JOE, "E:spf neutral\n"},
    {FINDING_SPF_NONE, HELLO FROM_JOE, "E:spf none\n"},
    {FINDING_SPF_PERMERROR, HELLO FROM_JOE, "E:spf permerror\n"},
    {FINDING_SPF_UNAVAILABLE, HELLO FROM_JOE, "E:spf temperror\n"},
    {FINDING_SPF_HELO_FAIL, HELLO FROM_JOE, "E:spf fail\nE:spf pass\n"},
    {FINDING_SPF_HELO_SOFTFAIL, HELLO FROM_JOE, "E:spf softfail\nE:spf pass\n"},
    {FINDING_SPF_HELO_NEUTRAL, HELLO FROM_JOE, "E:spf neutral\nE:spf pass\n"},
    {FINDING_SPF_HELO_NONE, HELLO FROM_JOE, "E:spf none\nE:spf pass\n"},
    {FINDING_SPF_HELO_PERMERROR, HELLO FROM_JOE, "E:spf permerror\nE:spf pass\n"},
    {FINDING_SPF_HELO_UNAVAILABLE, HELLO FROM_JOE, "E:unavailable spf\nE:spf pass\n"},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

// Where it is told: a name that is none with itself, all else with a recipient.
static const char *until_told(enum finding finding)
{
    return finding == FINDING_HELO_SYNTAX ? "" : MAIL_TO_ALICE;
}

static void play_way(const struct way *way, enum action action, const char *then)
{
    char script[2048];
    snprintf(script, sizeof script, "%s%s%s", way->before, way->behind, then);
    play(way->finding, action, script);
}

static void rejected_and_deferred_by_the_texts_of_the_list(void **unused)
{
    for (int i = 0; i < WAYS; i++) {
        char then[512];
        enum smtp_refusal reject =
            (enum smtp_refusal)(REFUSE_GREETING_EARLY + 2 * (int)ways[i].finding);
        const char *reason = reason_name(finding_facts(ways[i].finding)->reason);
        const char *until = until_told(ways[i].finding);
        snprintf(then, sizeof then, "%sS:%s\nE:counted %s\nE:state %s\n", until,
                 smtp_refusal_reply(reject), reason, until[0] ? "mail" : "greeted");
        assert_int_equal(smtp_refusal_reply(reject)[0], '5');
        play_way(&ways[i], ACTION_REJECT, then);
        snprintf(then, sizeof then, "%sS:%s\nE:counted %s\n", until,
                 smtp_refusal_reply((enum smtp_refusal)(reject + 1)), reason);
        assert_int_equal(smtp_refusal_reply((enum smtp_refusal)(reject + 1))[0], '4');
        play_way(&ways[i], ACTION_DEFER, then);
    }
}

// A sender whose HELO is asked about for the first time has that answered, too.
static const char *taken(enum finding finding)
{
    bool asks_spf = finding > FINDING_HELO_SYNTAX && finding <= FINDING_RDNS_UNAVAILABLE;
    return asks_spf ? "E:spf pass\nS:250 *\n" : "S:250 *\n";
}

static void in_shadow_counted_and_taken(void **unused)
{
    for (int i = 0; i < WAYS; i++) {
        char then[256];
        snprintf(then, sizeof then, "%sE:shadowed %s\n", taken(ways[i].finding),
                 reason_name(finding_facts(ways[i].finding)->reason));
        play_way(&ways[i], ACTION_SHADOW, then);
        play_way(&ways[i], ACTION_TAG, taken(ways[i].finding));
    }
}

static void points_are_summed_and_judged_when_the_sender_is_known(void **unused)
{
    for (int i = 0; i < WAYS; i++) {
        char then[512];
        bool of_syntax = ways[i].finding == FINDING_HELO_SYNTAX;
        bool asks_spf = of_syntax || strstr(taken(ways[i].finding), "spf");
        snprintf(then, sizeof then,
                 "%s%s" MAIL_TO_ALICE "S:450 4.7.1 Too much speaks against your mail\n"
                 "E:counted smtp_score_reached\nE:state mail\n",
                 of_syntax ? NAMED FROM_JOE : "", asks_spf ? "E:spf pass\n" : "");
        play_way(&ways[i], ACTION_SCORE, then);
    }
}

static void the_score_is_reached_at_its_threshold_and_not_before(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    struct policy_smtp *policy = &fake->policy.policy.smtp;
    policy->verdicts[FINDING_RDNS_NONE] = (struct policy_verdict){ACTION_SCORE, 2};
    policy->verdicts[FINDING_SPF_SOFTFAIL] = (struct policy_verdict){ACTION_SCORE, 3};
    policy->verdicts[FINDING_SPF_NEUTRAL] = (struct policy_verdict){ACTION_SCORE, 2};
    policy->verdicts[FINDING_SCORE_REACHED].action = ACTION_REJECT;
    policy->score_threshold = 5;
    mail_host_fake_start(fake);
    mail_script_play(
        fake, "E:rdns none\n" BANNER EHLO FROM_JOE "E:spf softfail\n" MAIL_TO_ALICE
              "S:550 5.7.1 Too much speaks against your mail\nC:RSET\nS:250 2.0.0 Ok\n" FROM_JOE
              "E:spf neutral\nS:250 2.1.0 Ok\n");
    assert_int_equal(fake->host.report.score, 4);
    assert_int_equal(fake->host.report.findings,
                     1u << FINDING_RDNS_NONE | 1u << FINDING_SPF_SOFTFAIL |
                         1u << FINDING_SPF_NEUTRAL | 1u << FINDING_SCORE_REACHED);
    policy->verdicts[FINDING_RDNS_NONE].action = ACTION_REJECT;
    mail_script_play(fake, "C:RSET\nS:250 2.0.0 Ok\n" FROM_JOE MAIL_TO_ALICE "S:550 *\n");
    assert_int_equal(fake->host.report.score, 0); // of that mail
    mail_host_fake_close(fake);
}

static void what_is_off_is_not_found(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    for (int i = 0; i < FINDING_COUNT; i++)
        fake->policy.policy.smtp.verdicts[i].action = ACTION_OFF;
    mail_host_fake_start(fake);
    mail_script_play(fake,
                     "E:rdns none\n" BANNER "C:HELO a..example\nS:250 mail.example.net\n" FROM_JOE
                     "S:250 2.1.0 Ok\n"); // and nothing is asked
    assert_int_equal(fake->host.report.findings, 0);
    mail_host_fake_close(fake);
}

static void what_dns_cannot_be_asked_for_is_never_a_name(void **unused)
{
    static const char *const bad[] = {"",  "exa mple", "exam\\xe9ple", "ex<a>",    "[192.0.2.300]",
                                      "*", "a\\x01b",  "a\\\"b",       "example.."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char script[256];
        snprintf(script, sizeof script, GREETED "C:EHLO %s\nS:501 5.5.2 *\nE:state greeted\n",
                 bad[i]);
        play(FINDING_HELO_SYNTAX, ACTION_OFF, script);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rejected_and_deferred_by_the_texts_of_the_list),
        cmocka_unit_test(in_shadow_counted_and_taken),
        cmocka_unit_test(points_are_summed_and_judged_when_the_sender_is_known),
        cmocka_unit_test(the_score_is_reached_at_its_threshold_and_not_before),
        cmocka_unit_test(what_is_off_is_not_found),
        cmocka_unit_test(what_dns_cannot_be_asked_for_is_never_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

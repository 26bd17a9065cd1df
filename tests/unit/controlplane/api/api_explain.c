// SPDX-License-Identifier: BSD-3-Clause
#include "api/api_command.h"

#include "api_rig.h"
#include "contract/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_evidence(const char *const *want)
{
    const json_t *evidence = json_object_get(api_rig_granted(), "evidence");
    size_t i = 0;
    for (; want[i]; i++) {
        const char *sentence = json_string_value(json_array_get(evidence, i));
        assert_non_null(sentence);
        assert_string_equal(sentence, want[i]);
    }
    assert_int_equal(json_array_size(evidence), i);
}

static void answer_all(const struct explain_answer *first)
{
    for (unsigned worker = 0; worker < OPS_RIG_WORKERS; worker++) {
        struct message answer = api_rig_answer(worker, STATUS_OK);
        if (worker == 0)
            answer.explain_answer = *first;
        api_rig_send(worker, &answer);
    }
}

static void what_is_no_address_reaches_no_worker(void **state)
{
    struct message question;
    api_rig_start("{'command':'explain'}");
    api_rig_refused("address: expected a text");
    api_rig_start("{'command':'explain','address':'198.51.100.0/24'}");
    api_rig_refused("address: expected an IPv4 or IPv6 address");
    assert_false(ops_rig_take(&api_rig.ops, 0, &question));
}

static void a_stranger_is_nothing_in_particular(void **state)
{
    api_rig_start("{'command':'explain','address':'2001:db8:9:8::77'}");
    answer_all(&(struct explain_answer){0});
    assert_evidence((const char *[]){"on no list", "not banned",
                                     "not proven: no handshake of it is remembered",
                                     "0 connections open", "no debt of SYNs", NULL});
    assert_string_equal(json_string_value(json_object_get(api_rig.response, "address")),
                        "2001:db8:9:8::/64");
}

static void a_banned_flooder_is_told_with_all_evidence(void **state)
{
    struct explain_answer known = {.ban_seconds = 90,
                                   .ban_reason = REASON_SMTP_HARVEST,
                                   .is_proven = 1,
                                   .attack = 1,
                                   .proven_s = 12,
                                   .connections = 1,
                                   .debt_us = 5000000,
                                   .tolerance_us = 4950000};
    known.places[TOP_SYNS][TOP_SOURCES] = (struct top_place){2500, 2500, 1};
    known.places[TOP_SYNS][TOP_PREFIXES] = (struct top_place){2500, 3000, 3};
    api_rig_start("{'command':'explain','address':'198.51.100.1'}");
    answer_all(&known);
    assert_evidence((const char *[]){
        "on no list",
        "banned for 90 s more, for smtp_harvest: failed recipients of a session at their limit",
        "proven: its last handshake was 12 s ago, SYNs that look like its own have a rate of their "
        "own",
        "1 connection open",
        "SYNs that do not look like its own are 5.0 s of their rate in debt, beyond the burst: not "
        "answered (syn_rate_source)",
        "a SYN flood is on: unproven SYNs share budgets by prefix and in all",
        "number 1 of its worker's sources by SYNs: 2.50/s now",
        "number 3 of its worker's prefixes by SYNs: 2.50/s now at the least",
        NULL,
    });
    const json_t *top = json_object_get(api_rig.response, "top");
    assert_int_equal(json_array_size(top), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(top, 0), "position")), 1);
}

static void the_longest_prefix_says_which_list_holds(void **state)
{
    static struct prefix allow[1], deny[1];
    struct config *config = api_rig.plane.publisher.config;
    const struct config_prefixes kept[] = {config->lists[CLASS_ALLOW], config->lists[CLASS_DENY]};
    assert_true(prefix_parse("198.51.100.0/24", &allow[0]));
    assert_true(prefix_parse("198.51.100.128/25", &deny[0]));
    config->lists[CLASS_ALLOW] = (struct config_prefixes){.items = allow, .count = 1};
    config->lists[CLASS_DENY] = (struct config_prefixes){.items = deny, .count = 1};
    static const struct {
        const char *request, *list, *prefix;
    } rows[] = {
        {"{'command':'explain','address':'198.51.100.200'}", "deny", "198.51.100.128/25"},
        {"{'command':'explain','address':'198.51.100.100'}", "allow", "198.51.100.0/24"},
        {"{'command':'explain','address':'8.8.8.8'}", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        api_rig_start(rows[i].request);
        answer_all(&(struct explain_answer){0});
        const json_t *list = json_object_get(api_rig_granted(), "list");
        assert_int_equal(json_is_null(list), rows[i].list == NULL);
        if (!rows[i].list)
            continue;
        assert_string_equal(json_string_value(json_object_get(list, "list")), rows[i].list);
        assert_string_equal(json_string_value(json_object_get(list, "prefix")), rows[i].prefix);
    }
    config->lists[CLASS_ALLOW] = kept[0];
    config->lists[CLASS_DENY] = kept[1];
}

static void limits_that_do_not_refuse_are_named_for_the_source_s_class(void **state)
{
    struct config *config = api_rig.plane.publisher.config;
    config->head.modes[LIMIT_CONNECTIONS_SOURCE] = MODE_SHADOW;
    config->head.modes[LIMIT_TLS_RATE_PREFIX] = MODE_OFF;
    config->head.modes[LIMIT_LOGIN_SECONDS] = MODE_OFF;
    api_rig_start("{'command':'explain','address':'8.8.8.8'}");
    answer_all(&(struct explain_answer){0});
    assert_evidence(
        (const char *[]){"on no list", "not banned", "not proven: no handshake of it is remembered",
                         "0 connections open", "no debt of SYNs",
                         "connections_source is in shadow for it: it counts, and "
                         "refuses nothing",
                         "tls_rate_prefix is off for it", "login_seconds is off for it", NULL});
    const json_t *modes = json_object_get(api_rig.response, "modes");
    assert_int_equal(json_object_size(modes), 3);
    assert_string_equal(json_string_value(json_object_get(modes, "connections_source")), "shadow");
    config->head.modes[LIMIT_CONNECTIONS_SOURCE] = MODE_ENFORCE;
    config->head.modes[LIMIT_TLS_RATE_PREFIX] = MODE_ENFORCE;
    config->head.modes[LIMIT_LOGIN_SECONDS] = MODE_ENFORCE;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_rig_up, api_rig_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_address_reaches_no_worker),
        TEST(a_stranger_is_nothing_in_particular),
        TEST(a_banned_flooder_is_told_with_all_evidence),
        TEST(the_longest_prefix_says_which_list_holds),
        TEST(limits_that_do_not_refuse_are_named_for_the_source_s_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

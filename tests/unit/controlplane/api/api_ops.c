// SPDX-License-Identifier: BSD-3-Clause
#include "api_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void answer_all(enum message_status status)
{
    for (unsigned worker = 0; worker < OPS_RIG_WORKERS; worker++) {
        struct message answer = api_rig_answer(worker, status);
        api_rig_send(worker, &answer);
    }
}

static const json_t *row(const char *list, size_t index)
{
    return json_array_get(json_object_get(api_rig.response, list), index);
}

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void wrong_arguments_reach_no_worker(void **state)
{
    static const struct {
        const char *request, *want;
    } rows[] = {
        {"{'command':'bans add'}", "address: expected a text"},
        {"{'command':'bans add','address':'0.0.0.0/0'}",
         "address: expected an IPv4 or IPv6 address"},
        {"{'command':'bans add','address':'::'}", "address: expected an IPv4 or IPv6 address"},
        {"{'command':'bans add','address':'192.0.2.1','seconds':0}",
         "seconds: expected a number from 1 to 31622400"},
        {"{'command':'bans add','address':'192.0.2.1','seconds':31622401}",
         "seconds: expected a number from 1 to 31622400"},
        {"{'command':'bans remove','address':''}", "address: expected an IPv4 or IPv6 address"},
        {"{'command':'backends drain'}", "server: expected a text"},
        {"{'command':'backends drain','server':''}",
         "server: expected NAME or NAME/ADDRESS:PORT of a backend"},
        {"{'command':'backends drain','server':'b/192.0.2.1'}",
         "server: expected NAME or NAME/ADDRESS:PORT of a backend"},
        {"{'command':'backends drain','server':'b/x:25'}",
         "server: expected NAME or NAME/ADDRESS:PORT of a backend"},
        {"{'command':'backends enable','server':'a-name-that-is-too-long-for-a-backend'}",
         "server: expected NAME or NAME/ADDRESS:PORT of a backend"},
        {"{'command':'sessions kill','id':'5'}",
         "id: expected a number from 0 to 9223372036854775807"},
    };
    struct message question;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        api_rig_start(rows[i].request);
        api_rig_refused(rows[i].want);
        assert_false(ops_rig_take(&api_rig.ops, 0, &question));
    }
}

static void order_that_no_worker_did_is_refused(void **state)
{
    api_rig_start("{'command':'bans remove','address':'192.0.2.1'}");
    answer_all(STATUS_NOT_FOUND);
    api_rig_refused("no such ban");
    api_rig_start("{'command':'sessions kill','id':7}");
    answer_all(STATUS_NOT_FOUND);
    api_rig_refused("no such session");
    api_rig_start("{'command':'bans add','address':'192.0.2.1'}");
    answer_all(STATUS_UNAVAILABLE);
    api_rig_refused("no worker took the ban: its table is full or the address must not be banned");
}

static void worker_that_cannot_answer_leaves_the_lists_of_the_others(void **state)
{
    api_rig_start("{'command':'sessions list'}");
    struct message answer = api_rig_answer(0, STATUS_UNAVAILABLE);
    api_rig_send(0, &answer);
    answer = api_rig_answer(1, STATUS_OK);
    answer.session_page.count = 1;
    answer.session_page.rows[0] = (struct session_row){.id = 4, .backend = 255};
    api_rig_send(1, &answer);
    assert_int_equal(json_array_size(json_object_get(api_rig_granted(), "sessions")), 1);
    assert_int_equal(number(row("sessions", 0), "worker"), 1);
}

static void order_done_by_one_worker_is_done(void **state)
{
    struct addr want;
    api_rig_start("{'command':'bans add','address':'2001:db8::1:2:3:4','seconds':60}");
    struct message question;
    assert_true(ops_rig_take(&api_rig.ops, 0, &question));
    assert_true(addr_parse("2001:db8::", &want));
    assert_true(addr_equal(&question.ban.addr, &want)); // of IPv6 the /64
    assert_int_equal(question.ban.seconds, 60);
    question.status = STATUS_UNAVAILABLE;
    ops_desk_answer(&api_rig.plane.desk, 0, &question);
    struct message answer = api_rig_answer(1, STATUS_OK);
    api_rig_send(1, &answer);
    assert_int_equal(number(api_rig_granted(), "workers"), 1);
}

static void bans_of_several_workers_are_joined_with_the_longest_time(void **state)
{
    static const uint32_t seconds[] = {10, 50};
    api_rig_start("{'command':'bans list'}");
    for (unsigned worker = 0; worker < OPS_RIG_WORKERS; worker++) {
        struct message answer = api_rig_answer(worker, STATUS_OK);
        struct ban *bans = answer.ban_page.bans;
        assert_true(addr_parse("192.0.2.1", &bans[0].addr));
        bans[0].seconds = seconds[worker];
        assert_true(addr_parse("2001:db8::", &bans[1].addr));
        bans[1].reason = REASON_BANNED;
        answer.ban_page.count = worker == 0 ? 1 : 2;
        api_rig_send(worker, &answer);
    }
    assert_int_equal(json_array_size(json_object_get(api_rig_granted(), "bans")), 2);
    assert_string_equal(text(row("bans", 0), "address"), "192.0.2.1");
    assert_string_equal(text(row("bans", 0), "reason"), "operator");
    assert_int_equal(number(row("bans", 0), "seconds"), 50);
    assert_int_equal(number(row("bans", 0), "workers"), 2);
    assert_string_equal(text(row("bans", 1), "address"), "2001:db8::/64");
    assert_string_equal(text(row("bans", 1), "reason"), "banned");
}

static void ban_lasts_an_hour_unless_said(void **state)
{
    struct message question;
    api_rig_start("{'command':'bans add','address':'192.0.2.1'}");
    assert_true(ops_rig_take(&api_rig.ops, 1, &question));
    assert_int_equal(question.ban.seconds, 3600);
}

static void a_drain_names_a_server_or_all_of_a_backend(void **state)
{
    struct message question;
    api_rig_start("{'command':'backends drain','server':'b/[2001:db8::1]:2525'}");
    assert_true(ops_rig_take(&api_rig.ops, 0, &question));
    assert_string_equal(question.server_order.backend, "b");
    assert_int_equal(question.server_order.port, 2525);
    assert_int_equal(question.server_order.drain, 1);
    assert_false(addr_is_v4(&question.server_order.addr));
    question.status = STATUS_OK;
    ops_desk_answer(&api_rig.plane.desk, 0, &question);
    struct message answer = api_rig_answer(1, STATUS_OK);
    assert_int_equal(answer.kind, MESSAGE_SERVER_DRAIN);
    api_rig_send(1, &answer);
    assert_int_equal(number(api_rig_granted(), "workers"), 2);
    api_rig_start("{'command':'backends enable','server':'b'}");
    answer_all(STATUS_NOT_FOUND);
    api_rig_refused("no such backend or server");
}

static void a_drain_of_the_shield_has_a_time_and_an_end(void **state)
{
    struct message question;
    api_rig_start("{'command':'drain start'}");
    assert_true(ops_rig_take(&api_rig.ops, 0, &question));
    assert_int_equal(question.kind, MESSAGE_DRAIN);
    assert_int_equal(question.drain_order.drain, 1);
    assert_int_equal(question.drain_order.seconds, UINT32_MAX);
    question.status = STATUS_OK;
    ops_desk_answer(&api_rig.plane.desk, 0, &question);
    struct message answer = api_rig_answer(1, STATUS_OK);
    api_rig_send(1, &answer);
    assert_int_equal(number(api_rig_granted(), "workers"), 2);
    api_rig_start("{'command':'drain start','seconds':5}");
    assert_true(ops_rig_take(&api_rig.ops, 0, &question));
    assert_int_equal(question.drain_order.seconds, 5);
    ops_desk_down(&api_rig.plane.desk);
    api_rig_start("{'command':'drain start','seconds':86401}");
    api_rig_refused("seconds: expected a number from 0 to 86400");
    api_rig_start("{'command':'drain stop'}");
    assert_true(ops_rig_take(&api_rig.ops, 0, &question));
    assert_int_equal(question.drain_order.drain, 0);
    ops_desk_down(&api_rig.plane.desk);
}

static void servers_are_listed_by_worker(void **state)
{
    api_rig_start("{'command':'backends list'}");
    for (unsigned worker = 0; worker < OPS_RIG_WORKERS; worker++) {
        struct message answer = api_rig_answer(worker, STATUS_OK);
        answer.server_page.count = 1;
        answer.server_page.rows[0] = (struct server_row){.backend = "b",
                                                         .port = 25,
                                                         .health = SERVER_DOWN,
                                                         .drained = worker == 1,
                                                         .last_failure = REASON_TCP_REFUSED};
        assert_true(addr_parse("192.0.2.1", &answer.server_page.rows[0].addr));
        api_rig_send(worker, &answer);
    }
    api_rig_granted();
    assert_string_equal(text(row("servers", 0), "server"), "192.0.2.1:25");
    assert_string_equal(text(row("servers", 0), "state"), "down");
    assert_string_equal(text(row("servers", 0), "last_failure"), "tcp_refused");
    assert_string_equal(text(row("servers", 1), "state"), "drained");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_arguments_reach_no_worker, api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(order_that_no_worker_did_is_refused, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(worker_that_cannot_answer_leaves_the_lists_of_the_others,
                                        api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(a_drain_names_a_server_or_all_of_a_backend, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(a_drain_of_the_shield_has_a_time_and_an_end, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(servers_are_listed_by_worker, api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(order_done_by_one_worker_is_done, api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(bans_of_several_workers_are_joined_with_the_longest_time,
                                        api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(ban_lasts_an_hour_unless_said, api_rig_up, api_rig_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

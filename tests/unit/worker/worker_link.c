// SPDX-License-Identifier: BSD-3-Clause
#include "contract/doorbell.h"
#include "contract/spsc.h"
#include "support/hostile.h"
#include "worker_rig.h"

#include <rte_cycles.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct control { // the control plane's end of a role
    struct worker_link link;
    struct spsc_channel channel;
    int bell;
};

static void attach(struct worker_rig *rig, struct control *control, enum attach_role role)
{
    int fd = spsc_channel_create();
    bool ops = role == ROLE_OPS;
    assert_true(fd >= 0);
    assert_int_equal(
        spsc_channel_open(&control->link.channel, fd, ops ? SPSC_ANSWERER : SPSC_ASKER), 0);
    assert_int_equal(spsc_channel_open(&control->channel, fd, ops ? SPSC_ASKER : SPSC_ANSWERER), 0);
    int bell[DOORBELL_ENDS];
    assert_int_equal(doorbell_open(bell), 0);
    control->link.button = bell[DOORBELL_BUTTON];
    control->bell = bell[DOORBELL_BELL];
    close(fd);
    worker_set_link(rig->worker, role, &control->link);
    assert_false(worker_has_adopted(rig->worker));
    worker_rig_turns(rig, 1);
    assert_true(worker_has_adopted(rig->worker));
}

static void detach(struct worker_rig *rig, struct control *control, enum attach_role role)
{
    worker_set_link(rig->worker, role, NULL);
    worker_rig_turns(rig, 1);
    spsc_channel_close(&control->link.channel);
    spsc_channel_close(&control->channel);
    close(control->link.button);
    close(control->bell);
}

static struct message order(struct worker_rig *rig, struct control *control,
                            const struct message *message)
{
    struct message answer;
    assert_true(spsc_put(&control->channel.out, message));
    worker_rig_turns(rig, 1);
    assert_true(spsc_take(&control->channel.in, &answer));
    assert_int_equal(answer.handle, message->handle);
    assert_true(message_is_sound(&answer));
    return answer;
}

static void an_operators_ban_is_obeyed_and_listed(void **state)
{
    struct worker_rig *rig = *state;
    struct control control;
    attach(rig, &control, ROLE_OPS);
    struct message add = message_make(MESSAGE_BAN_ADD, STATUS_ASKED, 5);
    add.ban = (struct ban){.addr = rig->client, .seconds = 60};
    assert_int_equal(order(rig, &control, &add).status, STATUS_OK);

    struct message list = message_make(MESSAGE_BAN_LIST, STATUS_ASKED, 6);
    struct message page = order(rig, &control, &list);
    while (page.ban_page.count == 0 && page.ban_page.next) {
        list.page_question.cursor = page.ban_page.next;
        page = order(rig, &control, &list);
    }
    assert_int_equal(page.ban_page.count, 1);
    assert_true(addr_equal(&page.ban_page.bans[0].addr, &rig->client));

    worker_rig_segment(rig, (struct packet){.src_port = 9, .dst_port = 25, .tcp_flags = TCP_SYN});
    worker_rig_turns(rig, 1);
    assert_int_equal(rig->counters.reasons[REASON_BANNED], 1);

    struct message remove = message_make(MESSAGE_BAN_REMOVE, STATUS_ASKED, 7);
    remove.ban.addr = rig->client;
    assert_int_equal(order(rig, &control, &remove).status, STATUS_OK);
    assert_int_equal(order(rig, &control, &remove).status, STATUS_NOT_FOUND);
    detach(rig, &control, ROLE_OPS);
}

static void the_heaviest_source_is_named_and_explained(void **state)
{
    struct worker_rig *rig = *state;
    struct control control;
    attach(rig, &control, ROLE_OPS);
    for (uint16_t port = 9; port < 12; port++) // no service there
        worker_rig_segment(rig,
                           (struct packet){.src_port = port, .dst_port = 26, .tcp_flags = TCP_SYN});
    worker_rig_turns(rig, 1);
    for (int measure = 0; measure < TOP_MEASURE_COUNT; measure++) {
        struct message list = message_make(MESSAGE_TOP_LIST, STATUS_ASKED, 6);
        list.page_question.measure = (uint8_t)measure;
        struct top_page page = order(rig, &control, &list).top_page;
        bool counted = measure == TOP_PACKETS || measure == TOP_REFUSALS;
        assert_int_equal(page.count, counted);
        assert_true(!counted || addr_equal(&page.rows[0].addr, &rig->client));
    }
    struct message explain = message_make(MESSAGE_EXPLAIN, STATUS_ASKED, 7);
    explain.explain_question.addr = rig->client;
    struct explain_answer answer = order(rig, &control, &explain).explain_answer;
    assert_int_equal(answer.places[TOP_REFUSALS][TOP_SOURCES].position, 1);
    assert_int_equal(answer.places[TOP_REFUSALS][TOP_PREFIXES].position, 1);
    assert_int_equal(answer.places[TOP_CONNECTIONS][TOP_SOURCES].position, 0);
    assert_int_equal(answer.ban_seconds, 0);
    assert_false(answer.is_proven);
    detach(rig, &control, ROLE_OPS);
}

static void a_session_that_is_not_there_cannot_be_killed(void **state)
{
    struct worker_rig *rig = *state;
    struct control control;
    attach(rig, &control, ROLE_OPS);
    struct message kill = message_make(MESSAGE_SESSION_KILL, STATUS_ASKED, 5);
    kill.session_kill.id = 0x100000001;
    assert_int_equal(order(rig, &control, &kill).status, STATUS_NOT_FOUND);
    struct message list = message_make(MESSAGE_SESSION_LIST, STATUS_ASKED, 6);
    assert_int_equal(order(rig, &control, &list).session_page.count, 0);
    struct message trace = message_make(MESSAGE_TRACE, STATUS_ASKED, 7);
    struct message told = order(rig, &control, &trace);
    assert_int_equal(told.status, STATUS_OK);
    assert_int_equal(told.trace_page.count, 0);
    detach(rig, &control, ROLE_OPS);
}

static void unsound_and_misplaced_messages_are_counted_and_dropped(void **state)
{
    struct worker_rig *rig = *state;
    struct control ops, dns;
    attach(rig, &ops, ROLE_OPS);
    attach(rig, &dns, ROLE_DNS);
    struct message bad = message_make(MESSAGE_BAN_ADD, STATUS_ASKED, 5);
    bad.version++;
    assert_true(spsc_put(&ops.channel.out, &bad));
    struct message answer_to_ops = message_make(MESSAGE_RDNS, STATUS_OK, 5);
    assert_true(spsc_put(&ops.channel.out, &answer_to_ops));
    struct message question_to_worker = message_make(MESSAGE_RDNS, STATUS_ASKED, 5);
    assert_true(spsc_put(&dns.channel.out, &question_to_worker));
    worker_rig_turns(rig, 1);
    assert_int_equal(rig->counters.reasons[REASON_SESSION_ANSWER_BAD], 3);
    detach(rig, &dns, ROLE_DNS);
    detach(rig, &ops, ROLE_OPS);
}

static void a_child_cannot_answer_for_the_other(void **state)
{
    struct worker_rig *rig = *state;
    static const uint8_t theirs[ROLE_COUNT] = {
        [ROLE_DNS] = MESSAGE_AUTH, [ROLE_AUTH] = MESSAGE_SPF};
    for (enum attach_role role = ROLE_DNS; role <= ROLE_AUTH; role++) {
        struct control control;
        attach(rig, &control, role);
        struct message forged = message_make((enum message_kind)theirs[role], STATUS_OK, 1);
        if (role == ROLE_DNS)
            forged.auth_answer =
                (struct auth_answer){.verdict = AUTH_RIGHT, .user_size = 1, .user = "a"};
        assert_true(message_is_sound(&forged));
        assert_true(spsc_put(&control.channel.out, &forged));
        worker_rig_turns(rig, 1);
        detach(rig, &control, role);
    }
    assert_int_equal(rig->counters.reasons[REASON_SESSION_ANSWER_BAD], 2);
    assert_int_equal(rig->counters.reasons[REASON_SESSION_ANSWER_LATE], 0);
}

static void an_answer_to_nobody_is_counted(void **state)
{
    struct worker_rig *rig = *state;
    struct control dns;
    attach(rig, &dns, ROLE_DNS);
    struct message late = message_make(MESSAGE_SPF, STATUS_OK, 0x300000001);
    assert_true(spsc_put(&dns.channel.out, &late));
    worker_rig_turns(rig, 1);
    assert_int_equal(rig->counters.reasons[REASON_SESSION_ANSWER_LATE], 1);
    detach(rig, &dns, ROLE_DNS);
}

static void a_question_to_a_role_that_is_gone_for_long_is_refused(void **state)
{
    struct worker_rig *rig = *state;
    struct message question = message_make(MESSAGE_RDNS, STATUS_ASKED, 1);
    uint64_t wait_us = rig->policy->limits[LIMIT_QUESTION_MS] * 1000;
    worker_rig_turns(rig, 1);
    rig->worker->alone_us[ROLE_DNS] = rig->worker->now_us - wait_us + 1;
    assert_true(worker_link_ask(rig->worker, ROLE_DNS, &question)); // waits to be asked again
    rig->worker->alone_us[ROLE_DNS] = rig->worker->now_us - wait_us;
    assert_false(worker_link_ask(rig->worker, ROLE_DNS, &question));
    struct message report = message_make(MESSAGE_REPORT, STATUS_OK, 1);
    worker_link_report(rig->worker, &report);
    assert_int_equal(rig->counters.reasons[REASON_SESSION_REPORT_LOST], 1);
}

static bool is_rung(const struct control *control)
{
    char rings[8];
    return recv(control->bell, rings, sizeof rings, MSG_DONTWAIT) > 0;
}

static void reports_share_a_bell_that_does_not_wait_long(void **state)
{
    struct worker_rig *rig = *state;
    struct control ops;
    attach(rig, &ops, ROLE_OPS);
    assert_true(spsc_sleep(&ops.channel.in));
    struct message report = message_make(MESSAGE_REPORT, STATUS_OK, 1);
    uint64_t now_us = rig->worker->now_us;
    worker_link_report(rig->worker, &report);
    worker_turn_at(rig->worker, now_us + 9999);
    assert_false(is_rung(&ops));
    worker_turn_at(rig->worker, now_us + 10000);
    assert_true(is_rung(&ops));
    assert_true(spsc_take(&ops.channel.in, &report));
    assert_true(spsc_sleep(&ops.channel.in));
    for (int i = 0; i < 127; i++)
        worker_link_report(rig->worker, &report);
    worker_turn_at(rig->worker, now_us + 10000);
    assert_false(is_rung(&ops));
    worker_link_report(rig->worker, &report);
    worker_turn_at(rig->worker, now_us + 10000);
    assert_true(is_rung(&ops));
    detach(rig, &ops, ROLE_OPS);
}

// That a session of the client ended.
static struct message report_of_a_session(struct worker_rig *rig, struct control *ops)
{
    struct packet synack;
    struct message report;
    worker_rig_segment(rig, (struct packet){.src_port = 9, .dst_port = 25, .tcp_flags = TCP_SYN});
    rte_pktmbuf_free(worker_rig_take(rig, LEG_OUTSIDE, &synack));
    struct packet ack = {.src_port = 9, .dst_port = 25, .seq = 1, .ack = synack.seq + 1};
    ack.tcp_flags = TCP_ACK;
    worker_rig_segment(rig, ack);
    worker_rig_turns(rig, 1);
    ack.seq = 1;
    ack.tcp_flags = TCP_RST;
    worker_rig_segment(rig, ack);
    worker_rig_turns(rig, 1);
    assert_true(spsc_take(&ops->channel.in, &report));
    assert_int_equal(report.kind, MESSAGE_REPORT);
    return report;
}

static void the_time_in_a_report_is_the_systems_whatever_the_workers_clock_is(void **state)
{
    struct worker_rig *rig = *state;
    struct control ops;
    attach(rig, &ops, ROLE_OPS);
    rig->worker->config.clock_start -= 3600 * rte_get_tsc_hz(); // it ran fast
    worker_rig_turns(rig, 1);
    struct message report = report_of_a_session(rig, &ops);
    int64_t off = (int64_t)(report.report.facts.started_us / 1000000) - (int64_t)time(NULL);
    assert_in_range(off + 60, 0, 120);
    detach(rig, &ops, ROLE_OPS);
}

static void a_sleeper_is_rung_once_a_turn(void **state)
{
    struct worker_rig *rig = *state;
    struct control dns;
    attach(rig, &dns, ROLE_DNS);
    struct message question = message_make(MESSAGE_RDNS, STATUS_ASKED, 1);
    char rings[8];
    assert_true(worker_link_ask(rig->worker, ROLE_DNS, &question));
    worker_rig_turns(rig, 1);
    assert_true(recv(dns.bell, rings, sizeof rings, MSG_DONTWAIT) < 0); // nobody sleeps
    assert_true(spsc_take(&dns.channel.in, &question));
    assert_true(spsc_sleep(&dns.channel.in));
    assert_true(worker_link_ask(rig->worker, ROLE_DNS, &question));
    assert_true(worker_link_ask(rig->worker, ROLE_DNS, &question));
    worker_rig_turns(rig, 1);
    assert_int_equal(recv(dns.bell, rings, sizeof rings, MSG_DONTWAIT), 1);
    detach(rig, &dns, ROLE_DNS);
}

static bool is_told_broken(const struct control *control)
{
    return spsc_channel_is_broken(&control->link.channel);
}

// Every role in turn lies until its channel is useless, which may be at once or late; the worker
// turns on, and the next channel of the role works.
static void a_peer_that_rewrites_its_memory_harms_its_own_channel_alone(void **state)
{
    enum { CHANNELS = 60, TOUCHES_A_TURN = 16, TURNS = 200 };
    struct worker_rig *rig = *state;
    struct rng rng;
    rng_seed(&rng, 7);
    unsigned broken = 0;
    for (int i = 0; i < CHANNELS; i++) {
        enum attach_role role = (enum attach_role)(i % ROLE_COUNT);
        enum spsc_end end = role == ROLE_OPS ? SPSC_ASKER : SPSC_ANSWERER;
        struct control control;
        attach(rig, &control, role);
        for (int turn = 0; turn < TURNS; turn++) {
            struct message question = message_make(MESSAGE_RDNS, STATUS_ASKED, 1);
            (void)worker_link_ask(rig->worker, role, &question);
            for (int touch = 0; touch < TOUCHES_A_TURN; touch++)
                hostile_touch(control.channel.memory, end, &rng);
            worker_rig_turns(rig, 1);
        }
        broken += is_told_broken(&control);
        detach(rig, &control, role);
    }
    assert_in_range(broken, 1, CHANNELS);
    assert_true(rig->counters.reasons[REASON_SESSION_ANSWER_BAD] > CHANNELS);
    assert_true(rig->counters.reasons[REASON_SESSION_ANSWER_LATE] > CHANNELS);

    struct control ops;
    attach(rig, &ops, ROLE_OPS);
    struct message list = message_make(MESSAGE_SESSION_LIST, STATUS_ASKED, 6);
    assert_int_equal(order(rig, &ops, &list).status, STATUS_OK);
    detach(rig, &ops, ROLE_OPS);
}

static void no_more_than_a_budget_is_taken_a_turn(void **state)
{
    struct worker_rig *rig = *state;
    struct control ops;
    attach(rig, &ops, ROLE_OPS);
    struct message list = message_make(MESSAGE_SESSION_LIST, STATUS_ASKED, 6);
    for (int i = 0; i < SPSC_SLOTS; i++)
        assert_true(spsc_put(&ops.channel.out, &list));
    assert_int_equal(worker_link_serve(rig->worker), 8);
    detach(rig, &ops, ROLE_OPS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, worker_rig_setup, worker_rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_peer_that_rewrites_its_memory_harms_its_own_channel_alone),
        TEST(no_more_than_a_budget_is_taken_a_turn),
        TEST(an_operators_ban_is_obeyed_and_listed),
        TEST(the_heaviest_source_is_named_and_explained),
        TEST(a_session_that_is_not_there_cannot_be_killed),
        TEST(unsound_and_misplaced_messages_are_counted_and_dropped),
        TEST(a_child_cannot_answer_for_the_other),
        TEST(an_answer_to_nobody_is_counted),
        TEST(a_question_to_a_role_that_is_gone_for_long_is_refused),
        TEST(reports_share_a_bell_that_does_not_wait_long),
        TEST(the_time_in_a_report_is_the_systems_whatever_the_workers_clock_is),
        TEST(a_sleeper_is_rung_once_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

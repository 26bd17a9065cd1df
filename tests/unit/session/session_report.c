// SPDX-License-Identifier: BSD-3-Clause
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_page_of_sessions_goes_on_where_the_last_ended(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < SESSIONS_PER_MESSAGE + 2; i++)
        rig_connect(rig, 25);
    struct session_page page;
    sessions_list(rig_sessions(rig), 0, rig_now(rig), &page);
    assert_int_equal(page.count, SESSIONS_PER_MESSAGE);
    assert_int_not_equal(page.next, 0);
    sessions_list(rig_sessions(rig), page.next, rig_now(rig), &page);
    assert_int_equal(page.count, 2);
    assert_int_equal(page.next, 0);
}

// Stories of session `id`, page by page; the last one stays in *ret.
static unsigned trace(struct rig *rig, uint64_t id, struct trace_story *ret)
{
    struct trace_page page = {0};
    unsigned count = 0;
    do {
        sessions_trace(rig_sessions(rig), page.next, id, &page);
        count += page.count;
        if (page.count)
            *ret = page.stories[page.count - 1];
    } while (page.next);
    return count;
}

static void what_became_of_connections_is_told_while_open_and_after_a_bad_end(void **state)
{
    struct rig *rig = *state;
    struct session_page page;
    struct trace_story story;
    struct rig_peer *clients[STORIES_PER_MESSAGE + 1];
    for (int i = 0; i < STORIES_PER_MESSAGE + 1; i++)
        clients[i] = rig_connect(rig, 25);
    sessions_list(rig_sessions(rig), 0, rig_now(rig), &page);
    assert_int_equal(trace(rig, page.rows[1].id, &story), 1);
    assert_int_equal(story.user, page.rows[1].id);
    assert_int_equal(story.remote_port, page.rows[1].client_port);
    assert_false(story.ended);
    assert_int_equal(trace(rig, 0, &story), 0);
    rig_reset(rig, clients[1]);
    assert_int_equal(trace(rig, page.rows[1].id, &story), 1);
    assert_true(story.ended);
    assert_int_equal(story.reason, REASON_TCP_RESET_BY_PEER);
    for (int i = 0; i < STORIES_PER_MESSAGE + 1; i++)
        if (i != 1)
            rig_reset(rig, clients[i]);
    assert_int_equal(trace(rig, 0, &story), STORIES_PER_MESSAGE + 1);
    assert_int_equal(story.user, page.rows[1].id); // the first to end
}

static void the_report_tells_the_session(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    rig_say(rig, client, "QUIT\r\n");
    rig_expect(rig, client, "221 ");
    rig_hang_up(rig, client);
    const struct report *report = rig_report(rig);
    assert_non_null(report);
    assert_int_equal(report->facts.reason, REASON_MAIL_QUIT);
    assert_int_equal(report->facts.rdns, RDNS_CONFIRMED);
    assert_int_equal(report->facts.spf, SPF_PASS);
    struct span helo = report_text(report, TEXT_HELO), from = report_text(report, TEXT_MAIL_FROM);
    assert_true(span_equal(helo, span_text("client.example.org")));
    assert_true(span_equal(from, span_text("a@example.org")));
    assert_true(span_equal(report_text(report, TEXT_RDNS_NAME), span_text("client.example.org")));
    assert_int_equal(report->facts.backend, 255);
    assert_true(report->facts.bytes_in > 0 && report->facts.bytes_out > 0);
}

static void the_report_s_time_follows_a_clock_that_was_set(void **state)
{
    struct rig *rig = *state;
    sessions_clock(rig_sessions(rig), 1700000000000000);
    struct rig_peer *client = rig_connect(rig, 25);
    uint64_t begun_us = rig_now(rig);
    rig_run(rig, 5000000);
    sessions_clock(rig_sessions(rig), 1800000000000000);
    rig_reset(rig, client);
    const struct report_facts *facts = &rig_report(rig)->facts;
    assert_int_equal((facts->started_us - begun_us + 500000) / 1000000, 1800000000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, play_setup, play_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_page_of_sessions_goes_on_where_the_last_ended),
        TEST(what_became_of_connections_is_told_while_open_and_after_a_bad_end),
        TEST(the_report_tells_the_session),
        TEST(the_report_s_time_follows_a_clock_that_was_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

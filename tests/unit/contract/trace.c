// SPDX-License-Identifier: BSD-3-Clause
#include "contract/trace.h"

#include "contract/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void a_story_with_anything_out_of_range_is_not_sound(void **state)
{
    struct trace_story good = {.count = TRACE_EVENTS, .ended = 1, .reason = REASON_COUNT - 1}, s;
    assert_true(trace_story_is_sound(&good));
    s = good;
    s.count++;
    assert_false(trace_story_is_sound(&s));
    s = good;
    s.reason++;
    assert_false(trace_story_is_sound(&s));
    s = good;
    s.ended++;
    assert_false(trace_story_is_sound(&s));
    struct trace_event *last = &s.events[TRACE_EVENTS - 1];
    s = good;
    last->kind = TRACE_KIND_COUNT;
    assert_false(trace_story_is_sound(&s));
    *last = (struct trace_event){.kind = TRACE_STATE, .value = 10};
    assert_false(trace_story_is_sound(&s));
    last->value = 9;
    assert_true(trace_story_is_sound(&s));
    *last = (struct trace_event){.kind = TRACE_REFUSED, .value = REASON_COUNT};
    assert_false(trace_story_is_sound(&s));
    s.count--; // what is not counted is not looked at
    assert_true(trace_story_is_sound(&s));
}

static void every_kind_prints_with_the_largest_values(void **state)
{
    char text[TRACE_TEXT_SIZE];
    for (int kind = 0; kind < TRACE_KIND_COUNT; kind++) {
        struct trace_story story = {.count = 1};
        struct trace_event *e = &story.events[0];
        *e = (struct trace_event){UINT32_MAX, UINT32_MAX, (uint8_t)kind, UINT8_MAX};
        if (!trace_story_is_sound(&story))
            e->value = kind == TRACE_STATE ? 9 : REASON_TCP_CHALLENGED;
        assert_true(trace_story_is_sound(&story));
        assert_memory_equal(trace_event_text(e, text), "-4294967.295 s ", 15);
        assert_non_null(strstr(text, ", 255 or more times"));
    }
}

static void an_event_is_a_line_with_its_value(void **state)
{
    static const struct {
        struct trace_event event;
        const char *want;
    } rows[] = {
        {{12, 5, TRACE_STATE, 1}, "-0.012 s enters FIN-WAIT-2"},
        {{61001, 77, TRACE_AGAIN, 3}, "-61.001 s sends again 77, 3 times"},
        {{0, 400, TRACE_TIME_OUT, 1}, "-0.000 s no acknowledgment within 400 ms"},
        {{5, REASON_TCP_PAWS, TRACE_REFUSED, 2},
         "-0.005 s does not take a segment: timestamp too old (RFC 7323, section 5), 2 times"},
        {{1, 0, TRACE_ABORTED, 1}, "-0.001 s is aborted by its owner"},
    };
    char text[TRACE_TEXT_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(trace_event_text(&rows[i].event, text), rows[i].want);
}

static void a_story_begins_with_who_and_how_it_ended(void **state)
{
    struct trace_story story = {.local_port = 25, .remote_port = 4000};
    char text[TRACE_TEXT_SIZE];
    assert_true(addr_parse("192.0.2.2", &story.local) && addr_parse("192.0.2.1", &story.remote));
    assert_string_equal(trace_story_text(&story, text),
                        "192.0.2.2 port 25 with 192.0.2.1 port 4000, open");
    story.ended = 1;
    assert_string_equal(trace_story_text(&story, text),
                        "192.0.2.2 port 25 with 192.0.2.1 port 4000, ended");
    story.reason = REASON_TCP_TIMED_OUT;
    assert_string_equal(trace_story_text(&story, text),
                        "192.0.2.2 port 25 with 192.0.2.1 port 4000, ended: tcp_timed_out");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_story_with_anything_out_of_range_is_not_sound),
        cmocka_unit_test(every_kind_prints_with_the_largest_values),
        cmocka_unit_test(an_event_is_a_line_with_its_value),
        cmocka_unit_test(a_story_begins_with_who_and_how_it_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

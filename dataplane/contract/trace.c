// SPDX-License-Identifier: BSD-3-Clause
#include "contract/trace.h"

#include "contract/reason.h"

#include <stdio.h>

static const char *const state_texts[] = {
#define TCP_STATE(name, text, next) text,
#include "contract/tcp_state.def"
#undef TCP_STATE
};
enum { STATES = sizeof state_texts / sizeof state_texts[0] };

enum unit { UNIT_NONE, UNIT_STATE, UNIT_REASON, UNIT_SEQUENCE, UNIT_BYTES, UNIT_MS, UNIT_COUNT };

static const struct {
    const char *text;
    enum unit unit;
} kinds[] = {
#define TRACE(name, text, unit) {text, UNIT_##unit},
#include "contract/trace.def"
#undef TRACE
};

static bool event_is_sound(const struct trace_event *e)
{
    if (e->kind >= TRACE_KIND_COUNT)
        return false;
    if (kinds[e->kind].unit == UNIT_STATE)
        return e->value < STATES;
    return kinds[e->kind].unit != UNIT_REASON || e->value < REASON_COUNT;
}

bool trace_story_is_sound(const struct trace_story *story)
{
    if (story->count > TRACE_EVENTS || story->reason >= REASON_COUNT || story->ended > 1)
        return false;
    for (int i = 0; i < story->count; i++)
        if (!event_is_sound(&story->events[i]))
            return false;
    return true;
}

const char *trace_story_text(const struct trace_story *story, char text[TRACE_TEXT_SIZE])
{
    char local[ADDR_TEXT_SIZE], remote[ADDR_TEXT_SIZE];
    snprintf(text, TRACE_TEXT_SIZE, "%s port %u with %s port %u, %s%s%s",
             addr_format(&story->local, local), story->local_port,
             addr_format(&story->remote, remote), story->remote_port,
             story->ended ? "ended" : "open", story->reason ? ": " : "",
             story->reason ? reason_name((enum reason)story->reason) : "");
    return text;
}

static void value_text(const struct trace_event *e, char *text, size_t size)
{
    switch (kinds[e->kind].unit) {
    case UNIT_NONE:
        text[0] = 0;
        return;
    case UNIT_STATE:
        snprintf(text, size, " %s", state_texts[e->value]);
        return;
    case UNIT_REASON:
        snprintf(text, size, " %s", reason_text((enum reason)e->value));
        return;
    case UNIT_BYTES:
        snprintf(text, size, " %u bytes", e->value);
        return;
    case UNIT_MS:
        snprintf(text, size, " %u ms", e->value);
        return;
    case UNIT_SEQUENCE:
    case UNIT_COUNT:
        snprintf(text, size, " %u", e->value);
        return;
    }
    CHECK(false);
}

const char *trace_event_text(const struct trace_event *event, char text[TRACE_TEXT_SIZE])
{
    char value[TRACE_TEXT_SIZE / 2], times[32] = "";
    CHECK(event_is_sound(event));
    value_text(event, value, sizeof value);
    if (event->times > 1)
        snprintf(times, sizeof times, ", %u%s times", event->times,
                 event->times == UINT8_MAX ? " or more" : "");
    snprintf(text, TRACE_TEXT_SIZE, "-%u.%03u s %s%s%s", event->ago_ms / 1000, event->ago_ms % 1000,
             kinds[event->kind].text, value, times);
    return text;
}

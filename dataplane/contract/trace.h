// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What became of a TCP connection: its last events, kept by the worker (tcp/tcp_trace.h), and the
 * one text of them that weirctl and the tests print.
 */

#include "base/addr.h"

#include <stddef.h>

enum trace_kind {
#define TRACE(name, text, unit) TRACE_##name,
#include "contract/trace.def"
#undef TRACE
    TRACE_KIND_COUNT,
};

enum { TRACE_EVENTS = 14, TRACE_TEXT_SIZE = 160 };

struct trace_event {
    uint32_t ago_ms; // since then
    uint32_t value;  // by kind: trace.def
    uint8_t kind;    // enum trace_kind
    uint8_t times;   // that it happened, 255: or more
};

struct trace_story {
    uint64_t user; // the owner's name of the connection
    struct addr local, remote;
    uint16_t local_port, remote_port;
    uint16_t reason; // enum reason of its end
    uint8_t ended;   // 1: it is no more
    uint8_t count;
    struct trace_event events[TRACE_EVENTS]; // the oldest first
};

bool trace_story_is_sound(const struct trace_story *story) MUST_CHECK; // a peer's claim

// One line each, without its end.
const char *trace_story_text(const struct trace_story *story, char text[TRACE_TEXT_SIZE]);
const char *trace_event_text(const struct trace_event *event, char text[TRACE_TEXT_SIZE]);

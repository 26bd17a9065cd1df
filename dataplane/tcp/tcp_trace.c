// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_trace.h"

#include <errno.h>
#include <stdlib.h>

enum { TIME_BITS = 12, TIME_MOST = (1 << TIME_BITS) - 1 };

int tcp_trace_init(struct tcp *tcp, uint32_t connections)
{
    uint32_t rings = 1;
    while (rings < connections && rings < TCP_TRACE_RINGS)
        rings *= 2;
    tcp->trace_mask = rings - 1;
    tcp->trace_rings = calloc(rings, sizeof *tcp->trace_rings);
    tcp->trace_kept = calloc(TCP_TRACE_KEPT, sizeof *tcp->trace_kept);
    return tcp->trace_rings && tcp->trace_kept ? 0 : -ENOMEM;
}

void tcp_trace_done(struct tcp *tcp)
{
    free(tcp->trace_rings);
    free(tcp->trace_kept);
}

static struct tcp_trace_ring *ring_of(const struct tcp *tcp, const struct tcp_conn *c)
{
    return &tcp->trace_rings[tcp_conn_index(tcp, c) & tcp->trace_mask];
}

void tcp_trace_begin(struct tcp *tcp, const struct tcp_conn *c)
{
    struct tcp_trace_ring *ring = ring_of(tcp, c);
    ring->owner = tcp_conn_index(tcp, c) + 1;
    ring->last_ms = tcp->now_ms;
    ring->count = 0;
}

static uint16_t time_pack(uint32_t ms)
{
    uint32_t shift = 0;
    for (; ms > TIME_MOST && shift < 15; shift++)
        ms >>= 1;
    return (uint16_t)(shift << TIME_BITS | tcp_min(ms, TIME_MOST));
}

static uint32_t time_unpack(uint16_t after)
{
    return (uint32_t)(after & TIME_MOST) << (after >> TIME_BITS);
}

// The record that has just that to say already. What strangers can cause is looked for in the whole
// ring, so that they fill it with one record of a kind.
static struct tcp_trace_record *find(struct tcp_trace_ring *ring, enum trace_kind kind,
                                     uint32_t value)
{
    uint32_t looks = tcp_min(ring->count, kind == TRACE_REFUSED ? TRACE_EVENTS : 1);
    for (uint32_t i = 1; i <= looks; i++) {
        struct tcp_trace_record *record = &ring->records[(ring->count - i) % TRACE_EVENTS];
        if (record->kind == kind && record->value == value)
            return record;
    }
    return NULL;
}

void tcp_trace_add(struct tcp *tcp, const struct tcp_conn *c, enum trace_kind kind, uint32_t value)
{
    struct tcp_trace_ring *ring = ring_of(tcp, c);
    if (ring->owner != tcp_conn_index(tcp, c) + 1)
        tcp_trace_begin(tcp, c);
    struct tcp_trace_record *same = find(ring, kind, value);
    if (same) {
        same->times = (uint8_t)tcp_min(same->times + 1u, UINT8_MAX);
        return;
    }
    ring->records[ring->count++ % TRACE_EVENTS] = (struct tcp_trace_record){
        .after = time_pack(tcp->now_ms - ring->last_ms),
        .kind = (uint8_t)kind,
        .times = 1,
        .value = value,
    };
    ring->last_ms = tcp->now_ms;
}

static void tell(const struct tcp *tcp, const struct tcp_conn *c, struct trace_story *story)
{
    const struct tcp_trace_ring *ring = ring_of(tcp, c);
    *story = (struct trace_story){
        .user = c->user,
        .local = tcp->locals[c->local],
        .remote = c->remote,
        .local_port = c->local_port,
        .remote_port = c->remote_port,
    };
    if (ring->owner != tcp_conn_index(tcp, c) + 1)
        return;
    story->count = (uint8_t)tcp_min(ring->count, TRACE_EVENTS);
    uint32_t ago_ms = tcp->now_ms - ring->last_ms;
    for (uint32_t i = 1; i <= story->count; i++) {
        const struct tcp_trace_record *record = &ring->records[(ring->count - i) % TRACE_EVENTS];
        story->events[story->count - i] =
            (struct trace_event){ago_ms, record->value, record->kind, record->times};
        ago_ms += time_unpack(record->after);
    }
}

void tcp_trace_keep(struct tcp *tcp, const struct tcp_conn *c, enum reason reason)
{
    struct tcp_trace_kept *kept = &tcp->trace_kept[tcp->trace_ended++ % TCP_TRACE_KEPT];
    tell(tcp, c, &kept->story);
    kept->story.ended = 1;
    kept->story.reason = (uint16_t)reason;
    kept->ended_ms = tcp->now_ms;
}

bool tcp_story(const struct tcp *tcp, handle h, struct trace_story *ret_story)
{
    const struct tcp_conn *c = tcp_conn_of(tcp, h);
    if (c)
        tell(tcp, c, ret_story);
    return c != NULL;
}

bool tcp_story_ended(const struct tcp *tcp, uint32_t age, struct trace_story *ret_story)
{
    if (age >= tcp_min(tcp->trace_ended, TCP_TRACE_KEPT))
        return false;
    const struct tcp_trace_kept *kept =
        &tcp->trace_kept[(tcp->trace_ended - 1 - age) % TCP_TRACE_KEPT];
    *ret_story = kept->story;
    for (int i = 0; i < ret_story->count; i++)
        ret_story->events[i].ago_ms += tcp->now_ms - kept->ended_ms;
    return true;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "tcp_world_internal.h"

// The byte at an offset of a flow's stream.
static uint8_t pattern(unsigned flow, int from, uint64_t at)
{
    uint64_t x = (at + 1) * UINT64_C(0x9e3779b97f4a7c15) + flow * 977 + (uint64_t)from * 31;
    return (uint8_t)(x >> 56);
}

static void app_send(struct world *w, unsigned index, int s)
{
    struct flow *f = &w->flows[index];
    struct end *e = &f->end[s];
    if (!e->connected || e->ended || e->let_go || e->finished)
        return;
    if (f->kind == HALF_CLOSE && s == SERVER && !e->peer_finished)
        return;
    uint64_t may = e->to_send;
    if (f->kind == TALK) { // a turn is sent when the other side's turn has come in
        uint64_t turns = e->received / f->turn_bytes + (s == CLIENT);
        may = turns * f->turn_bytes < may ? turns * f->turn_bytes : may;
    }
    uint8_t bytes[5000];
    while (e->sent < may) {
        size_t size = world_dice(w, 1, sizeof bytes);
        size = size < may - e->sent ? size : may - e->sent;
        for (size_t i = 0; i < size; i++)
            bytes[i] = pattern(index, s, e->sent + i);
        size_t room = tcp_send_room(w->sides[s].tcp, e->h);
        size_t taken = tcp_send(w->sides[s].tcp, e->h, span_of(bytes, size));
        if (taken < size && taken < room && !w->starved)
            world_fail(w, "flow %u: %zu taken of %zu, room was %zu", index, taken, size, room);
        e->sent += taken;
        if (taken < size)
            break;
    }
    if (e->sent == e->to_send) {
        tcp_finish(w->sides[s].tcp, e->h);
        e->finished = true;
    }
}

void world_let_go(struct world *w, struct end *e, int s, bool abort)
{
    if (e->ended || e->let_go)
        return;
    if (abort)
        tcp_abort(w->sides[s].tcp, e->h);
    else
        tcp_release(w->sides[s].tcp, e->h);
    e->let_go = true;
}

static void app_read(struct world *w, unsigned index, int s)
{
    struct end *e = &w->flows[index].end[s];
    if (!e->open || e->let_go || e->next_read_us > w->now_us)
        return;
    struct span spans[8];
    size_t most = e->read_most ? world_dice(w, 1, e->read_most) : SIZE_MAX;
    while (most) {
        unsigned count = tcp_peek(w->sides[s].tcp, e->h, spans, 8);
        size_t taken = 0;
        for (unsigned i = 0; i < count && taken < most; i++)
            for (size_t k = 0; k < spans[i].size && taken < most; k++, taken++)
                if (spans[i].at[k] != pattern(index, !s, e->received + taken) && w->lies != LIES)
                    world_fail(w, "flow %u: %s read a wrong byte at %lu", index,
                               s ? "server" : "client", (unsigned long)(e->received + taken));
        if (taken == 0)
            break;
        tcp_consume(w->sides[s].tcp, e->h, taken);
        e->received += taken;
        most -= taken;
    }
    if (e->read_us)
        e->next_read_us = w->now_us + world_dice(w, 1, e->read_us);
    if (e->received >= e->abort_at)
        world_let_go(w, e, s, true);
    else if (e->received >= e->release_at)
        world_let_go(w, e, s, false);
    if (e->finished && e->peer_finished && tcp_readable(w->sides[s].tcp, e->h) == 0 &&
        world_one_in(w, 4)) // or wait for CLOSED
        world_let_go(w, e, s, false);
}

void world_take_events(struct world *w, int s)
{
    struct tcp_event event;
    while (tcp_event_next(w->sides[s].tcp, &event)) {
        struct end *e = &w->flows[event.user].end[s];
        if (e->let_go || e->ended || event.connection != e->h)
            world_fail(w, "flow %u: an event for a connection that was let go",
                       (unsigned)event.user);
        if (event.bits & TCP_EVENT_CONNECTED)
            e->connected = true;
        if (event.bits & TCP_EVENT_CLOSED) { // the last occasion to read
            e->next_read_us = 0;
            e->read_us = e->read_most = 0;
        }
        app_read(w, (unsigned)event.user, s);
        if (event.bits & TCP_EVENT_FINISHED)
            e->peer_finished = true;
        app_send(w, (unsigned)event.user, s);
        if (event.bits & TCP_EVENT_CLOSED) {
            e->ended = true;
            e->reason = event.reason;
        }
    }
}

void world_run_apps(struct world *w)
{
    for (unsigned i = 0; i < w->flow_count; i++) {
        struct flow *f = &w->flows[i];
        if (!f->started && w->now_us >= f->start_us) {
            enum reason reason = REASON_NONE;
            f->started = true;
            f->end[CLIENT].h =
                tcp_connect(w->sides[CLIENT].tcp, &w->addrs[CLIENT], &w->addrs[SERVER],
                            SERVICE_PORT, LEG_INSIDE, i, w->now_us, &reason);
            if (f->end[CLIENT].h == HANDLE_NONE)
                world_fail(w, "connect: %s", reason_text(reason));
            f->end[CLIENT].open = true;
        }
        for (int s = 0; s < 2; s++) {
            app_read(w, i, s);
            app_send(w, i, s);
        }
    }
    for (size_t i = 0; i < sizeof w->pendings / sizeof w->pendings[0]; i++) {
        struct pending *q = &w->pendings[i];
        if (q->used && !q->accepted && q->again_us <= w->now_us && q->tries < 6)
            world_server_answer(w, q);
    }
}

// SPDX-License-Identifier: BSD-3-Clause
#include "session/session_internal.h"

static void adopt(struct session *s, const struct dialled *dialled)
{
    s->dial = HANDLE_NONE;
    s->streams[SIDE_BACKEND] = dialled->stream;
    s->host.offered = dialled->offer;
    s->backend_connected = true;
    s->finished_told[SIDE_BACKEND] = false;
    s->news = NEWS_CONNECTED;
    tcp_give(s->all->config.tcp, dialled->stream.connection, s->self | USER_BACKEND);
}

static void leave(struct session *s)
{
    servers_leave(&s->all->servers, s->slot);
    s->slot = SERVER_NONE;
}

// At the next server that was not tried: each round tries one.
static void try_next(struct session *s)
{
    struct sessions *all = s->all;
    const struct policy *policy = s->snapshot->policy;
    unsigned server = 0;
    for (;;) {
        bool again = s->tried != 0;
        uint16_t slot =
            servers_choose(&all->servers, policy, s->backend, &s->tried, &server, all->now_us);
        if (slot == SERVER_NONE) {
            s->news = NEWS_FAILED;
            return;
        }
        if (again)
            session_count(s, COUNTER_BACKEND_FAILOVERS);
        s->slot = slot;
        servers_use(&all->servers, slot);
        struct dialled spare;
        bool found = s->snapshot == all->snapshot && dial_take_spare(all, slot, &spare);
        if (s->snapshot == all->snapshot)
            dial_more_spares(all, s->backend, server, slot, found);
        if (found) {
            session_count(s, COUNTER_BACKEND_SPARES_TAKEN);
            adopt(s, &spare);
            return;
        }
        s->dial = dial_open(all, DIAL_SESSION, s->self, s->snapshot, s->backend, server, slot);
        if (s->dial != HANDLE_NONE)
            return;
        leave(s);
    }
}

void session_backend_connect(struct session *s, unsigned backend)
{
    session_backend_close(s);
    s->backend = s->host.report.backend = (uint8_t)backend;
    s->tried = 0;
    try_next(s);
}

void session_backend_close(struct session *s)
{
    dial_drop(s->all, s->dial);
    stream_close(s->all, &s->streams[SIDE_BACKEND]);
    s->dial = HANDLE_NONE;
    s->news = NEWS_NONE;
    s->backend_connected = s->finished_told[SIDE_BACKEND] = false;
    leave(s);
}

void session_dialled(struct sessions *all, handle session, const struct dialled *dialled)
{
    struct session *s = pool_get(&all->pool, session);
    CHECK(s && s->phase != SESSION_FLUSH && s->phase != SESSION_LINGER); // it would have dropped it
    if (dialled) {
        adopt(s, dialled);
    } else {
        s->dial = HANDLE_NONE;
        leave(s);
        try_next(s);
    }
    session_run(s);
}

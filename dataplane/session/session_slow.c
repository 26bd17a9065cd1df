// SPDX-License-Identifier: BSD-3-Clause
#include "session/session_internal.h"

enum { WINDOW_US = 60000000 };

/* A client that asks for much and takes a little now and then keeps every time-out quiet, and holds
 * buffers, a connection and the backend's patience. Where enough waits for it to take, each window
 * must see its least. Less than that waiting is nothing to judge by: TCP gives up a dead path. */

static uint64_t taken(const struct session *s) // by the client, ever
{
    const struct stream *client = &s->streams[SIDE_CLIENT];
    return client->given - tcp_unsent(s->all->config.tcp, client->connection);
}

void session_slow_watch(struct session *s)
{
    bool waits = tcp_unsent(s->all->config.tcp, s->streams[SIDE_CLIENT].connection) > 0;
    if (!waits) {
        s->slow_us = UINT64_MAX;
    } else if (s->slow_us == UINT64_MAX) {
        s->slow_us = s->all->now_us + WINDOW_US;
        s->slow_taken = taken(s);
    }
}

bool session_slow_is_over(struct session *s)
{
    uint64_t least = s->host.limits[LIMIT_DOWNLOAD_RATE_LEAST] * (WINDOW_US / 1000000);
    uint64_t took = taken(s) - s->slow_taken;
    uint64_t waits = tcp_unsent(s->all->config.tcp, s->streams[SIDE_CLIENT].connection);
    bool slow = took < least && took + waits >= least;
    s->slow_us = UINT64_MAX; // the next window begins with the next look
    return slow && session_enforce(s, LIMIT_DOWNLOAD_RATE_LEAST, true);
}

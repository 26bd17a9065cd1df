// SPDX-License-Identifier: BSD-3-Clause
#include "session/session_internal.h"

enum { LOOKS_A_TURN = 64, NO_WALK = UINT32_MAX };

// What is drained has changed: every session is told, a few in each turn.
static void walk(struct sessions *all)
{
    all->drain.next = 0;
}

void sessions_drain(struct sessions *all, bool drain, uint64_t until_us)
{
    all->drain.on = drain;
    all->drain.over = false;
    all->drain.until_us = until_us;
    walk(all);
}

bool sessions_drain_server(struct sessions *all, const struct server_order *order)
{
    bool found = servers_drain(&all->servers, order);
    if (found)
        walk(all);
    return found;
}

// s may be gone after this call.
static void tell(struct session *s)
{
    struct sessions *all = s->all;
    s->host.leaving = all->drain.on || servers_is_drained(&all->servers, s->slot);
    if (!s->host.leaving || s->phase == SESSION_FLUSH || s->phase == SESSION_LINGER)
        return;
    if (s->phase == SESSION_HANDSHAKE)
        session_end(s, REASON_MAIL_DRAINED);
    else
        s->protocol->drain(session_machine(s), all->drain.over, all->now_us);
    session_run(s);
}

void session_drain_advance(struct sessions *all)
{
    struct sessions_drain *drain = &all->drain;
    if (drain->on && !drain->over && all->now_us >= drain->until_us) {
        drain->over = true;
        walk(all);
    }
    for (int i = 0; i < LOOKS_A_TURN && drain->next < all->pool.count; i++) {
        struct session *s = pool_get(&all->pool, pool_at(&all->pool, drain->next++));
        if (s)
            tell(s);
    }
    if (drain->next >= all->pool.count)
        drain->next = NO_WALK;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "session/session_internal.h"

// One signature is the longest step of a turn; between two of them the port is emptied.
enum { STEPS_A_TURN = 1 };

static void leave_queue(struct session *s)
{
    struct sessions *all = s->all;
    struct session **to_next = s->shake_prev ? &s->shake_prev->shake_next : &all->shake_first;
    struct session **to_prev = s->shake_next ? &s->shake_next->shake_prev : &all->shake_last;
    *to_next = s->shake_next;
    *to_prev = s->shake_prev;
    s->shake_next = s->shake_prev = NULL;
    s->shake_waits = false;
}

bool session_handshake_may_step(struct session *s)
{
    struct sessions *all = s->all;
    if (all->shake_steps > 0) {
        all->shake_steps--;
        return true;
    }
    if (s->shake_waits)
        return false;
    s->shake_waits = true;
    s->shake_prev = all->shake_last;
    *(all->shake_last ? &all->shake_last->shake_next : &all->shake_first) = s;
    all->shake_last = s;
    session_count(s, COUNTER_TLS_HANDSHAKES_QUEUED);
    return false;
}

void session_handshake_forget(struct session *s)
{
    if (s->shake_waits)
        leave_queue(s);
}

void session_handshake_advance(struct sessions *all)
{
    all->shake_steps = STEPS_A_TURN;
    while (all->shake_steps > 0 && all->shake_first) {
        struct session *s = all->shake_first;
        leave_queue(s);
        session_run(s); // s may be gone
    }
}

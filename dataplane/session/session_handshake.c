// SPDX-License-Identifier: BSD-3-Clause
#include "session/session_handshake.h"

#include "session/session_internal.h"

// One signature is the longest step of a turn; between two of them the port is emptied.
enum { STEPS_A_TURN = 1 };

static void leave_queue(struct sessions *all, struct handshake *h)
{
    *(h->prev ? &h->prev->next : &all->handshake_first) = h->next;
    *(h->next ? &h->next->prev : &all->handshake_last) = h->prev;
    h->next = h->prev = NULL;
    h->waits = false;
}

bool session_handshake_may_step(struct sessions *all, struct handshake *h)
{
    if (all->handshake_steps > 0) {
        all->handshake_steps--;
        return true;
    }
    if (h->waits)
        return false;
    h->waits = true;
    h->prev = all->handshake_last;
    *(h->prev ? &h->prev->next : &all->handshake_first) = h;
    all->handshake_last = h;
    counter_add(all->config.counters, COUNTER_TLS_HANDSHAKES_QUEUED, 1);
    return false;
}

void session_handshake_forget(struct sessions *all, struct handshake *h)
{
    if (h->waits)
        leave_queue(all, h);
}

// The owner may be gone after this call.
static void run(struct handshake *h)
{
    if (h->of_dial)
        dial_run((struct dial *)((uint8_t *)h - offsetof(struct dial, handshake)));
    else
        session_run((struct session *)((uint8_t *)h - offsetof(struct session, handshake)));
}

void session_handshake_advance(struct sessions *all)
{
    all->handshake_steps = STEPS_A_TURN;
    while (all->handshake_steps > 0 && all->handshake_first) {
        struct handshake *h = all->handshake_first;
        leave_queue(all, h);
        run(h);
    }
}

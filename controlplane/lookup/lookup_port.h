// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A child's side of its channels: questions of all workers in, answers out.
 *
 * Every question taken was sound (message_is_sound) and is of a kind that the child serves; others
 * are dropped and counted. An answer that finds its ring full waits in a queue of
 * LOOKUP_WAITING_MAX and is tried again by lookup_port_flush; beyond that it is dropped and
 * counted, and the worker's own time-out deals with it. Dropped memory of questions and answers is
 * wiped. A worker that publishes impossible indices breaks its channel (contract/spsc.h). One
 * thread.
 */

#include "link/attach_client.h"

#include <poll.h>
#include <stdbool.h>

enum {
    LOOKUP_FDS_MAX = 2,        // that a child waits for beside the port's
    LOOKUP_WAITING_MAX = 1024, // answers
    LOOKUP_TAKE_MAX = 256,     // questions in one go, so that answers get their turn
    LOOKUP_RETRY_MS = 2,
    LOOKUP_LINGER_US = 100,
    LOOKUP_LINGER_LEAST_US = 10,
    LOOKUP_BUSY_TURNS = 16, // in a row without a look at descriptors and SIGTERM
};

struct lookup_counters {
    uint64_t questions, answers;
    uint64_t unsound;         // questions
    uint64_t answers_dropped; // the ring and the queue were full
};

struct lookup_waiting {
    unsigned worker;
    struct message message;
};

struct lookup_port {
    struct attach_client client;
    struct lookup_counters counters;
    uint32_t kinds;         // bit of each enum message_kind that is served
    unsigned next_worker;   // whose turn it is
    uint32_t linger_us;     // to poll before the next sleep
    uint32_t busy_turns;    // since the last look elsewhere
    uint32_t waiting_first; // ring of waiting answers
    uint32_t waiting_count;
    struct lookup_waiting *waiting; // LOOKUP_WAITING_MAX
};

// Attaches on a fresh socket. 0 or -errno; the socket is the port's on success.
int lookup_port_open(struct lookup_port *port, int socket, enum attach_role role, uint32_t kinds,
                     unsigned timeout_ms) MUST_CHECK;
void lookup_port_close(struct lookup_port *port); // closes the socket, wipes what waits

// The next question and its worker, round robin; false when none is there.
bool lookup_port_take(struct lookup_port *port, unsigned *ret_worker, struct message *ret_question);
void lookup_port_answer(struct lookup_port *port, unsigned worker, const struct message *answer);
void lookup_port_flush(struct lookup_port *port); // answers that wait

/* The end of a child's turn: until there are questions, one of its own `fds` or the data plane has
 * something to say, or timeout_ms (-1: never) are over. False: the child shall end, by SIGTERM or
 * because the data plane is gone.
 *
 * Before it sleeps it polls the rings a little longer, if that has paid lately: a wake-up costs
 * more than most answers. The time doubles, to LOOKUP_LINGER_US, when a question came soon after
 * falling asleep, and is nothing after a sleep that was longer (as KVM polls before it halts). */
bool lookup_port_wait(struct lookup_port *port, const struct pollfd *fds, unsigned count,
                      int timeout_ms) MUST_CHECK;

bool lookup_port_is_broken(const struct lookup_port *port); // of any worker

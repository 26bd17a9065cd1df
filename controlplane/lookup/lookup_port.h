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

#include <stdbool.h>

enum {
    LOOKUP_WAITING_MAX = 1024, // answers
    LOOKUP_TAKE_MAX = 256,     // questions in one go, so that answers get their turn
    LOOKUP_RETRY_MS = 2,
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

/* Announces that the child will block. False: questions are there, do not. After true the child
 * waits for client.doorbell and client.socket, and calls lookup_port_wake. */
bool lookup_port_sleep(struct lookup_port *port);
void lookup_port_wake(struct lookup_port *port); // also empties the doorbell

bool lookup_port_is_broken(const struct lookup_port *port); // of any worker

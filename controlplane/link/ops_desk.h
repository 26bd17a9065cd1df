// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Questions of the control plane to all workers at once, their answers joined (bans, sessions,
 * heavy hitters).
 *
 * A question goes to every worker; `answer` is called once for each answer, and `done` exactly once
 * at the end. Lists are walked: an answer that names a further page is asked for it. An ask ends
 * with all answers, by its deadline (-ETIMEDOUT), when a ring is full (-EBUSY) or when the data
 * plane goes (-ENOTCONN). Answers to nobody are counted. Runs in the loop.
 */

#include "link/dataplane_link.h"

enum { OPS_ASKS_MAX = 32, OPS_DEADLINE_MS = 2000, OPS_PAGES_MAX = 1 << 16 };

struct ops_owner {
    void (*answer)(void *context, unsigned worker, const struct message *answer);
    void (*done)(void *context, int error);
    void *context;
};

struct ops_ask {
    bool used;
    uint32_t generation;
    uint32_t waiting; // a bit for each worker
    uint32_t pages;   // asked in all
    uint64_t deadline_ms;
    struct message question;
    struct ops_owner owner;
};

struct ops_desk {
    struct dataplane_link *link;
    uv_timer_t timer;
    unsigned used;
    uint64_t answers_late;
    struct ops_ask asks[OPS_ASKS_MAX];
};

void ops_desk_init(struct ops_desk *desk, uv_loop_t *loop, struct dataplane_link *link);
void ops_desk_done(struct ops_desk *desk);

// 0, and `done` will be called from the loop; -ENOTCONN, -EBUSY, and it will not.
int ops_desk_ask(struct ops_desk *desk, const struct message *question,
                 const struct ops_owner *owner) MUST_CHECK;

// What the link brings: an answer, and its end.
void ops_desk_answer(struct ops_desk *desk, unsigned worker, const struct message *answer);
void ops_desk_down(struct ops_desk *desk);

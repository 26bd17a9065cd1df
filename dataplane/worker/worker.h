// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One worker: everything that one lcore owns, and its turn, the one place where the packet's way is
 * written down in order (worker_turn.c).
 *
 * Opened by the main lcore, run on its own, never shared: what the main lcore hands over at run
 * time (a snapshot, a channel) goes through a pointer that the main lcore writes and the worker
 * adopts at the start of a turn; worker_has_adopted tells when the old one is nobody's any more.
 */

#include "base/limits.h"
#include "base/siphash.h"
#include "contract/attach.h"
#include "contract/counter.h"
#include "link/port.h"
#include "session/snapshot.h"

struct rte_mempool;
struct rte_ring;
struct guard_peers;
struct worker;

struct worker_link { // a role's channel of one worker
    struct spsc_channel channel;
    int button; // of the role's doorbell
};

struct worker_config {
    const struct policy_boot *boot; // outlives the worker
    uint16_t index;
    const struct port *ports[LEG_COUNT]; // the same one twice when it serves both legs
    struct rte_mempool *mbufs;
    struct counter_block *counters;
    uint64_t clock_start;         // time-stamp counter that is time 0, the same for all workers
    struct siphash_key guard_key; // cookies: the same for all workers
    struct siphash_key steer_key; // likewise
    struct siphash_key tcp_key, sessions_key; // its own
    struct guard_peers *peers;                // the same for all workers
    struct rte_ring **steer_in;  // [workers]: frames from worker i for this one; own entry NULL
    struct rte_ring **steer_out; // [workers]: frames for worker i
    struct snapshot *snapshot;   // the first
};

struct worker *worker_open(const struct worker_config *config, const char **ret_what) MUST_CHECK;
void worker_close(struct worker *worker);

int worker_run(void *worker); // the loop, until worker_stop; for rte_eal_remote_launch
void worker_stop(struct worker *worker);
// From now on, once: no new connections, and sessions end where nothing is cut, within
// DRAIN_SECONDS.
void worker_want_drain(struct worker *worker);

// By the main lcore.
void worker_set_snapshot(struct worker *worker, struct snapshot *snapshot);
void worker_set_link(struct worker *worker, enum attach_role role, struct worker_link *link);
bool worker_has_adopted(const struct worker *worker); // all that was set

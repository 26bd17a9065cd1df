// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The worker's own structure, for the files of worker/ only. */

#include "guard/guard.h"
#include "guard/guard_heavy.h"
#include "net/net.h"
#include "session/session.h"
#include "tcp/tcp.h"
#include "worker/worker.h"

#include <rte_mbuf.h>

enum { BURST = GUARD_BURST, TX_BATCH = 64 };

struct worker_tx { // frames that wait for the end of the turn, a leg
    struct rte_mbuf *frames[TX_BATCH + NET_BURST]; // sent before there are as many
    uint16_t count;
};

struct worker {
    struct worker_config config;
    struct net *net;
    struct guard *guard;
    struct guard_heavy heavy;
    struct tcp *tcp;
    struct sessions *sessions;
    struct counter_block *counters;
    uint64_t now_us;                // of this turn
    double us_per_cycle;            // of the time-stamp counter
    uint64_t cycles;                // the counter, as this turn began
    uint64_t busy_cycles;           // of turns that did work
    uint64_t bars;                  // of the guard, whose sessions are looked for
    uint64_t slow_us;               // when the slow things are due again
    uint64_t load_us, load_busy_us; // when the load was last measured, and busy_us then
    // Free mbufs (those in the lcores' caches not counted) that no SYN-ACK and no new session may
    // take: they are for ARP, ND, and the sessions that are open.
    uint32_t mbufs_reserve;
    bool mbufs_low;    // in this turn
    bool refuses_most; // of the frames of the burst judged last
    bool drain_taken;
    bool draining; // no connection is taken, and sessions end where they can
    struct worker_tx tx[LEG_COUNT];
    struct snapshot *snapshot;             // in use
    struct worker_link *links[ROLE_COUNT]; // in use
    uint64_t alone_us[ROLE_COUNT];         // since when nobody is attached, while nobody is
    bool bells[ROLE_COUNT];                // something was put this turn
    unsigned reports;                      // put since the bell of ops
    uint64_t report_us;                    // when the first of them was
    // Written by the main lcore, read by the worker.
    _Alignas(64) struct snapshot *snapshot_next;
    struct worker_link *links_next[ROLE_COUNT];
    bool stopping, drain_wanted;
};

// worker.c: `seconds` as in struct drain_order
void worker_drain(struct worker *w, bool drain, uint32_t seconds);

// worker_turn.c: true when there was anything to do
bool worker_turn(struct worker *w);
bool worker_turn_at(struct worker *w, uint64_t now_us); // by a clock of the caller's own

// worker_burst.c: bursts until the queue is empty or the turn's share is used up; frames taken
unsigned worker_receive(struct worker *w, enum leg leg);
unsigned worker_receive_steered(struct worker *w);

// worker_steer.c: hands frames to the workers that own their sources or ports. Those that stay are
// moved to the front; how many.
unsigned worker_steer(struct worker *w, struct rte_mbuf **frames, unsigned count, enum leg leg);
unsigned worker_steered(struct worker *w, struct rte_mbuf **frames, uint8_t *legs, unsigned most);

// worker_link.c: the rings to the control plane
void worker_link_adopt(struct worker *w);
bool worker_link_ask(void *worker, enum attach_role role, const struct message *question);
void worker_link_report(void *worker, const struct message *report);
unsigned worker_link_serve(struct worker *w); // answers and orders; messages taken
void worker_link_ring(struct worker *w);      // doorbells, once a turn

// worker_tx.c; the flush tells how many frames waited
void worker_tx_transmit(void *worker, struct rte_mbuf *const *frames, unsigned count,
                        enum leg leg); // for net
unsigned worker_tx_flush(struct worker *w);

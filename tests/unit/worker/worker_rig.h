// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A whole worker without a NIC: both legs are ports over rings, the test is the wire. Time is real,
 * and no test waits for it. Neighbours answer ARP by themselves.
 */

#include "contract/policy.h"
#include "worker/worker_internal.h"

enum { WIRE_SLOTS = 256 };

struct worker_rig {
    struct policy *policy;
    struct snapshot snapshot;
    struct counter_block counters;
    struct worker *worker;
    struct addr client, shield;
};

void worker_rig_start(void); // once a program
void worker_rig_open(struct worker_rig *rig);
void worker_rig_close(struct worker_rig *rig); // fails when mbufs are left
int worker_rig_setup(void **state);
int worker_rig_teardown(void **state);

struct rte_mempool *worker_rig_pool(void);
// A frame arrives at that leg: an Ethernet header of that type before the bytes of m. Takes m.
void worker_rig_give(struct rte_mbuf *m, uint16_t ether_type, enum leg leg);
void worker_rig_frame(struct span frame, enum leg leg); // a whole one
// The next frame that left that leg (the caller's to free), or NULL. Nobody answers for neighbours.
struct rte_mbuf *worker_rig_sent(enum leg leg);
void worker_rig_turns(struct worker_rig *rig, unsigned turns);
// The next TCP segment that left that leg, its mbuf from the IP header on (the caller's to free);
// NULL: none within some turns.
struct rte_mbuf *worker_rig_take(struct worker_rig *rig, enum leg leg, struct packet *ret_packet);
unsigned worker_rig_wire_count(enum leg leg); // frames that left and were not taken

// A client's segment; ports, sequence numbers and flags from `packet`, addresses filled in.
void worker_rig_segment(struct worker_rig *rig, struct packet packet);
uint64_t worker_rig_refusals(const struct worker_rig *rig); // of all reasons

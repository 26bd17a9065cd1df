// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Two TCP stacks, a client's that connects and a server's behind a small stateless handshake, over
 * two simulated links, with applications that send and check a pattern. Everything follows from the
 * seed.
 *
 * Links delay, jitter, lose, double, reorder, corrupt, limit the rate, take smaller packets from
 * some time on, and are cut; in some worlds one side's segments arrive with lies in them, or a
 * stranger forges RSTs and SYNs; stacks may have few packet buffers, and the clock may leap hours.
 *
 * Checked at every step: bytes arrive once, in order and unchanged (but from a liar); nobody sends
 * beyond the window that reached him, nor more in a millisecond than tcp_pace.h says; what holds of
 * a stack (tcp_check.h); the work of a segment and of a turn is bounded by what the queues hold
 * (support/work.h). At the end: all connections are gone on both sides within the time a scenario
 * may take, pools and tables are empty, and all mbufs are back.
 */

#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;

struct world_pools {
    struct rte_mempool *many, *few; // few: for stacks that starve
};

struct world_result {
    bool failed;
    char what[256];
    uint64_t simulated_us, segments, retransmitted;
    unsigned burst; // most segments of a connection in a millisecond, on paths it is bound on
};

// trace: a text line a segment on stderr. pcap: NULL, or a file to write; then a failure also tells
// the last segments and the connections' events on stdout.
struct world_result tcp_world_run(uint64_t seed, const struct world_pools *pools, bool trace,
                                  const char *pcap);

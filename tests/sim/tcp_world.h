// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Two TCP stacks, a client's that connects and a server's behind a small stateless handshake, over
 * two simulated links, with applications that send and check a pattern. Everything follows from the
 * seed.
 *
 * Checked at every step: bytes arrive once, in order and unchanged; nobody sends beyond the
 * window that reached him, nor more in a millisecond than tcp_pace.h says; every connection has its
 * timer running; the scoreboard's sums hold. At the end: all connections are gone on both sides
 * within the time a scenario may take, and all mbufs are back.
 */

#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;

struct world_result {
    bool failed;
    char what[256];
    uint64_t simulated_us, segments, retransmitted;
    unsigned burst; // most segments of a connection in a millisecond, on paths it is bound on
};

// trace: a text line a segment on stderr. pcap: NULL, or a file to write.
struct world_result tcp_world_run(uint64_t seed, struct rte_mempool *mbufs, bool trace,
                                  const char *pcap);

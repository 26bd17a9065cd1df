// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Two TCP stacks on one core and the memory between them, for the tcp benches: what a figure costs
 * is the cost of both ends. Handshakes are the product's: the server keeps nothing of a SYN but
 * its cookie. Packets are read from their bytes, checksums excepted, as a port checks those; what
 * is sent carries complete ones. Nothing is lost or late.
 *
 * Time is the CPU time of this thread, so that other programs on the machine change neither a
 * figure nor what a time-out sees.
 */

#include "base/packet.h"
#include "guard/guard_cookie.h"
#include "tcp/tcp.h"

#include <stdio.h>

enum { TCP_PAIR_CLIENT, TCP_PAIR_SERVER, TCP_PAIR_RING = 16384, TCP_PAIR_PORT = 25 };

struct tcp_pair_config {
    uint32_t connections; // each end's most
    uint32_t queue_bytes; // each way of a connection
    bool v4;
};

struct tcp_pair_end {
    struct tcp_pair *pair;
    struct tcp *tcp;
    struct counter_block counters;
    struct rte_mbuf *ring[TCP_PAIR_RING]; // on the way to this end
    uint32_t head, tail;
};

struct tcp_pair {
    struct tcp_pair_config config;
    struct rte_mempool *mbufs;
    struct tcp_pair_end ends[2];
    struct guard_cookie cookie;
    uint64_t now_us;
    uint32_t connects; // chooses the client's next address
};

void tcp_pair_open(struct tcp_pair *pair, const struct tcp_pair_config *config);
void tcp_pair_shut(struct tcp_pair *pair); // fails when an mbuf is missing

handle tcp_pair_connect(struct tcp_pair *pair, uint64_t user); // from the client's end
void tcp_pair_deliver(struct tcp_pair *pair, int to);          // all that is on the way to it
void tcp_pair_advance(struct tcp_pair *pair, int end); // what it has to send is on the way then

// `count` connections, established and idle; the client's handles, the owner frees them.
handle *tcp_pair_establish(struct tcp_pair *pair, uint32_t count);

struct packet tcp_pair_parse(const struct rte_mbuf *m, bool v4, enum leg leg);

uint64_t tcp_pair_clock_ns(void); // of this thread's CPU time
// One JSON line on standard output.
void tcp_pair_report(const char *bench, const char *name, double value, const char *unit);
// Reads [--smoke] and starts EAL; ends the program on anything else.
bool tcp_pair_main(int argc, char **argv);

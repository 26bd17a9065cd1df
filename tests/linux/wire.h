// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* An Ethernet interface of this network namespace through AF_PACKET: frames as mbufs. What the
 * kernel itself sends there is not seen.
 */

#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

enum { WIRE_BURST = 64, WIRE_FRAME_MAX = 2048 };

struct wire {
    int fd; // for poll(2)
    uint8_t mac[6];
    struct rte_mempool *mbufs; // of frames received
};

// Ends the program when there is no such interface.
void wire_open(struct wire *wire, const char *interface, struct rte_mempool *mbufs);

// Frames that wait, at most WIRE_BURST, and when each arrived, in µs of wire_now_us's clock.
unsigned wire_receive(struct wire *wire, struct rte_mbuf **ret_mbufs, uint64_t *ret_at_us);
void wire_send(struct wire *wire, struct rte_mbuf *m); // takes m

uint64_t wire_now_us(void); // CLOCK_REALTIME, which is the one that frames are stamped with

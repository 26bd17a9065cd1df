// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* EAL and packet buffers for tests: no huge pages, no devices, nothing on disk. */

#include <rte_mempool.h>

struct rte_mbuf;

// Starts EAL once a program; fails the program when it cannot.
void eal_fixture_start(void);

// A pool of `count` mbufs with room for a full Ethernet frame.
struct rte_mempool *eal_fixture_pool(const char *name, unsigned count);

// Does what a port does with an mbuf whose TCP checksum was left to it, by the lengths in the mbuf.
void eal_fixture_complete(struct rte_mbuf *m);

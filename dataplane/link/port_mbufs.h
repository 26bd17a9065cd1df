// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The packet buffers of all workers, in a stack, so that the one given back last, still in cache,
 * is taken next. Without huge pages no device reads them by physical address, so they stand one
 * behind the other: DPDK's own way gives each a page of 4 KiB, where the headers of all buffers
 * would share a few places in the cache, and takes almost twice the memory.
 */

#include "base/check.h"

#include <stdint.h>

struct rte_mempool;

enum { PORT_MBUFS_CACHE = 256 }; // of an lcore

// After EAL's start. NULL: not enough memory.
struct rte_mempool *port_mbufs_open(const char *name, uint32_t count) MUST_CHECK;

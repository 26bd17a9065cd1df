// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Memory of the guard's tables: zeroed, present before the first packet, in huge pages where the
 * kernel has them (transparent ones, so that a table of any size needs no reservation and works
 * without them), on the worker's NUMA node as a preference.
 *
 * Not rte_malloc: that carves tables out of the mbufs' hugepage budget and needs EAL, which would
 * keep the guard out of plain unit tests and benches.
 */

#include "base/check.h"

#include <stddef.h>

// Aligned to at least 4096. NULL: no memory, also when the kernel would promise more than the
// machine has or the process's cgroups allow. numa_node -1: any.
void *guard_memory_take(size_t size, int numa_node) MUST_CHECK;
void guard_memory_give(void *memory, size_t size); // NULL is fine

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Memory for tables and pools that live as long as their worker: zeroed, in huge pages where the
 * kernel has them (transparent ones, so that any size needs no reservation and works without them),
 * on a NUMA node as a preference. A page takes memory when it is first touched.
 */

#include "base/check.h"

#include <stddef.h>

// Aligned to at least 4096. NULL: refused. numa_node -1: any.
void *memory_take(size_t size, int numa_node) MUST_CHECK;
void memory_give(void *memory, size_t size); // NULL is fine

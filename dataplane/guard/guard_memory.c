// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_memory.h"

#include "base/memory.h"
#include "base/memory_left.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

void *guard_memory_take(size_t size, int numa_node)
{
    CHECK(size > 0);
    // Where nobody says what is left the mapping itself must fail.
    void *memory = memory_has_room(size) ? memory_take(size, numa_node) : NULL;
    if (!memory)
        return NULL;
    // Faults now, not in a turn. Kernels before 5.14 cannot; writing zeros does it there.
    if (madvise(memory, size, MADV_POPULATE_WRITE) == 0)
        return memory;
    if (errno == EINVAL) {
        memset(memory, 0, size);
        return memory;
    }
    memory_give(memory, size);
    return NULL;
}

void guard_memory_give(void *memory, size_t size)
{
    memory_give(memory, size);
}

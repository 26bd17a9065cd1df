// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_memory.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HUGE_PAGE = 2 << 20 };

// A mapping that starts on a huge page: older kernels place anonymous memory on any page.
static void *map_aligned(size_t size)
{
    size_t slack = size >= HUGE_PAGE ? HUGE_PAGE : 0;
    uint8_t *whole =
        mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (whole == MAP_FAILED)
        return NULL;
    if (!slack)
        return whole;
    size_t head = (HUGE_PAGE - (uintptr_t)whole % HUGE_PAGE) % HUGE_PAGE;
    if (head)
        munmap(whole, head);
    if (slack - head)
        munmap(whole + head + size, slack - head);
    return whole + head;
}

static size_t whole_pages(size_t size)
{
    return (size + 4095) / 4096 * 4096;
}

/* The kernel promises any amount and kills somebody when it is touched, so what it could give is
 * asked for first; a sixteenth stays free. Where it does not say, the mapping itself must fail. */
static bool is_available(size_t size)
{
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file)
        return true;
    char line[128];
    unsigned long long kilobytes = UINT64_MAX / 1024;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1)
            break;
    fclose(file);
    return size / 1024 <= kilobytes - kilobytes / 16;
}

// Best effort: a wrong node is slow, not wrong.
static void prefer_node(void *memory, size_t size, int numa_node)
{
    if (numa_node < 0 || numa_node >= 64)
        return;
    unsigned long nodes = 1ul << numa_node;
    (void)syscall(SYS_mbind, memory, size, MPOL_PREFERRED, &nodes, 64ul + 1, 0u);
}

void *guard_memory_take(size_t size, int numa_node)
{
    CHECK(size > 0);
    size = whole_pages(size);
    void *memory = is_available(size) ? map_aligned(size) : NULL;
    if (!memory)
        return NULL;
    (void)madvise(memory, size, MADV_HUGEPAGE);
    prefer_node(memory, size, numa_node);
    // Faults now, not in a turn. Kernels before 5.14 cannot; writing zeros does it there.
    if (madvise(memory, size, MADV_POPULATE_WRITE) == 0)
        return memory;
    if (errno == EINVAL) {
        memset(memory, 0, size);
        return memory;
    }
    munmap(memory, size);
    return NULL;
}

void guard_memory_give(void *memory, size_t size)
{
    if (memory)
        munmap(memory, whole_pages(size));
}

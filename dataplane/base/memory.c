// SPDX-License-Identifier: BSD-3-Clause
#include "base/memory.h"

#include <linux/mempolicy.h>
#include <stdint.h>
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

// Best effort: a wrong node is slow, not wrong.
static void prefer_node(void *memory, size_t size, int numa_node)
{
    if (numa_node < 0 || numa_node >= 64)
        return;
    unsigned long nodes = 1ul << numa_node;
    (void)syscall(SYS_mbind, memory, size, MPOL_PREFERRED, &nodes, 64ul + 1, 0u);
}

void *memory_take(size_t size, int numa_node)
{
    CHECK(size > 0);
    size = whole_pages(size);
    void *memory = map_aligned(size);
    if (!memory)
        return NULL;
    (void)madvise(memory, size, MADV_HUGEPAGE);
    prefer_node(memory, size, numa_node);
    return memory;
}

void memory_give(void *memory, size_t size)
{
    if (memory)
        munmap(memory, whole_pages(size));
}

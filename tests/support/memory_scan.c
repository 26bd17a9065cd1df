// SPDX-License-Identifier: BSD-3-Clause
#include "support/memory_scan.h"

#include "base/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// LOOK: bytes in a row that are no chance. REGION_MAX: no test has more; a sanitizer's shadow has.
enum { PERIOD = 256, LOOK = 32, BLOCK = 1 << 16, REGION_MAX = 1 << 30 };

static uint8_t secret(size_t i)
{
    return (uint8_t)(i % PERIOD * 73 + 41);
}

void memory_secret(uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = secret(i);
}

static bool block_has_it(const uint8_t *block, size_t size)
{
    for (size_t at = 0; at + LOOK <= size; at++) {
        size_t i = 0;
        while (i < LOOK && block[at + i] == secret(i))
            i++;
        if (i == LOOK)
            return true;
    }
    return false;
}

static bool region_has_it(int memory, unsigned long from, unsigned long to)
{
    static uint8_t block[BLOCK];
    bool found = false;
    for (unsigned long at = from; at + LOOK <= to && !found; at += BLOCK - LOOK) {
        size_t size = to - at < BLOCK ? to - at : BLOCK;
        ssize_t got = pread(memory, block, size, (off_t)at);
        found = got > 0 && block_has_it(block, (size_t)got);
        explicit_bzero(block, sizeof block);
    }
    return found;
}

bool memory_has_secret(void)
{
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    CHECK(maps && memory >= 0);
    while (!found && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char mode[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && mode[1] == 'w' &&
            to - from < REGION_MAX)
            found = region_has_it(memory, from, to);
    }
    fclose(maps);
    close(memory);
    return found;
}

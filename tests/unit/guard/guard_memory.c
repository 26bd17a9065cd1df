// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_memory.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void what_cannot_be_had_is_null(void **state)
{
    assert_null(guard_memory_take((size_t)1 << 60, -1));
}

// Mapped it could be: the kernel promises too much.
static void more_than_the_machine_has_is_null_and_kills_nobody(void **state)
{
    size_t all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    assert_null(guard_memory_take(all - all / 32, -1));
    assert_null(guard_memory_take(all + all / 4, -1));
}

static void memory_is_zeroed_and_aligned_at_any_size(void **state)
{
    static const size_t sizes[] = {1, 4096, 100000, (2 << 20) - 1, 2 << 20, (4 << 20) + 5};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *memory = guard_memory_take(sizes[i], 0);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % (sizes[i] >= 2 << 20 ? 2 << 20 : 4096), 0);
        for (size_t at = 0; at < sizes[i]; at += 509)
            assert_int_equal(memory[at], 0);
        memory[sizes[i] - 1] = 1;
        guard_memory_give(memory, sizes[i]);
    }
    guard_memory_give(NULL, 4096);
}

static char root[] = "/tmp/weir-memory-XXXXXX";

static void lay(const char *path, const char *text)
{
    char whole[256];
    for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
        snprintf(whole, sizeof whole, "%s%.*s", root, (int)(end - path), path);
        (void)mkdir(whole, 0700);
    }
    snprintf(whole, sizeof whole, "%s%s", root, path);
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void what_is_left_is_the_least_of_machine_and_groups(void **state)
{
    assert_non_null(mkdtemp(root));
    assert_true(guard_memory_left(root) == UINT64_MAX); // nobody says
    lay("/proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n");
    assert_int_equal(guard_memory_left(root), 8000 * 1024);
    lay("/proc/self/cgroup", "4:cpu,memory:/a/b\n2:cpu:/c\nbroken\n0::/d/e\n");
    assert_int_equal(guard_memory_left(root), 8000 * 1024); // folders out of sight
    lay("/sys/fs/cgroup/d/e/memory.max", "max\n");
    lay("/sys/fs/cgroup/d/e/memory.stat", "anon 5\n");
    assert_int_equal(guard_memory_left(root), 8000 * 1024);
    lay("/sys/fs/cgroup/d/e/memory.max", "7000000\n");
    lay("/sys/fs/cgroup/d/e/memory.stat", "file 6000000\nanon 1000000\n");
    assert_int_equal(guard_memory_left(root), 6000000);
    lay("/sys/fs/cgroup/d/memory.max", "1500000\n"); // the group around it
    lay("/sys/fs/cgroup/d/memory.stat", "anon 1000000\n");
    assert_int_equal(guard_memory_left(root), 500000);
    lay("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    lay("/sys/fs/cgroup/memory/a/b/memory.stat", "rss 1\ntotal_rss 200000\n");
    assert_int_equal(guard_memory_left(root), 500000);
    lay("/sys/fs/cgroup/memory/memory.limit_in_bytes", "300000\n"); // a container sees its own here
    lay("/sys/fs/cgroup/memory/memory.stat", "total_rss 200000\n");
    assert_int_equal(guard_memory_left(root), 100000);
    lay("/sys/fs/cgroup/memory/memory.stat", "total_rss 400000\n");
    assert_int_equal(guard_memory_left(root), 0);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    return remove(path);
}

static int remove_root(void **state)
{
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(what_cannot_be_had_is_null),
        cmocka_unit_test(more_than_the_machine_has_is_null_and_kills_nobody),
        cmocka_unit_test_teardown(what_is_left_is_the_least_of_machine_and_groups, remove_root),
        cmocka_unit_test(memory_is_zeroed_and_aligned_at_any_size),
    };
    return cmocka_run_group_tests_name("guard_memory", cases, NULL, NULL);
}

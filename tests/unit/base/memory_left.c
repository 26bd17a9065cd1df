// SPDX-License-Identifier: BSD-3-Clause
#include "base/memory_left.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void there_is_no_room_for_more_than_the_machine_has(void **state)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    assert_false(memory_has_room(UINT64_MAX));
    assert_false(memory_has_room(all - all / 32));
    assert_true(memory_has_room(1 << 20));
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
    assert_true(memory_left(root) == UINT64_MAX); // nobody says
    lay("/proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n");
    assert_int_equal(memory_left(root), 8000 * 1024);
    lay("/proc/self/cgroup", "4:cpu,memory:/a/b\n2:cpu:/c\nbroken\n0::/d/e\n");
    assert_int_equal(memory_left(root), 8000 * 1024); // folders out of sight
    lay("/sys/fs/cgroup/d/e/memory.max", "max\n");
    lay("/sys/fs/cgroup/d/e/memory.stat", "anon 5\n");
    assert_int_equal(memory_left(root), 8000 * 1024);
    lay("/sys/fs/cgroup/d/e/memory.max", "7000000\n");
    lay("/sys/fs/cgroup/d/e/memory.stat", "file 6000000\nanon 1000000\n");
    assert_int_equal(memory_left(root), 6000000);
    lay("/sys/fs/cgroup/d/memory.max", "1500000\n"); // the group around it
    lay("/sys/fs/cgroup/d/memory.stat", "anon 1000000\n");
    assert_int_equal(memory_left(root), 500000);
    lay("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    lay("/sys/fs/cgroup/memory/a/b/memory.stat", "rss 1\ntotal_rss 200000\n");
    assert_int_equal(memory_left(root), 500000);
    lay("/sys/fs/cgroup/memory/memory.limit_in_bytes", "300000\n"); // a container sees its own here
    lay("/sys/fs/cgroup/memory/memory.stat", "total_rss 200000\n");
    assert_int_equal(memory_left(root), 100000);
    lay("/sys/fs/cgroup/memory/memory.stat", "total_rss 400000\n");
    assert_int_equal(memory_left(root), 0);
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
        cmocka_unit_test(there_is_no_room_for_more_than_the_machine_has),
        cmocka_unit_test_teardown(what_is_left_is_the_least_of_machine_and_groups, remove_root),
    };
    return cmocka_run_group_tests_name("memory_left", cases, NULL, NULL);
}

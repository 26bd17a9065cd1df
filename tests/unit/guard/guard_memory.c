// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(what_cannot_be_had_is_null),
        cmocka_unit_test(more_than_the_machine_has_is_null_and_kills_nobody),
        cmocka_unit_test(memory_is_zeroed_and_aligned_at_any_size),
    };
    return cmocka_run_group_tests_name("guard_memory", cases, NULL, NULL);
}

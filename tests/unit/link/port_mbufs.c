// SPDX-License-Identifier: BSD-3-Clause
#include "link/port_mbufs.h"

#include "support/eal_fixture.h"

#include <rte_mbuf.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { COUNT = 1000 };

static void more_than_the_memory_takes_is_null(void **state)
{
    assert_null(port_mbufs_open("many", 1 << 24));
}

static void buffers_have_no_page_each_where_pages_are_small(void **state)
{
    struct rte_mempool *mbufs = port_mbufs_open("packed", COUNT);
    assert_non_null(mbufs);
    struct rte_mbuf *taken[COUNT];
    assert_int_equal(rte_pktmbuf_alloc_bulk(mbufs, taken, COUNT), 0);
    uintptr_t first = UINTPTR_MAX, last = 0;
    for (int i = 0; i < COUNT; i++) {
        uintptr_t at = (uintptr_t)taken[i];
        first = at < first ? at : first;
        last = at > last ? at : last;
        assert_int_equal(rte_pktmbuf_tailroom(taken[i]), RTE_MBUF_DEFAULT_DATAROOM);
    }
    assert_true(last - first < (uintptr_t)COUNT * 3000);
    rte_pktmbuf_free_bulk(taken, COUNT);
    assert_int_equal(rte_mempool_in_use_count(mbufs), 0);
    rte_mempool_free(mbufs);
}

int main(void)
{
    eal_fixture_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_than_the_memory_takes_is_null),
        cmocka_unit_test(buffers_have_no_page_each_where_pages_are_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

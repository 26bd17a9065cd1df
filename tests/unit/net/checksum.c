// SPDX-License-Identifier: BSD-3-Clause
#include "net/checksum.h"

#include "base/rng.h"
#include "net_test.h"

#include <rte_ip.h>

static void a_changed_byte_is_seen(void **state)
{
    uint8_t data[] = {0x45, 0, 0, 0x28, 0, 0, 0x40, 0, 0x40, 6, 0, 0, 198, 51, 100, 10};
    uint16_t sum = (uint16_t)~checksum_fold(checksum_add(0, data, sizeof data));
    memcpy(data + 10, &sum, sizeof sum);
    assert_true(checksum_is_right(span_of(data, sizeof data)));
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] ^= 0x10;
        assert_false(checksum_is_right(span_of(data, sizeof data)));
        data[i] ^= 0x10;
    }
}

static void sums_equal_those_of_dpdk(void **state)
{
    static uint8_t data[9000];
    struct rng rng;
    rng_seed(&rng, 1071);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)rng_next(&rng);
    for (size_t size = 0; size <= sizeof data; size += size < 100 ? 1 : 89)
        assert_int_equal(checksum_fold(checksum_add(0, data, size)), rte_raw_cksum(data, size));
}

static void the_largest_sums_do_not_overflow(void **state)
{
    static uint8_t data[65535];
    memset(data, 0xff, sizeof data);
    uint64_t sum = checksum_add(0xffffffff, data, sizeof data - 1);
    assert_int_equal(checksum_fold(sum), 0xffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_byte_is_seen),
        cmocka_unit_test(sums_equal_those_of_dpdk),
        cmocka_unit_test(the_largest_sums_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

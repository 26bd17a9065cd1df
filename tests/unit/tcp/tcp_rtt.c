// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_rtt.h"
#include "stage.h"

static void without_a_sample_the_time_out_is_a_second(void **state)
{
    struct tcp_conn c = {0};
    assert_int_equal(tcp_rtt_rto_ms(&c), 1000);
}

static void behind_a_repeated_syn_it_is_three_seconds(void **state)
{
    struct tcp_conn c = {.state = TCP_SYN_SENT, .flags = TCP_CONN_SYN_AGAIN};
    assert_int_equal(tcp_rtt_rto_ms(&c), 1000);
    c.state = TCP_ESTABLISHED;
    assert_int_equal(tcp_rtt_rto_ms(&c), 3000);
    tcp_rtt_sample(&c, 100000);
    assert_int_equal(tcp_rtt_rto_ms(&c), 300);
}

static void the_first_sample_sets_all(void **state)
{
    struct tcp_conn c = {0};
    tcp_rtt_sample(&c, 100000);
    assert_int_equal(c.srtt_us, 100000);
    assert_int_equal(c.rttvar_us, 50000);
    assert_int_equal(tcp_rtt_rto_ms(&c), 100 + 200);
}

static void a_steady_path_ends_at_its_rtt_and_the_least(void **state)
{
    struct tcp_conn c = {0};
    for (int i = 0; i < 200; i++)
        tcp_rtt_sample(&c, 50000);
    assert_in_range(c.srtt_us, 49900, 50100);
    assert_in_range(tcp_rtt_rto_ms(&c), 249, 251);
}

static void a_wild_path_waits_longer(void **state)
{
    struct tcp_conn c = {0};
    for (int i = 0; i < 200; i++)
        tcp_rtt_sample(&c, i % 2 ? 10000 : 500000);
    assert_true(tcp_rtt_rto_ms(&c) > 800);
    assert_int_equal(c.rtt_min_us, 10000);
}

static void the_time_out_doubles_up_to_a_minute(void **state)
{
    struct tcp_conn c = {0};
    for (int i = 0; i <= UINT8_MAX; i++) {
        c.backoff = (uint8_t)i;
        assert_int_equal(tcp_rtt_rto_ms(&c), i < 6 ? 1000 << i : 60000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_sample_the_time_out_is_a_second),
        cmocka_unit_test(behind_a_repeated_syn_it_is_three_seconds),
        cmocka_unit_test(the_first_sample_sets_all),
        cmocka_unit_test(a_steady_path_ends_at_its_rtt_and_the_least),
        cmocka_unit_test(a_wild_path_waits_longer),
        cmocka_unit_test(the_time_out_doubles_up_to_a_minute),
    };
    return stage_run(tests);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_synack.h"

#include "packet_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct guard_cookie_answer cookie = {.iss = 0x12345678, .ts_value = 0x9abcdef0};

static void write_to(struct rte_mbuf *m, const struct packet *syn)
{
    struct guard_synack synack;
    guard_synack_init(&synack, 1500, 65535);
    guard_synack_write(&synack, &m, &syn, &cookie, 1);
}

static struct packet full_syn(const char *client)
{
    struct packet syn = made_syn(client, 25);
    syn.options = (struct tcp_option){.mss = 1400,
                                      .has_window_scale = true,
                                      .window_scale = 2,
                                      .sack_permitted = true,
                                      .has_timestamps = true,
                                      .ts_value = 42};
    return syn;
}

static void without_room_for_any_answer_or_in_a_chain_it_does_not_fit(void **state)
{
    struct made_mbuf made;
    assert_false(guard_synack_fits(made_mbuf_init(&made, 40, 79)));
    struct rte_mbuf *m = made_mbuf_init(&made, 40, 80);
    assert_true(guard_synack_fits(m));
    m->nb_segs = 2;
    assert_false(guard_synack_fits(m));
}

static void nothing_is_offered_that_the_syn_did_not(void **state)
{
    static const char *const clients[] = {"192.0.2.1", "2001:db8::1"};
    for (int family = 0; family < 2; family++) {
        for (int bits = 0; bits < 8; bits++) {
            struct packet syn = full_syn(clients[family]);
            syn.options.has_window_scale = bits & 1;
            syn.options.sack_permitted = bits & 2;
            syn.options.has_timestamps = bits & 4;
            struct made_mbuf made;
            struct rte_mbuf *m =
                made_mbuf_init(&made, bits & 1 ? 44 : 120, 128); // grows or shrinks
            write_to(m, &syn);
            struct seen_synack seen;
            assert_true(seen_synack(m, &syn, &seen));
            assert_int_equal(seen.seq, 0x12345678);
            assert_int_equal(seen.ack, 0xffffffff);
            assert_int_equal(seen.window, 65535);
            assert_int_equal(seen.options.mss, family == 0 ? 1460 : 1440);
            assert_int_equal(seen.options.has_window_scale, bits & 1);
            assert_int_equal(seen.options.window_scale, bits & 1 ? TCP_WINDOW_SCALE_OURS : 0);
            assert_int_equal(seen.options.sack_permitted, !!(bits & 2));
            assert_int_equal(seen.options.has_timestamps, !!(bits & 4));
            assert_int_equal(seen.options.ts_value, bits & 4 ? 0x9abcdef0 : 0);
            assert_int_equal(seen.options.ts_echo, bits & 4 ? 42 : 0);
        }
    }
}

static void bytes_around_the_room_of_an_answer_are_not_touched(void **state)
{
    struct packet syn = full_syn("2001:db8::1");
    struct made_mbuf made;
    struct rte_mbuf *m = made_mbuf_init(&made, 60, 128);
    write_to(m, &syn);
    for (unsigned i = 0; i < sizeof made.bytes; i++)
        if (i < 64u || i >= 64u + GUARD_SYNACK_MOST)
            assert_int_equal(made.bytes[i], 0xee);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(without_room_for_any_answer_or_in_a_chain_it_does_not_fit),
        cmocka_unit_test(nothing_is_offered_that_the_syn_did_not),
        cmocka_unit_test(bytes_around_the_room_of_an_answer_are_not_touched),
    };
    return cmocka_run_group_tests_name("guard_synack", cases, NULL, NULL);
}

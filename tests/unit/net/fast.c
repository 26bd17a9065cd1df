// SPDX-License-Identifier: BSD-3-Clause
#include "net/fast.h"

#include "base/rng.h"
#include "net_test.h"

static struct rte_mbuf *mbuf_of(const struct frame *frame)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(rig_pool());
    memcpy(rte_pktmbuf_append(m, (uint16_t)frame->size), frame->at, frame->size);
    return m;
}

static bool is_fast(const struct frame *frame, enum leg leg, struct packet *ret_packet)
{
    struct rte_mbuf *m = mbuf_of(frame);
    uint16_t offset = m->data_off;
    enum reason reason = REASON_NONE;
    bool fast = fast_input(rig.net, m, leg, ret_packet, &reason);
    if (!fast) // untouched
        assert_true(m->data_off == offset && m->data_len == frame->size);
    rte_pktmbuf_free(m);
    return fast;
}

static struct frame syn(bool v4)
{
    return v4 ? frame_tcp(LEG_OUTSIDE, "198.51.100.10", "198.51.100.1", TCP_SYN)
              : frame_tcp(LEG_OUTSIDE, "2001:db8:51::10", "2001:db8:51::1", TCP_SYN);
}

static void a_frame_cut_anywhere_goes_the_long_way(void **state)
{
    struct packet p;
    for (int v4 = 0; v4 < 2; v4++) {
        struct frame whole = syn(v4), f = whole;
        assert_true(is_fast(&f, LEG_OUTSIDE, &p));
        for (f.size = 0; f.size < whole.size; f.size++)
            assert_false(is_fast(&f, LEG_OUTSIDE, &p));
    }
}

static void another_leg_tag_or_address_goes_the_long_way(void **state)
{
    struct packet p;
    for (int v4 = 0; v4 < 2; v4++) {
        struct frame f = syn(v4);
        assert_false(is_fast(&f, LEG_INSIDE, &p));
        frame_tag(&f, 7);
        assert_false(is_fast(&f, LEG_OUTSIDE, &p));
    }
    struct frame f = frame_tcp(LEG_OUTSIDE, "198.51.100.10", "198.51.100.2", TCP_SYN);
    assert_false(is_fast(&f, LEG_OUTSIDE, &p));
}

// The long way's verdict on a copy whose link address was spoiled for the short way alone.
static enum net_kind long_way(const struct frame *frame, struct packet *ret_packet,
                              enum reason *ret_reason)
{
    struct net *net = rig.net;
    struct fast_leg kept = net->fast[LEG_OUTSIDE];
    net->fast[LEG_OUTSIDE].vlan = 4095; // nothing is fast
    struct rte_mbuf *m = mbuf_of(frame);
    struct net_icmp icmp;
    enum net_kind kind = net_input(net, m, LEG_OUTSIDE, rig.now_us, ret_packet, &icmp, ret_reason);
    if (kind != NET_DONE)
        rte_pktmbuf_free(m);
    net->fast[LEG_OUTSIDE] = kept;
    return kind;
}

// Every single bit of the headers, and random pairs of them: what is taken here is what the long
// way takes, field by field, and both refuse for the same reason.
static void both_ways_agree_about_every_frame(void **state)
{
    struct rng rng;
    rng_seed(&rng, 2026);
    unsigned fast_ones = 0;
    for (unsigned round = 0; round < 6000; round++) {
        struct frame f = syn(round & 1);
        size_t bits = f.size * 8, first = round / 2 % bits;
        f.at[first / 8] ^= (uint8_t)(1 << first % 8);
        if (round > 2 * bits) {
            size_t second = rng_below(&rng, bits);
            f.at[second / 8] ^= (uint8_t)(1 << second % 8);
        }
        if (round % 3 == 0)
            frame_fix(&f);
        struct packet fast, slow;
        memset(&fast, 0, sizeof fast);
        memset(&slow, 0, sizeof slow);
        struct rte_mbuf *m = mbuf_of(&f);
        struct net_icmp icmp;
        enum reason reason = REASON_NONE, slow_reason = REASON_NONE;
        struct packet probe;
        fast_ones += is_fast(&f, LEG_OUTSIDE, &probe);
        enum net_kind kind = net_input(rig.net, m, LEG_OUTSIDE, rig.now_us, &fast, &icmp, &reason);
        if (kind != NET_DONE)
            rte_pktmbuf_free(m);
        assert_int_equal(long_way(&f, &slow, &slow_reason), kind);
        assert_int_equal(slow_reason, reason);
        if (kind == NET_TCP)
            assert_memory_equal(&fast, &slow, sizeof fast);
    }
    assert_true(fast_ones > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_cut_anywhere_goes_the_long_way),
        TEST(another_leg_tag_or_address_goes_the_long_way),
        TEST(both_ways_agree_about_every_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

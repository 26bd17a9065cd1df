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

struct said { // by the port
    uint64_t flags;
    uint16_t vlan;
};

static enum net_kind give(const struct frame *frame, struct said said, struct packet *ret_packet,
                          enum reason *ret_reason)
{
    struct rte_mbuf *m = mbuf_of(frame);
    struct net_icmp icmp;
    m->ol_flags |= said.flags;
    m->vlan_tci = said.vlan;
    memset(ret_packet, 0, sizeof *ret_packet);
    enum net_kind kind =
        net_input(rig.net, m, LEG_OUTSIDE, rig.now_us, ret_packet, &icmp, ret_reason);
    if (kind == NET_TCP)
        assert_int_equal(m->data_len, ret_packet->payload_offset + ret_packet->payload_size);
    if (kind != NET_DONE)
        rte_pktmbuf_free(m);
    return kind;
}

// What a glance tells is what parsing tells, or finds a fault in that a glance does not look for.
static bool glances_agree(const struct frame *frame, struct said said)
{
    struct rte_mbuf *m = mbuf_of(frame);
    uint16_t offset = m->data_off;
    struct packet seen, whole;
    m->ol_flags |= said.flags;
    m->vlan_tci = said.vlan;
    bool glanced = net_glance(rig.net, m, LEG_OUTSIDE, &seen);
    assert_true(m->data_off == offset && m->data_len == frame->size);
    rte_pktmbuf_free(m);
    enum reason reason = REASON_NONE;
    enum net_kind kind = give(frame, said, &whole, &reason);
    if (!glanced)
        return false;
    assert_true(kind == NET_TCP || reason == REASON_TCP_BAD_CHECKSUM ||
                reason == REASON_TCP_BAD_OPTIONS || reason == REASON_IP_BAD_CHECKSUM);
    assert_true(addr_equal(&seen.src, &whole.src) || reason == REASON_IP_BAD_CHECKSUM);
    assert_int_equal(seen.leg, LEG_OUTSIDE);
    if (kind != NET_TCP)
        return true;
    assert_int_equal(whole.payload_size, 0);
    assert_true((whole.tcp_flags & ~(TCP_ECE | TCP_CWR | TCP_PSH)) == TCP_SYN);
    assert_true(seen.src_port == whole.src_port && seen.dst_port == whole.dst_port &&
                seen.seq == whole.seq && seen.tcp_flags == whole.tcp_flags);
    return true;
}

// True: the frame was taken. What is taken the short way is what the long way takes, field by
// field, and both refuse for the same reason.
static bool ways_agree(const struct frame *frame, struct said said)
{
    struct packet fast, slow;
    enum reason reason = REASON_NONE, slow_reason = REASON_NONE;
    enum net_kind kind = give(frame, said, &fast, &reason);
    struct fast_leg *leg = &rig.net->fast[LEG_OUTSIDE], kept = *leg;
    leg->vlan = 4094; // nothing is fast
    assert_int_equal(give(frame, said, &slow, &slow_reason), kind);
    *leg = kept;
    assert_int_equal(slow_reason, reason);
    assert_true(addr_equal(&fast.src, &slow.src));
    if (kind == NET_TCP)
        assert_memory_equal(&fast, &slow, sizeof fast);
    return kind == NET_TCP;
}

// Every single bit of the headers, and random pairs of them.
static void both_ways_agree_about_every_frame(void **state)
{
    struct rng rng;
    rng_seed(&rng, 2026);
    unsigned fast_ones = 0, glanced = 0;
    for (unsigned round = 0; round < 6000; round++) {
        struct frame f = syn(round & 1);
        struct packet probe;
        size_t bits = f.size * 8, first = round / 2 % bits;
        f.at[first / 8] ^= (uint8_t)(1 << first % 8);
        if (round > 2 * bits) {
            size_t second = rng_below(&rng, bits);
            f.at[second / 8] ^= (uint8_t)(1 << second % 8);
        }
        if (round % 3 == 0)
            frame_fix(&f);
        fast_ones += is_fast(&f, LEG_OUTSIDE, &probe);
        (void)ways_agree(&f, (struct said){0});
        glanced += glances_agree(&f, (struct said){0});
    }
    assert_true(fast_ones > 1000);
    assert_true(glanced > 1000);
}

static uint8_t any_of(struct rng *rng, const uint8_t *bytes, size_t count)
{
    return bytes[rng_below(rng, count)];
}
#define ANY_OF(rng, ...)                                                                           \
    any_of((rng), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

// Of every kind, whole or not, in any order.
static size_t put_options(uint8_t *at, struct rng *rng)
{
    static const uint8_t usual[3][20] = {
        {2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7},
        {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8},
        {2, 4, 5, 180},
    };
    size_t size = rng_below(rng, 11) * 4;
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(rng_below(rng, 2) ? ANY_OF(rng, 0, 1, 2, 3, 4, 5, 8, 10, 18) : i);
    if (rng_below(rng, 2))
        return size;
    size_t which = rng_below(rng, 3);
    size = which == 0 ? 20 : which == 1 ? 12 : 4;
    memcpy(at, usual[which], size);
    if (rng_below(rng, 2))
        at[rng_below(rng, size)] = ANY_OF(rng, 0, 1, 2, 3, 4, 5, 8, 10, 14, 15);
    return size;
}

static void put_source(struct frame *f, bool v4, struct rng *rng)
{
    uint8_t *from = f->at + AT_IP + (v4 ? 12 : 8);
    if (rng_below(rng, 2))
        return;
    if (v4) {
        from[0] = ANY_OF(rng, 0, 1, 126, 127, 128, 198, 203, 223, 224, 255);
        from[2] = ANY_OF(rng, 100, 113);
        from[3] = ANY_OF(rng, 0, 1, 10, 255);
    } else {
        from[0] = ANY_OF(rng, 0, 0x20, 0xfe, 0xff);
        from[1] = ANY_OF(rng, 0x01, 0x7f, 0x80, 0xbf, 0xc0);
        from[15] = ANY_OF(rng, 0, 1, 0x10);
    }
}

// A segment with whatever hosts, links and ports put into it, around it and beside it.
static struct frame wild(bool v4, struct rng *rng, struct said *ret_said)
{
    struct frame f = syn(v4);
    uint8_t *ip = f.at + AT_IP, *tcp = f.at + (v4 ? AT_L4 : AT_L4_V6);
    size_t options = put_options(tcp + 20, rng), payload = rng_below(rng, 3) * rng_below(rng, 99);
    for (size_t i = 0; i < payload + 46; i++) // and the frame's padding
        tcp[20 + options + i] = (uint8_t)rng_next(rng);
    tcp[12] = (uint8_t)((20 + options) / 4 << 4 | rng_below(rng, 16));
    tcp[13] = (uint8_t)(rng_below(rng, 2) ? rng_next(rng) : TCP_SYN);
    f.size = (size_t)(tcp - f.at) + 20 + options + payload;
    put_source(&f, v4, rng);
    if (v4)
        ip[6] = ANY_OF(rng, 0, 0, 0x40, 0x40, 0x80, 0x20, 0x1f);
    frame_fix(&f);
    if (rng_below(rng, 4) == 0) // too long, or of another remainder
        ip[v4 ? 3 : 5] = (uint8_t)(ip[v4 ? 3 : 5] + rng_below(rng, 5) - 2);
    if (rng_below(rng, 8) == 0)
        memset(tcp + 16, (int)rng_below(rng, 2) * 255, 2);
    if (rng_below(rng, 8) == 0 && v4)
        memset(ip + 10, (int)rng_below(rng, 2) * 255, 2);
    f.size += rng_below(rng, 2) * rng_below(rng, 46);
    if (rng_below(rng, 8) == 0)
        frame_tag(&f, ANY_OF(rng, 0, 7, 100));
    static const uint64_t flags[] = {0,
                                     RTE_MBUF_F_RX_L4_CKSUM_GOOD,
                                     RTE_MBUF_F_RX_L4_CKSUM_BAD,
                                     RTE_MBUF_F_RX_L4_CKSUM_NONE,
                                     RTE_MBUF_F_RX_IP_CKSUM_GOOD,
                                     RTE_MBUF_F_RX_IP_CKSUM_BAD,
                                     RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED};
    *ret_said = (struct said){flags[rng_below(rng, 7)] | flags[rng_below(rng, 7)],
                              (uint16_t)(ANY_OF(rng, 0, 0, 7, 100) | rng_below(rng, 2) << 13)};
    return f;
}

static void both_ways_agree_about_what_hosts_links_and_ports_may_do(void **state)
{
    struct rng rng;
    rng_seed(&rng, 4711);
    for (uint16_t vlan = 0; vlan <= 100; vlan += 100) {
        unsigned taken = 0, glanced = 0;
        rig_close(&rig);
        rig.policy.boot.legs[LEG_OUTSIDE].vlan = vlan;
        rig_open(&rig);
        for (unsigned round = 0; round < 20000; round++) {
            struct said said;
            struct frame f = wild(round & 1, &rng, &said);
            taken += ways_agree(&f, said);
            glanced += glances_agree(&f, said);
        }
        assert_true(taken > 200);
        assert_true(glanced > 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_cut_anywhere_goes_the_long_way),
        TEST(another_leg_tag_or_address_goes_the_long_way),
        TEST(both_ways_agree_about_every_frame),
        TEST(both_ways_agree_about_what_hosts_links_and_ports_may_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

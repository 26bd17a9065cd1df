// SPDX-License-Identifier: BSD-3-Clause
/* Frames one after the other, each behind a mode and its size: {mode, size high, size low, bytes}.
 * The modes let the fuzzer past checksums that it cannot guess. */
#include "fuzz/fuzz.h"
#include "net/checksum.h"
#include "net/net_state.h"
#include "support/net_rig.h"

enum mode {
    MODE_INSIDE = 1,
    MODE_FIX_SUMS = 2,
    MODE_SPLIT = 4,
    MODE_TAG_STRIPPED = 8,
    MODE_ONE_PORT = 16, // read from the first frame only, as the next two
    MODE_TAGGED = 32,
    MODE_LATER = 64, // two seconds before the frame
};

static void open_rig(struct rig *rig, uint8_t mode)
{
    rig_init(rig);
    struct policy_interface *legs = rig->policy.boot.legs;
    if (mode & MODE_ONE_PORT) {
        memcpy(legs[LEG_INSIDE].device, legs[LEG_OUTSIDE].device, sizeof legs[0].device);
        memcpy(rig->config.mac[LEG_INSIDE], rig_mac[LEG_OUTSIDE], 6);
    }
    if (mode & MODE_TAGGED) {
        legs[LEG_OUTSIDE].vlan = 100;
        legs[LEG_INSIDE].vlan = 200;
    }
    rig_open(rig);
}

static void fix_icmp(uint8_t *icmp, uint64_t sum)
{
    uint16_t checksum = (uint16_t)~checksum_fold(sum);
    memcpy(icmp + 2, &checksum, sizeof checksum);
}

static void fix_sums(struct frame *f)
{
    size_t at = AT_IP;
    if (f->size < 18)
        return;
    uint16_t type = frame_u16(f, 12);
    if (type == ETHER_TYPE_VLAN) {
        at += ETHER_VLAN_SIZE;
        type = frame_u16(f, 16);
    }
    uint8_t *ip = f->at + at;
    if (type == ETHER_TYPE_IPV4 && f->size >= at + IP4_HEADER_SIZE) {
        size_t total = load_u16(ip + 2);
        store_u16(ip + 10, 0);
        fix_icmp(ip + 8, checksum_add(0, ip, IP4_HEADER_SIZE));
        struct span l4 = span_of(ip + IP4_HEADER_SIZE, total - IP4_HEADER_SIZE);
        if (ip[9] != IP_PROTOCOL_ICMP || total < 28 || at + total > f->size)
            return;
        store_u16(ip + IP4_HEADER_SIZE + 2, 0);
        fix_icmp(ip + IP4_HEADER_SIZE, checksum_add(0, l4.at, l4.size));
    }
    if (type == ETHER_TYPE_IPV6 && f->size >= at + IP6_HEADER_SIZE) {
        struct span l4 = span_of(ip + IP6_HEADER_SIZE, load_u16(ip + 4));
        if (ip[6] != IP_PROTOCOL_ICMP6 || l4.size < 8 || at + IP6_HEADER_SIZE + l4.size > f->size)
            return;
        store_u16(ip + IP6_HEADER_SIZE + 2, 0);
        fix_icmp(ip + IP6_HEADER_SIZE, checksum_add_v6(ip, IP_PROTOCOL_ICMP6, l4));
    }
}

static bool is_own(const struct rig *rig, const struct addr *addr)
{
    bool own = false;
    for (int leg = 0; leg < LEG_COUNT; leg++)
        for (int family = 0; family < FAMILY_COUNT; family++)
            own |= addr_equal(addr, &rig->policy.boot.legs[leg].addr[family]);
    return own;
}

static void check_tcp(const struct rig *rig)
{
    const struct packet *p = &rig->packet;
    CHECK(p->l4_offset == (addr_is_v4(&p->dst) ? IP4_HEADER_SIZE : IP6_HEADER_SIZE));
    CHECK(p->payload_offset >= p->l4_offset + TCP_HEADER_SIZE);
    CHECK((size_t)p->payload_offset + p->payload_size == rig->taken.size);
    CHECK(addr_is_v4(&p->src) == addr_is_v4(&p->dst));
    CHECK(is_own(rig, &p->dst) && !is_own(rig, &p->src));
    CHECK(p->leg < LEG_COUNT && p->tcp_flags != 0);
}

// What a glance told is what was parsed, or refused for what a glance does not look at.
static void check_glance(const struct rig *rig, enum net_kind kind)
{
    const struct packet *seen = &rig->seen, *p = &rig->packet;
    CHECK(kind == NET_TCP || (kind == NET_REFUSED && (rig->reason == REASON_TCP_BAD_CHECKSUM ||
                                                      rig->reason == REASON_TCP_BAD_OPTIONS ||
                                                      rig->reason == REASON_IP_BAD_CHECKSUM)));
    CHECK(kind != NET_TCP || (addr_equal(&seen->src, &p->src) && addr_equal(&seen->dst, &p->dst) &&
                              seen->src_port == p->src_port && seen->dst_port == p->dst_port &&
                              seen->seq == p->seq && seen->leg == p->leg && p->payload_size == 0));
}

static void give(struct rig *rig, uint8_t mode, struct span bytes)
{
    static struct frame f;
    f.size = bytes.size;
    memcpy(f.at, bytes.at, bytes.size);
    rig->ol_flags = 0;
    if (mode & MODE_FIX_SUMS) {
        rig->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
        fix_sums(&f);
    }
    if (mode & MODE_TAG_STRIPPED)
        rig->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    rig->vlan_tci = mode & MODE_INSIDE ? 200 : 100;
    rig->split = mode & MODE_SPLIT && f.size > 1;
    if (mode & MODE_LATER)
        rig_run(rig, 2000000);
    enum leg leg = mode & MODE_INSIDE ? LEG_INSIDE : LEG_OUTSIDE;
    enum net_kind kind = rig_give(rig, &f, leg);
    if (rig->glanced)
        check_glance(rig, kind);
    switch (kind) {
    case NET_TCP:
        check_tcp(rig);
        break;
    case NET_ICMP_ERROR:
        CHECK(is_own(rig, &rig->packet.src));
        CHECK(rig->icmp.next_mtu == 0 || rig->icmp.next_mtu >= 68);
        break;
    case NET_REFUSED:
        CHECK(rig->reason != REASON_NONE && rig->reason < REASON_COUNT);
        break;
    case NET_DONE:
    case NET_ICMP_ECHO:
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rig rig;
    struct reader r = reader_of(span_of(data, size));
    open_rig(&rig, size ? data[0] : 0);
    struct frame out = frame_tcp(LEG_OUTSIDE, "198.51.100.1", "198.51.100.10", TCP_ACK);
    rig_output(&rig, &out, LEG_OUTSIDE);
    out = frame_tcp(LEG_OUTSIDE, "2001:db8:51::1", "2001:db8:51::10", TCP_ACK);
    rig_output(&rig, &out, LEG_OUTSIDE);
    for (unsigned i = 0; i < 32 && r.left.size > 3; i++) {
        uint8_t mode = reader_u8(&r);
        size_t most = reader_u16(&r);
        if (most > FRAME_MAX)
            most = FRAME_MAX;
        give(&rig, mode, reader_bytes(&r, most < r.left.size ? most : r.left.size));
    }
    for (unsigned i = 0; i < rig.sent_count; i++)
        CHECK(rig.sent[i].size >= AT_IP + 28);
    rig_close(&rig); // fails when an mbuf was lost
    return 0;
}

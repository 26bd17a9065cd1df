// SPDX-License-Identifier: BSD-3-Clause
#include "support/net_rig.h"

#include "support/eal_fixture.h"

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <stdio.h>

const uint8_t rig_mac[LEG_COUNT][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 0x10};
const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x66};
const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct rte_mempool *rig_pool(void)
{
    static struct rte_mempool *pool;
    if (!pool)
        pool = eal_fixture_pool("net_rig", 2047);
    return pool;
}

static struct addr address(const char *text)
{
    struct addr addr;
    CHECK(addr_parse(text, &addr));
    return addr;
}

static void add_route(struct rig *rig, const char *to, const char *via)
{
    struct policy_route *route = &rig->policy.routes[rig->policy.routes_count++];
    CHECK(prefix_parse(to, &route->to));
    route->via = address(via);
    route->leg = LEG_OUTSIDE;
}

void rig_init(struct rig *rig)
{
    *rig = (struct rig){.now_us = 1000000};
    static const char *const v4[] = {"198.51.100.1", "203.0.113.1"};
    static const char *const v6[] = {"2001:db8:51::1", "2001:db8:113::1"};
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        struct policy_interface *i = &rig->policy.boot.legs[leg];
        snprintf(i->device, sizeof i->device, "net_null%d", leg);
        i->addr[FAMILY_V4] = address(v4[leg]);
        i->addr[FAMILY_V6] = address(v6[leg]);
        i->bits[FAMILY_V4] = 24 + ADDR_V4_BITS;
        i->bits[FAMILY_V6] = 64;
        i->mtu = 1500;
        memcpy(rig->config.mac[leg], rig_mac[leg], 6);
    }
    add_route(rig, "0.0.0.0/0", "198.51.100.254");
    add_route(rig, "::/0", "2001:db8:51::fe");
}

static void keep_sent(struct rig *rig, struct rte_mbuf *m, enum leg leg)
{
    CHECK(m->nb_segs == 1);
    eal_fixture_complete(m);
    if (rig->sent_count < RIG_SENT_MAX) {
        struct frame *frame = &rig->sent[rig->sent_count];
        rig->sent_leg[rig->sent_count++] = leg;
        frame->size = rte_pktmbuf_data_len(m);
        CHECK(frame->size <= FRAME_MAX);
        memcpy(frame->at, rte_pktmbuf_mtod(m, const void *), frame->size);
    }
    rte_pktmbuf_free(m);
}

static void transmit(void *context, struct rte_mbuf *const *frames, unsigned count, enum leg leg)
{
    for (unsigned i = 0; i < count; i++)
        keep_sent(context, frames[i], leg);
}

void rig_open(struct rig *rig)
{
    rig->mbufs_free = rte_mempool_avail_count(rig_pool());
    rig->config.boot = &rig->policy.boot;
    rig->config.mbufs = rig_pool();
    rig->config.counters = &rig->counters;
    rig->config.transmit = transmit;
    rig->config.context = rig;
    rig->net = net_open(&rig->config);
    CHECK(rig->net != NULL);
    net_policy(rig->net, &rig->policy);
}

void rig_close(struct rig *rig)
{
    net_shut(rig->net);
    rig->net = NULL;
    CHECK(rte_mempool_avail_count(rig_pool()) == rig->mbufs_free);
}

void rig_forget(struct rig *rig)
{
    rig->sent_count = 0;
}

static struct rte_mbuf *mbuf_of(const uint8_t *at, size_t size)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(rig_pool());
    CHECK(m != NULL);
    memcpy(rte_pktmbuf_append(m, (uint16_t)size), at, size);
    return m;
}

enum net_kind rig_give(struct rig *rig, const struct frame *frame, enum leg leg)
{
    size_t first = rig->split ? frame->size / 2 : frame->size;
    struct rte_mbuf *m = mbuf_of(frame->at, first);
    if (rig->split)
        CHECK(rte_pktmbuf_chain(m, mbuf_of(frame->at + first, frame->size - first)) == 0);
    m->ol_flags |= rig->ol_flags;
    m->vlan_tci = rig->vlan_tci;
    rig->glanced = net_glance(rig->net, m, leg, &rig->seen);
    enum net_kind kind =
        net_input(rig->net, m, leg, rig->now_us, &rig->packet, &rig->icmp, &rig->reason);
    switch (kind) {
    case NET_DONE:
        break;
    case NET_ICMP_ECHO:
        net_echo(rig->net, m, &rig->packet, rig->now_us);
        break;
    case NET_TCP:
        rig->taken.size = rte_pktmbuf_data_len(m);
        memcpy(rig->taken.at, rte_pktmbuf_mtod(m, const void *), rig->taken.size);
        rte_pktmbuf_free(m);
        break;
    case NET_REFUSED:
    case NET_ICMP_ERROR:
        rte_pktmbuf_free(m);
        break;
    default:
        CHECK(!"a kind of net.h");
    }
    return kind;
}

void rig_output_burst(struct rig *rig, const struct frame *frames, unsigned count, enum leg leg)
{
    struct rte_mbuf *mbufs[NET_BURST];
    CHECK(count <= NET_BURST);
    for (unsigned i = 0; i < count; i++)
        mbufs[i] = mbuf_of(frames[i].at + AT_IP, frames[i].size - AT_IP);
    net_output(rig->net, mbufs, count, leg, rig->now_us);
}

void rig_output(struct rig *rig, const struct frame *frame, enum leg leg)
{
    rig_output_burst(rig, frame, 1, leg);
}

void rig_run(struct rig *rig, uint64_t us)
{
    enum { STEP_US = 5000 };
    for (uint64_t end = rig->now_us + us; rig->now_us < end; rig->now_us += STEP_US)
        net_advance(rig->net, rig->now_us);
}

uint16_t frame_u16(const struct frame *frame, size_t at)
{
    return (uint16_t)(frame->at[at] << 8 | frame->at[at + 1]);
}

void frame_put_u16(struct frame *frame, size_t at, uint16_t value)
{
    frame->at[at] = (uint8_t)(value >> 8);
    frame->at[at + 1] = (uint8_t)value;
}

static void put_u32(struct frame *frame, size_t at, uint32_t value)
{
    frame_put_u16(frame, at, (uint16_t)(value >> 16));
    frame_put_u16(frame, at + 2, (uint16_t)value);
}

static bool is_v4(const struct frame *frame)
{
    return frame_u16(frame, 12) == 0x0800;
}

static size_t l4_of(const struct frame *frame)
{
    return is_v4(frame) ? AT_L4 : AT_L4_V6;
}

static uint8_t protocol_of(const struct frame *frame)
{
    return frame->at[is_v4(frame) ? AT_IP + 9 : AT_IP + 6];
}

static void start(struct frame *f, const uint8_t *to, uint16_t type)
{
    memcpy(f->at, to, 6);
    memcpy(f->at + 6, peer_mac, 6);
    frame_put_u16(f, 12, type);
    f->size = AT_IP;
}

static void add_ip(struct frame *f, enum leg leg, const char *from, const char *to,
                   uint8_t protocol)
{
    struct addr src = address(from), dst = address(to);
    bool v4 = addr_is_v4(&dst);
    start(f, rig_mac[leg], v4 ? 0x0800 : 0x86dd);
    uint8_t *ip = f->at + AT_IP;
    if (v4) {
        ip[0] = 0x45;
        ip[8] = 61;
        ip[9] = protocol;
        memcpy(ip + 12, src.bytes + 12, 4);
        memcpy(ip + 16, dst.bytes + 12, 4);
    } else {
        ip[0] = 0x60;
        ip[6] = protocol;
        ip[7] = 61;
        memcpy(ip + 8, src.bytes, 16);
        memcpy(ip + 24, dst.bytes, 16);
    }
    f->size = v4 ? AT_L4 : AT_L4_V6;
}

struct frame frame_tcp(enum leg leg, const char *from, const char *to, uint8_t flags)
{
    struct frame f = {0};
    add_ip(&f, leg, from, to, 6);
    size_t l4 = f.size;
    frame_put_u16(&f, l4, 40000);
    frame_put_u16(&f, l4 + 2, 25);
    put_u32(&f, l4 + 4, 1000);
    put_u32(&f, l4 + 8, 2000);
    f.at[l4 + 12] = 5 << 4;
    f.at[l4 + 13] = flags;
    frame_put_u16(&f, l4 + 14, 64240);
    f.size += 20;
    frame_fix(&f);
    return f;
}

struct frame frame_icmp(enum leg leg, const char *from, const char *to, uint8_t type, uint8_t code,
                        const void *body, size_t size)
{
    struct frame f = {0};
    add_ip(&f, leg, from, to, strchr(to, ':') ? 58 : 1);
    f.at[f.size] = type;
    f.at[f.size + 1] = code;
    memcpy(f.at + f.size + 4, body, size);
    f.size += 4 + size;
    frame_fix(&f);
    return f;
}

struct frame frame_arp(uint16_t operation, const uint8_t sender_mac[6], const char *sender,
                       const char *target, const uint8_t to[6])
{
    struct frame f = {0};
    struct addr from = address(sender), asked = address(target);
    start(&f, to, 0x0806);
    static const uint8_t kind[6] = {0, 1, 8, 0, 6, 4};
    memcpy(f.at + AT_IP, kind, sizeof kind);
    frame_put_u16(&f, AT_IP + 6, operation);
    memcpy(f.at + AT_IP + 8, sender_mac, 6);
    memcpy(f.at + AT_IP + 14, from.bytes + 12, 4);
    memcpy(f.at + AT_IP + 24, asked.bytes + 12, 4);
    f.size += 28;
    return f;
}

struct frame frame_nd(uint8_t type, const char *from, const char *to, const char *target,
                      const uint8_t *mac, uint8_t flags)
{
    struct addr dst = address(to), asked = address(target);
    uint8_t body[28] = {flags};
    memcpy(body + 4, asked.bytes, 16);
    body[20] = type == 135 ? 1 : 2;
    body[21] = 1;
    if (mac)
        memcpy(body + 22, mac, 6);
    struct frame f = frame_icmp(LEG_OUTSIDE, from, to, type, 0, body, mac ? 28 : 20);
    f.at[AT_IP + 7] = 255;
    if (dst.bytes[0] == 0xff) {
        f.at[0] = f.at[1] = 0x33;
        memcpy(f.at + 2, dst.bytes + 12, 4);
    }
    return f;
}

void frame_tag(struct frame *f, uint16_t vlan)
{
    memmove(f->at + 16, f->at + 12, f->size - 12);
    frame_put_u16(f, 12, 0x8100);
    frame_put_u16(f, 14, vlan);
    f->size += 4;
}

static uint16_t l4_sum(const struct frame *f)
{
    static uint8_t copy[FRAME_MAX]; // rte_ip.h wants the checksum field cleared
    size_t l4 = l4_of(f);
    memcpy(copy, f->at, f->size);
    size_t at = l4 + (protocol_of(f) == 6 ? 16 : 2);
    copy[at] = copy[at + 1] = 0;
    if (protocol_of(f) == 1)
        return (uint16_t)~rte_raw_cksum(copy + l4, f->size - l4);
    return is_v4(f) ? rte_ipv4_udptcp_cksum((const void *)(copy + AT_IP), copy + l4)
                    : rte_ipv6_udptcp_cksum((const void *)(copy + AT_IP), copy + l4);
}

void frame_fix(struct frame *f)
{
    size_t l4 = l4_of(f);
    uint16_t sum;
    if (is_v4(f)) {
        frame_put_u16(f, AT_IP + 2, (uint16_t)(f->size - AT_IP));
        frame_put_u16(f, AT_IP + 10, 0);
        sum = (uint16_t)~rte_raw_cksum(f->at + AT_IP, 20);
        memcpy(f->at + AT_IP + 10, &sum, 2);
    } else {
        frame_put_u16(f, AT_IP + 4, (uint16_t)(f->size - l4));
    }
    sum = l4_sum(f);
    memcpy(f->at + l4 + (protocol_of(f) == 6 ? 16 : 2), &sum, 2);
}

bool frame_sums_are_right(const struct frame *f)
{
    uint16_t sum = l4_sum(f);
    size_t l4 = l4_of(f);
    bool ip = !is_v4(f) || rte_raw_cksum(f->at + AT_IP, 20) == 0xffff;
    return ip && memcmp(&sum, f->at + l4 + (protocol_of(f) == 6 ? 16 : 2), 2) == 0;
}

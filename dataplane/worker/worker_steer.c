// SPDX-License-Identifier: BSD-3-Clause
/* Which worker a frame belongs to, where the port itself could not tell: a source's packets all go
 * to one worker (keyed hash of the IPv4 address or the IPv6 /64), a backend's packets to the worker
 * that chose the local port (tcp.h: ports are ≡ worker modulo workers). ARP and ND go to all. */
#include "worker/worker_internal.h"

#include <rte_ring.h>

enum {
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,
    TYPE_VLAN = 0x8100,
    IPPROTO_TCP_NUMBER = 6,
    LEG_BIT = 1, // of the pointer in the ring: mbufs are aligned
};

static unsigned by_source(const struct worker *w, struct span source)
{
    uint64_t hash = siphash(&w->config.guard_key, source.at, source.size);
    return (unsigned)(hash % w->config.boot->workers);
}

static bool is_inside_address(const struct worker *w, const struct addr *dst)
{
    const struct policy_interface *inside = &w->config.boot->legs[LEG_INSIDE];
    return addr_equal(dst, &inside->addr[addr_is_v4(dst) ? FAMILY_V4 : FAMILY_V6]);
}

// The worker of an IP packet; `self` for what is too short to tell.
static unsigned owner(const struct worker *w, struct span frame_bytes, unsigned self)
{
    struct reader r = reader_of(frame_bytes);
    reader_bytes(&r, 12);
    uint16_t type = reader_u16(&r);
    if (type == TYPE_VLAN) {
        reader_u16(&r);
        type = reader_u16(&r);
    }
    struct span ip = r.left;
    bool v4 = type == TYPE_IPV4 && ip.size >= 20;
    bool v6 = type == TYPE_IPV6 && ip.size >= 40;
    if (r.short_read || (!v4 && !v6))
        return self;

    struct addr dst = v4 ? addr_from_v4(ip.at + 16) : addr_from_v6(ip.at + 24);
    if (!is_inside_address(w, &dst))
        return v4 ? by_source(w, span_of(ip.at + 12, 4)) : by_source(w, span_of(ip.at + 8, 8));
    uint8_t protocol = v4 ? ip.at[9] : ip.at[6];
    struct reader ports = reader_of(span_skip(ip, v4 ? (ip.at[0] & 15u) * 4u : 40u));
    reader_u16(&ports);
    uint16_t local_port = reader_u16(&ports);
    if (protocol != IPPROTO_TCP_NUMBER || ports.short_read)
        return self;
    return local_port % w->config.boot->workers;
}

static void hand_over(struct worker *w, struct rte_mbuf *m, unsigned to, enum leg leg)
{
    void *tagged = (void *)((uintptr_t)m | (leg == LEG_INSIDE ? LEG_BIT : 0));
    if (rte_ring_sp_enqueue(w->config.steer_out[to], tagged) < 0) {
        counter_refuse(w->counters, REASON_STEER_RING_FULL);
        rte_pktmbuf_free(m);
    }
}

static void share(struct worker *w, struct rte_mbuf *m, enum leg leg)
{
    for (unsigned to = 0; to < w->config.boot->workers; to++) {
        if (to == w->config.index)
            continue;
        struct rte_mbuf *copy = rte_pktmbuf_copy(m, w->config.mbufs, 0, UINT32_MAX);
        if (copy)
            hand_over(w, copy, to, leg);
        else
            counter_refuse(w->counters, REASON_NO_MBUF);
    }
}

bool worker_steer(struct worker *w, struct rte_mbuf *m, enum leg leg)
{
    unsigned self = w->config.index;
    if (net_is_neighbor_frame(m)) {
        share(w, m, leg);
        return false;
    }
    struct span bytes = span_of(rte_pktmbuf_mtod(m, const void *), rte_pktmbuf_data_len(m));
    unsigned to = owner(w, bytes, self);
    if (to == self)
        return false;
    hand_over(w, m, to, leg);
    return true;
}

unsigned worker_steered(struct worker *w, struct rte_mbuf **frames, uint8_t *legs, unsigned most)
{
    unsigned count = 0;
    for (unsigned from = 0; from < w->config.boot->workers && count < most; from++) {
        void *tagged;
        while (from != w->config.index && count < most &&
               rte_ring_sc_dequeue(w->config.steer_in[from], &tagged) == 0) {
            legs[count] = (uintptr_t)tagged & LEG_BIT ? LEG_INSIDE : LEG_OUTSIDE;
            frames[count++] = (struct rte_mbuf *)((uintptr_t)tagged & ~(uintptr_t)LEG_BIT);
        }
    }
    return count;
}

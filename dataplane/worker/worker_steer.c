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

static void *tag(struct rte_mbuf *m, enum leg leg)
{
    return (void *)((uintptr_t)m | (leg == LEG_INSIDE ? LEG_BIT : 0));
}

static void hand_over(struct worker *w, void **tagged, unsigned count, unsigned to)
{
    unsigned taken = rte_ring_sp_enqueue_burst(w->config.steer_out[to], tagged, count, NULL);
    for (unsigned i = taken; i < count; i++) {
        counter_refuse(w->counters, REASON_STEER_RING_FULL);
        rte_pktmbuf_free((struct rte_mbuf *)((uintptr_t)tagged[i] & ~(uintptr_t)LEG_BIT));
    }
}

static void share(struct worker *w, struct rte_mbuf *m, enum leg leg)
{
    for (unsigned to = 0; to < w->config.boot->workers; to++) {
        if (to == w->config.index)
            continue;
        struct rte_mbuf *copy = rte_pktmbuf_copy(m, w->config.mbufs, 0, UINT32_MAX);
        if (copy)
            hand_over(w, (void *[]){tag(copy, leg)}, 1, to);
        else
            counter_refuse(w->counters, REASON_NO_MBUF);
    }
}

/* `source` is the IPv4 address or the first 64 bits of the IPv6 address. Two rounds of a keyed
 * multiplication: nothing but a balance hangs on it, so SipHash would be wasted. */
static unsigned by_source(const struct worker *w, uint64_t source)
{
    const struct siphash_key *key = &w->config.steer_key;
    uint64_t hash = (source ^ key->word[0]) * (key->word[1] | 1);
    hash = (hash ^ hash >> 32) * (key->word[1] | 1);
    return (unsigned)((hash >> 32) * w->config.boot->workers >> 32);
}

static unsigned by_local_port(const struct worker *w, struct span l4, uint8_t protocol)
{
    struct reader ports = reader_of(l4);
    reader_u16(&ports);
    uint16_t local_port = reader_u16(&ports);
    if (protocol != IPPROTO_TCP_NUMBER || ports.short_read)
        return w->config.index;
    return local_port % w->config.boot->workers;
}

static unsigned owner_v4(const struct worker *w, struct span ip, bool spread)
{
    const struct addr *inside = &w->config.boot->legs[LEG_INSIDE].addr[FAMILY_V4];
    uint32_t from;
    memcpy(&from, ip.at + 12, sizeof from);
    if (memcmp(ip.at + 16, inside->bytes + 12, 4) == 0)
        return by_local_port(w, span_skip(ip, (ip.at[0] & 15u) * 4u), ip.at[9]);
    return spread ? w->config.index : by_source(w, from);
}

static unsigned owner_v6(const struct worker *w, struct span ip, bool spread)
{
    const struct addr *inside = &w->config.boot->legs[LEG_INSIDE].addr[FAMILY_V6];
    uint64_t from;
    memcpy(&from, ip.at + 8, sizeof from);
    if (memcmp(ip.at + 24, inside->bytes, 16) == 0)
        return by_local_port(w, span_skip(ip, 40), ip.at[6]);
    return spread ? w->config.index : by_source(w, from);
}

// The worker of a frame; this one for what is too short to tell. What all should see, all get.
static unsigned owner(struct worker *w, struct rte_mbuf *m, enum leg leg)
{
    const struct port *port = w->config.ports[leg];
    struct reader r =
        reader_of(span_of(rte_pktmbuf_mtod(m, const void *), rte_pktmbuf_data_len(m)));
    reader_bytes(&r, 12);
    uint16_t type = reader_u16(&r);
    if (type == TYPE_VLAN) {
        reader_u16(&r);
        type = reader_u16(&r);
    }
    if (type == TYPE_IPV4 && r.left.size >= 20)
        return owner_v4(w, r.left, port->spreads[FAMILY_V4]);
    if (net_is_neighbor_frame(m))
        share(w, m, leg);
    else if (type == TYPE_IPV6 && r.left.size >= 40)
        return owner_v6(w, r.left, port->spreads[FAMILY_V6]);
    return w->config.index;
}

unsigned worker_steer(struct worker *w, struct rte_mbuf **frames, unsigned count, enum leg leg)
{
    unsigned self = w->config.index, ours = 0;
    uint8_t owners[BURST];
    void *tagged[BURST];
    CHECK(count <= BURST);
    for (unsigned i = 0; i < count; i++)
        rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
    for (unsigned i = 0; i < count; i++) {
        owners[i] = (uint8_t)owner(w, frames[i], leg);
        tagged[i] = tag(frames[i], leg);
        if (owners[i] == self)
            frames[ours++] = frames[i];
    }
    if (ours == count)
        return ours;
    for (unsigned to = 0; to < w->config.boot->workers; to++) {
        void *theirs[BURST];
        unsigned n = 0;
        for (unsigned i = 0; i < count; i++) {
            theirs[n] = tagged[i];
            n += owners[i] == to && to != self;
        }
        if (n)
            hand_over(w, theirs, n, to);
    }
    return ours;
}

unsigned worker_steered(struct worker *w, struct rte_mbuf **frames, uint8_t *legs, unsigned most)
{
    unsigned count = 0;
    for (unsigned from = 0; from < w->config.boot->workers && count < most; from++)
        if (from != w->config.index)
            count += rte_ring_sc_dequeue_burst(w->config.steer_in[from], (void **)frames + count,
                                               most - count, NULL);
    for (unsigned i = 0; i < count; i++) {
        uintptr_t tagged = (uintptr_t)frames[i];
        legs[i] = tagged & LEG_BIT ? LEG_INSIDE : LEG_OUTSIDE;
        frames[i] = (struct rte_mbuf *)(tagged & ~(uintptr_t)LEG_BIT);
    }
    return count;
}

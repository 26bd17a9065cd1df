// SPDX-License-Identifier: BSD-3-Clause
#include "support/link_sim.h"

#include "base/check.h"

#include <rte_mbuf.h>
#include <string.h>

void link_sim_init(struct link_sim *link, const struct link_sim_config *config, uint64_t seed)
{
    memset(link, 0, sizeof *link);
    link->config = *config;
    rng_seed(&link->rng, seed);
}

void link_sim_done(struct link_sim *link)
{
    for (unsigned i = 0; i < link->count; i++)
        rte_pktmbuf_free(link->heap[i].m);
    link->count = 0;
}

static bool before(const struct link_sim_entry *a, const struct link_sim_entry *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

static void swap(struct link_sim_entry *a, struct link_sim_entry *b)
{
    struct link_sim_entry c = *a;
    *a = *b;
    *b = c;
}

static void push(struct link_sim *link, struct rte_mbuf *m, uint64_t at_us)
{
    if (link->count == LINK_SIM_PACKETS) {
        rte_pktmbuf_free(m);
        link->lost++;
        return;
    }
    unsigned i = link->count++;
    link->heap[i] = (struct link_sim_entry){at_us, link->order++, m};
    for (; i && before(&link->heap[i], &link->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&link->heap[i], &link->heap[(i - 1) / 2]);
}

static bool chance(struct link_sim *link, uint32_t in_10000)
{
    return in_10000 && rng_below(&link->rng, 10000) < in_10000;
}

static void corrupt(struct rte_mbuf *m, uint64_t where)
{
    *rte_pktmbuf_mtod_offset(m, uint8_t *, where / 8 % m->data_len) ^= (uint8_t)(1 << where % 8);
}

struct fate {
    bool lost, late, twice, damaged;
    uint64_t jitter_us, twice_us, where;
};

// All dice of a packet, whatever comes of it.
static struct fate roll(struct link_sim *link)
{
    const struct link_sim_config *c = &link->config;
    struct fate fate = {.lost = chance(link, c->loss),
                        .jitter_us = c->jitter_us ? rng_below(&link->rng, c->jitter_us) : 0,
                        .late = chance(link, c->reorder),
                        .twice = chance(link, c->duplicate),
                        .damaged = chance(link, c->corrupt)};
    fate.twice_us = c->duplicate ? rng_below(&link->rng, c->delay_us + 1) : 0;
    fate.where = c->corrupt ? rng_next(&link->rng) : 0;
    return fate;
}

uint32_t link_sim_mtu(const struct link_sim *link, uint64_t now_us)
{
    const struct link_sim_config *c = &link->config;
    return c->mtu_later && now_us >= c->mtu_later_us ? c->mtu_later : c->mtu;
}

bool link_sim_send(struct link_sim *link, struct rte_mbuf *m, uint64_t now_us)
{
    const struct link_sim_config *c = &link->config;
    struct fate fate = roll(link);
    link->sent++;
    bool cut = now_us >= c->cut_from_us && now_us < c->cut_until_us;
    uint32_t mtu = link_sim_mtu(link, now_us);
    bool big = mtu && m->pkt_len > mtu;
    uint64_t start_us = now_us;
    if (c->rate_bps && !big) {
        uint64_t wait_us = link->free_us > now_us ? link->free_us - now_us : 0;
        bool full = wait_us * c->rate_bps / 8000000 > c->queue_bytes;
        if (!full) {
            link->free_us = now_us + wait_us + m->pkt_len * UINT64_C(8000000) / c->rate_bps;
            start_us = link->free_us;
        }
        cut |= full;
    }
    if (cut || big || fate.lost) {
        link->lost++;
        link->too_big += big;
        rte_pktmbuf_free(m);
        return !big;
    }
    uint64_t at_us = start_us + c->delay_us + fate.jitter_us;
    if (fate.late) {
        at_us += c->reorder_us;
    } else {
        at_us = at_us > link->last_us ? at_us : link->last_us;
        link->last_us = at_us;
    }
    if (fate.twice) {
        struct rte_mbuf *copy = rte_pktmbuf_copy(m, m->pool, 0, UINT32_MAX);
        CHECK(copy != NULL);
        push(link, copy, at_us + fate.twice_us);
    }
    if (fate.damaged)
        corrupt(m, fate.where);
    push(link, m, at_us);
    return true;
}

struct rte_mbuf *link_sim_take(struct link_sim *link, uint64_t now_us)
{
    if (link->count == 0 || link->heap[0].at_us > now_us)
        return NULL;
    struct rte_mbuf *m = link->heap[0].m;
    link->heap[0] = link->heap[--link->count];
    for (unsigned i = 0;;) {
        unsigned least = i;
        for (unsigned child = 2 * i + 1; child <= 2 * i + 2; child++)
            if (child < link->count && before(&link->heap[child], &link->heap[least]))
                least = child;
        if (least == i)
            return m;
        swap(&link->heap[i], &link->heap[least]);
        i = least;
    }
}

uint64_t link_sim_next_us(const struct link_sim *link)
{
    return link->count ? link->heap[0].at_us : UINT64_MAX;
}

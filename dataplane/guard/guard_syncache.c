// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_syncache.h"

#include "guard/guard_memory.h"

#include <errno.h>

enum { WAYS = 4, STALE_MOST = 1024 };

static const uint64_t delay_us[GUARD_SYNCACHE_TRIES] = {1000000, 2000000}; // each after the last

int guard_syncache_init(struct guard_syncache *cache, int numa_node, const struct siphash_key *key)
{
    *cache = (struct guard_syncache){.key = *key};
    cache->flows = guard_memory_take(GUARD_SYNCACHE_FLOWS * sizeof *cache->flows, numa_node);
    bool whole = cache->flows != NULL;
    for (int i = 0; i < GUARD_SYNCACHE_TRIES; i++) {
        struct guard_syncache_queue *queue = &cache->queues[i];
        queue->dues = guard_memory_take(GUARD_SYNCACHE_FLOWS * sizeof *queue->dues, numa_node);
        whole = whole && queue->dues;
    }
    if (whole)
        return 0;
    guard_syncache_done(cache);
    return -ENOMEM;
}

void guard_syncache_done(struct guard_syncache *cache)
{
    guard_memory_give(cache->flows, GUARD_SYNCACHE_FLOWS * sizeof *cache->flows);
    for (int i = 0; i < GUARD_SYNCACHE_TRIES; i++)
        guard_memory_give(cache->queues[i].dues,
                          GUARD_SYNCACHE_FLOWS * sizeof *cache->queues[i].dues);
    memset(cache, 0, sizeof *cache);
}

static struct guard_syncache_flow *bucket_of(const struct guard_syncache *cache,
                                             const struct packet *packet)
{
    struct {
        struct addr src, dst;
        uint16_t src_port, dst_port;
    } flow = {packet->src, packet->dst, packet->src_port, packet->dst_port};
    static_assert(sizeof flow == 36, "hashed as bytes: no padding");
    return &cache->flows[siphash(&cache->key, &flow, sizeof flow) % (GUARD_SYNCACHE_FLOWS / WAYS) *
                         WAYS];
}

static bool is_of(const struct guard_syncache_flow *flow, const struct packet *packet)
{
    return flow->src_port == packet->src_port && flow->dst_port == packet->dst_port &&
           addr_equal(&flow->src, &packet->src) && addr_equal(&flow->dst, &packet->dst);
}

// The flow's slot, or a free one, or NULL.
static struct guard_syncache_flow *place_of(const struct guard_syncache *cache,
                                            const struct packet *packet)
{
    struct guard_syncache_flow *bucket = bucket_of(cache, packet), *spare = NULL;
    for (int i = 0; i < WAYS; i++) {
        if (bucket[i].src_port == 0)
            spare = &bucket[i];
        else if (is_of(&bucket[i], packet))
            return &bucket[i];
    }
    return spare;
}

static bool enqueue(struct guard_syncache *cache, int try, const struct guard_syncache_flow *flow,
                    uint64_t now_us)
{
    struct guard_syncache_queue *queue = &cache->queues[try];
    if (queue->count == GUARD_SYNCACHE_FLOWS)
        return false;
    queue->dues[(queue->head + queue->count++) % GUARD_SYNCACHE_FLOWS] =
        (struct guard_syncache_due){now_us + delay_us[try], (uint32_t)(flow - cache->flows),
                                    flow->generation};
    return true;
}

static void release(struct guard_syncache *cache, struct guard_syncache_flow *flow)
{
    CHECK(flow->src_port != 0 && cache->count > 0);
    flow->src_port = 0;
    flow->generation++; // its queue entry finds nobody
    cache->count--;
}

void guard_syncache_note(struct guard_syncache *cache, const struct packet *syn,
                         const struct guard_cookie_answer *cookie, bool proven, uint64_t now_us)
{
    CHECK(syn->src_port != 0);
    struct guard_syncache_flow *flow = place_of(cache, syn);
    if (!flow)
        return;
    bool is_new = flow->src_port == 0;
    if (is_new && !proven && cache->count >= GUARD_SYNCACHE_FLOWS / 2)
        return;
    if (is_new && !enqueue(cache, 0, flow, now_us))
        return;
    cache->count += is_new;
    *flow = (struct guard_syncache_flow){
        .src = syn->src,
        .dst = syn->dst,
        .src_port = syn->src_port,
        .dst_port = syn->dst_port,
        .irs = syn->seq,
        .cookie = *cookie,
        .ts_echo = syn->options.ts_value,
        .generation = flow->generation,
        .leg = syn->leg,
        .window_scale = syn->options.has_window_scale,
        .sack = syn->options.sack_permitted,
        .stamps = syn->options.has_timestamps,
        .proven = proven,
    };
}

void guard_syncache_forget(struct guard_syncache *cache, const struct packet *segment)
{
    if (cache->count == 0)
        return;
    struct guard_syncache_flow *flow = place_of(cache, segment);
    if (flow && flow->src_port != 0 && segment->seq == flow->irs + 1)
        release(cache, flow);
}

void guard_syncache_clear(struct guard_syncache *cache)
{
    if (cache->count == 0) // then whatever is queued is stale
        return;
    memset(cache->flows, 0, GUARD_SYNCACHE_FLOWS * sizeof *cache->flows);
    for (int try = 0; try < GUARD_SYNCACHE_TRIES; try++)
        cache->queues[try].head = cache->queues[try].count = 0;
    cache->count = 0;
}

static bool dequeue(struct guard_syncache_queue *queue, uint64_t now_us,
                    struct guard_syncache_due *ret_due)
{
    if (queue->count == 0 || queue->dues[queue->head].at_us > now_us)
        return false;
    *ret_due = queue->dues[queue->head];
    queue->head = (queue->head + 1) % GUARD_SYNCACHE_FLOWS;
    queue->count--;
    return true;
}

static void describe(const struct guard_syncache_flow *flow, struct packet *ret_syn)
{
    *ret_syn = (struct packet){
        .src = flow->src,
        .dst = flow->dst,
        .src_port = flow->src_port,
        .dst_port = flow->dst_port,
        .leg = flow->leg,
        .tcp_flags = TCP_SYN,
        .seq = flow->irs,
        .options = {.ts_value = flow->ts_echo,
                    .has_window_scale = flow->window_scale,
                    .has_timestamps = flow->stamps,
                    .sack_permitted = flow->sack},
    };
}

bool guard_syncache_due(struct guard_syncache *cache, uint64_t now_us, struct packet *ret_syn,
                        struct guard_cookie_answer *ret_cookie, bool *ret_proven)
{
    for (int try = 0; try < GUARD_SYNCACHE_TRIES; try++) {
        struct guard_syncache_due due;
        for (int i = 0; i < STALE_MOST && dequeue(&cache->queues[try], now_us, &due); i++) {
            struct guard_syncache_flow *flow = &cache->flows[due.slot];
            if (flow->src_port == 0 || flow->generation != due.generation)
                continue;
            describe(flow, ret_syn);
            *ret_cookie = flow->cookie;
            *ret_proven = flow->proven;
            if (try + 1 == GUARD_SYNCACHE_TRIES || !enqueue(cache, try + 1, flow, now_us))
                release(cache, flow);
            return true;
        }
    }
    return false;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "net/neighbor.h"

#include "base/rng.h"
#include "net/arp.h"
#include "net/ether.h"
#include "net/nd.h"
#include "net/net_state.h"

static void neighbor_enter(struct net *net, struct neighbor *n, enum neighbor_state state,
                           uint64_t now_us);
static struct neighbor *find(struct net *net, uint8_t link, const struct addr *addr);
static struct neighbor *make(struct net *net, enum leg leg, const struct addr *addr,
                             uint64_t now_us);
static struct neighbor *make_room(struct neighbor *bucket, uint64_t now_us);
static void ask(struct net *net, struct neighbor *n, uint64_t now_us);
static void send_waiting(struct net *net, struct neighbor *n);
static void drop_waiting(struct net *net, struct neighbor *n);
static void become_due(struct net *net, struct neighbor *n, uint64_t now_us);

int neighbor_init(struct neighbor_table *table)
{
    *table = (struct neighbor_table){0};
    return rng_secret(&table->key, sizeof table->key);
}

void neighbor_done(struct net *net)
{
    for (uint32_t i = 0; i < NEIGHBORS_MAX; i++)
        drop_waiting(net, &net->neighbors.slots[i]);
}

static struct neighbor *bucket_of(struct neighbor_table *table, uint8_t link,
                                  const struct addr *addr)
{
    uint8_t key[sizeof addr->bytes + 1];
    memcpy(key, addr->bytes, sizeof addr->bytes);
    key[sizeof addr->bytes] = link;
    uint64_t hash = siphash(&table->key, key, sizeof key);
    return &table->slots[hash % NEIGHBOR_BUCKETS * NEIGHBOR_WAYS];
}

static struct neighbor *find(struct net *net, uint8_t link, const struct addr *addr)
{
    struct neighbor *bucket = bucket_of(&net->neighbors, link, addr);
    for (unsigned i = 0; i < NEIGHBOR_WAYS; i++)
        if (bucket[i].state != NEIGHBOR_FREE && bucket[i].link == link &&
            addr_equal(&bucket[i].addr, addr))
            return &bucket[i];
    return NULL;
}

struct neighbor *neighbor_want(struct net *net, enum leg leg, const struct addr *addr,
                               uint64_t now_us)
{
    struct neighbor *n = find(net, net->legs[leg].link, addr);
    if (n)
        return n;
    if (net->neighbors.asked >= NEIGHBORS_ASKED_MAX)
        return NULL;
    n = make(net, leg, addr, now_us);
    if (n)
        ask(net, n, now_us);
    return n;
}

// An entry that is due to be asked for.
static struct neighbor *make(struct net *net, enum leg leg, const struct addr *addr,
                             uint64_t now_us)
{
    uint8_t link = net->legs[leg].link;
    struct neighbor *n = make_room(bucket_of(&net->neighbors, link, addr), now_us);
    if (!n)
        return NULL;
    if (n->state != NEIGHBOR_FREE)
        neighbor_enter(net, n, NEIGHBOR_FREE, now_us);
    *n = (struct neighbor){.addr = *addr, .link = link, .leg = (uint8_t)leg, .used_us = now_us};
    neighbor_enter(net, n, NEIGHBOR_ASKED, now_us);
    return n;
}

// A free slot, else the longest unused of those that may be replaced; NULL: all are in use.
static struct neighbor *make_room(struct neighbor *bucket, uint64_t now_us)
{
    struct neighbor *victim = NULL;
    for (unsigned i = 0; i < NEIGHBOR_WAYS; i++) {
        struct neighbor *n = &bucket[i];
        if (n->state == NEIGHBOR_FREE)
            return n;
        uint64_t keep_us = n->state == NEIGHBOR_ASKED ? NEIGHBOR_ASK_US : NEIGHBOR_KEEP_US;
        if (n->pinned || n->used_us + keep_us > now_us)
            continue;
        if (!victim || n->used_us < victim->used_us)
            victim = n;
    }
    return victim;
}

void neighbor_unpin_all(struct net *net)
{
    struct neighbor_table *table = &net->neighbors;
    for (uint32_t i = 0; i < NEIGHBORS_MAX; i++) {
        struct neighbor *n = &table->slots[i];
        table->asked += n->pinned && n->state == NEIGHBOR_ASKED;
        n->pinned = false;
    }
}

struct neighbor *neighbor_pin(struct net *net, enum leg leg, const struct addr *addr)
{
    struct neighbor *n = find(net, net->legs[leg].link, addr);
    if (!n)
        n = make(net, leg, addr, UINT64_MAX / 2); // whatever is not pinned gives way
    if (!n || n->pinned)
        return n;
    net->neighbors.asked -= n->state == NEIGHBOR_ASKED;
    n->pinned = true;
    n->due_us = n->state == NEIGHBOR_ASKED ? 0 : n->due_us;
    n->used_us = 0;
    return n;
}

bool neighbor_use(struct net *net, struct neighbor *n, enum leg leg, uint64_t now_us)
{
    n->used_us = now_us;
    n->leg = (uint8_t)leg;
    switch ((enum neighbor_state)n->state) {
    case NEIGHBOR_STALE:
        neighbor_enter(net, n, NEIGHBOR_PROBED, now_us);
        ask(net, n, now_us);
        return true;
    case NEIGHBOR_KNOWN:
    case NEIGHBOR_PROBED:
        return true;
    case NEIGHBOR_ASKED:
        return false;
    case NEIGHBOR_FREE:
    case NEIGHBOR_STATE_COUNT:
    default:
        CHECK(!"a neighbour of no state");
    }
}

struct ether_header neighbor_header(const struct net *net, const struct neighbor *n)
{
    uint16_t type = addr_is_v4(&n->addr) ? ETHER_TYPE_IPV4 : ETHER_TYPE_IPV6;
    return ether_header_make(net, (enum leg)n->leg, n->mac, type);
}

enum reason neighbor_hear(struct net *net, enum leg leg, const struct addr *addr,
                          const uint8_t mac[6], bool answer, uint64_t now_us)
{
    struct neighbor *n = find(net, net->legs[leg].link, addr);
    if (!n)
        return REASON_NONE;
    if (n->state == NEIGHBOR_ASKED) {
        memcpy(n->mac, mac, sizeof n->mac);
        neighbor_enter(net, n, NEIGHBOR_KNOWN, now_us);
        send_waiting(net, n);
        return REASON_NONE;
    }
    if (memcmp(n->mac, mac, sizeof n->mac) == 0) {
        if (answer)
            neighbor_enter(net, n, NEIGHBOR_KNOWN, now_us);
        return REASON_NONE;
    }
    if (n->state != NEIGHBOR_PROBED) { // has it moved? the known one is asked first
        neighbor_enter(net, n, NEIGHBOR_PROBED, now_us);
        ask(net, n, now_us);
    }
    return REASON_NEIGHBOR_SPOOFED;
}

void neighbor_confirm(struct net *net, enum leg leg, const struct addr *addr, uint64_t now_us)
{
    struct neighbor *n = find(net, net->legs[leg].link, addr);
    if (n && n->state != NEIGHBOR_ASKED)
        neighbor_enter(net, n, NEIGHBOR_KNOWN, now_us);
}

void neighbor_advance(struct net *net, uint64_t now_us)
{
    struct neighbor_table *table = &net->neighbors;
    for (unsigned i = 0; i < NEIGHBOR_SWEEP; i++) {
        struct neighbor *n = &table->slots[table->sweep];
        table->sweep = (table->sweep + 1) % NEIGHBORS_MAX;
        if (n->state != NEIGHBOR_FREE && n->due_us <= now_us)
            become_due(net, n, now_us);
    }
}

static void become_due(struct net *net, struct neighbor *n, uint64_t now_us)
{
    switch ((enum neighbor_state)n->state) {
    case NEIGHBOR_KNOWN:
        neighbor_enter(net, n, NEIGHBOR_STALE, now_us);
        break;
    case NEIGHBOR_STALE:
        if (!n->pinned && n->used_us + NEIGHBOR_UNUSED_US <= now_us)
            neighbor_enter(net, n, NEIGHBOR_FREE, now_us);
        else
            n->due_us = now_us + NEIGHBOR_UNUSED_US / 8;
        break;
    case NEIGHBOR_PROBED:
        if (n->asks >= NEIGHBOR_ASKS)
            neighbor_enter(net, n, NEIGHBOR_ASKED, now_us);
        ask(net, n, now_us);
        break;
    case NEIGHBOR_ASKED:
        if (n->asks >= NEIGHBOR_ASKS) {
            drop_waiting(net, n);
            if (!n->pinned) {
                neighbor_enter(net, n, NEIGHBOR_FREE, now_us);
                break;
            }
        }
        ask(net, n, now_us);
        break;
    case NEIGHBOR_FREE:
    case NEIGHBOR_STATE_COUNT:
    default:
        CHECK(!"a neighbour of no state");
    }
}

static void neighbor_enter(struct net *net, struct neighbor *n, enum neighbor_state state,
                           uint64_t now_us)
{
    static const uint32_t next[] = {
#define NEIGHBOR_STATE(name, usable, next) next,
#include "net/neighbor_state.def"
#undef NEIGHBOR_STATE
    };
    CHECK(n->state < NEIGHBOR_STATE_COUNT && next[n->state] & 1u << state);
    struct neighbor_table *table = &net->neighbors;
    table->asked -= n->state == NEIGHBOR_ASKED && !n->pinned;
    table->asked += state == NEIGHBOR_ASKED && !n->pinned;
    n->state = (uint8_t)state;
    n->asks = 0;
    if (state == NEIGHBOR_FREE)
        drop_waiting(net, n);
    n->due_us = now_us;
    if (state == NEIGHBOR_KNOWN)
        n->due_us = now_us + NEIGHBOR_REACHABLE_US;
    if (state == NEIGHBOR_STALE)
        n->due_us = now_us + NEIGHBOR_UNUSED_US / 8;
}

// One question; over the pace it stays due and neighbor_advance tries again.
static void ask(struct net *net, struct neighbor *n, uint64_t now_us)
{
    n->due_us = now_us;
    if (!n->pinned &&
        !pace_allows(&net->neighbors.ask_pace, NEIGHBOR_PACE_US, NEIGHBOR_PACE_BURST, now_us))
        return;
    if (n->asks < NEIGHBOR_ASKS)
        n->asks++;
    n->due_us = now_us + NEIGHBOR_ASK_US;
    const uint8_t *to = n->state == NEIGHBOR_PROBED ? n->mac : NULL;
    if (addr_is_v4(&n->addr))
        arp_ask(net, (enum leg)n->leg, &n->addr, to);
    else
        nd_ask(net, (enum leg)n->leg, &n->addr, to);
}

// RFC 4861, section 7.2.2: when the queue overflows, the new one replaces the oldest.
void neighbor_wait(struct net *net, struct neighbor *n, struct rte_mbuf *m)
{
    if (n->waiting_count == NEIGHBOR_WAITING) {
        net_drop(net, n->waiting[0], REASON_NEIGHBOR_UNKNOWN);
        memmove(n->waiting, n->waiting + 1, (NEIGHBOR_WAITING - 1) * sizeof n->waiting[0]);
        n->waiting[NEIGHBOR_WAITING - 1] = m;
        return;
    }
    if (net->neighbors.waiting >= NEIGHBOR_WAITING_ALL) {
        net_drop(net, m, REASON_NEIGHBOR_UNKNOWN);
        return;
    }
    n->waiting[n->waiting_count++] = m;
    net->neighbors.waiting++;
}

static void send_waiting(struct net *net, struct neighbor *n)
{
    struct ether_header header = neighbor_header(net, n);
    unsigned sent = 0;
    for (unsigned i = 0; i < n->waiting_count; i++)
        if (ether_prepend(net, &header, n->waiting[i]))
            n->waiting[sent++] = n->waiting[i];
    net->neighbors.waiting -= n->waiting_count;
    n->waiting_count = 0;
    if (sent > 0)
        net->config.transmit(net->config.context, n->waiting, sent, (enum leg)n->leg);
}

static void drop_waiting(struct net *net, struct neighbor *n)
{
    net->neighbors.waiting -= n->waiting_count;
    for (unsigned i = 0; i < n->waiting_count; i++)
        net_drop(net, n->waiting[i], REASON_NEIGHBOR_UNKNOWN);
    n->waiting_count = 0;
}

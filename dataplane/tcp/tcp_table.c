// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_table.h"

#include "base/memory.h"
#include "tcp/tcp_timewait.h"

#include <errno.h>
#include <tmmintrin.h>

enum { ENTRIES = 12, ENTRIES_MEAN = 8 };

struct tcp_bucket {
    _Alignas(64) uint8_t tags[ENTRIES]; // 0: free
    uint32_t passed;        // entries on whose way from their own bucket this one was full
    uint32_t refs[ENTRIES]; // 0 where free
};
static_assert(sizeof(struct tcp_bucket) == 64, "a cache line");

int tcp_table_init(struct tcp *tcp, uint32_t entries)
{
    tcp->buckets_count = entries / ENTRIES_MEAN + 2;
    tcp->buckets = memory_take(tcp->buckets_count * sizeof *tcp->buckets, tcp->config.numa_node);
    for (uint32_t i = 0; i < TCP_TABLE_KEYS; i++)
        tcp->table_keys[i] = siphash(&tcp->config.key, &i, sizeof i);
    return tcp->buckets ? 0 : -ENOMEM;
}

void tcp_table_done(struct tcp *tcp)
{
    memory_give(tcp->buckets, tcp->buckets_count * sizeof *tcp->buckets);
}

// The address's last four bytes, and its others.
static inline uint32_t low_word(const struct addr *a)
{
    uint32_t word;
    memcpy(&word, a->bytes + 12, sizeof word);
    return word;
}

static inline uint64_t high_pairs(const uint64_t keys[4], const struct addr *a)
{
    uint32_t word[3];
    memcpy(word, a->bytes, sizeof word);
    return (keys[0] + word[1]) * (keys[1] + word[0]) + keys[2] * (keys[3] + word[2]);
}

static inline uint32_t hash_of(const struct tcp *tcp, const struct addr *local, uint16_t local_port,
                               const struct addr *remote, uint16_t remote_port)
{
    const uint64_t *keys = tcp->table_keys;
    uint32_t ports = (uint32_t)local_port << 16 | remote_port;
    uint64_t sum =
        (keys[0] + low_word(remote)) * (keys[1] + ports) + keys[2] * (keys[3] + low_word(local));
    if (!addr_is_v4(remote))
        sum += high_pairs(keys + 4, remote) + high_pairs(keys + 8, local);
    return (uint32_t)(sum >> 32);
}

// The upper bits choose the bucket, the lowest the tag, which is never 0.
static inline struct tcp_look look_of(const struct tcp *tcp, uint32_t hash)
{
    return (struct tcp_look){&tcp->buckets[(uint64_t)hash * tcp->buckets_count >> 32],
                             (uint8_t)((hash & 0xff) | !(hash & 0xff))};
}
static inline struct tcp_bucket *bucket_after(const struct tcp *tcp, struct tcp_bucket *b)
{
    return ++b == tcp->buckets + tcp->buckets_count ? tcp->buckets : b;
}

// A bit for each entry with that tag.
static inline unsigned tagged(const struct tcp_bucket *b, uint8_t tag)
{
    __m128i tags = _mm_load_si128((const __m128i *)(const void *)b->tags);
    unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag)));
    return same & ((1 << ENTRIES) - 1);
}

struct tuple {
    const struct addr *local, *remote;
    uint16_t local_port, remote_port;
};

static inline struct tuple tuple_of(const struct tcp *tcp, uint32_t ref)
{
    if (ref & TCP_TABLE_WAIT) {
        const struct tcp_timewait *w = &tcp->waits[(ref & ~(uint32_t)TCP_TABLE_WAIT) - 1];
        return (struct tuple){&tcp->locals[w->local], &w->remote, w->local_port, w->remote_port};
    }
    const struct tcp_conn *c = tcp_conn_at(tcp, ref - 1);
    return (struct tuple){&tcp->locals[c->local], &c->remote, c->local_port, c->remote_port};
}

static inline uint32_t find(const struct tcp *tcp, const struct tcp_look *look,
                            const struct tuple *tuple)
{
    struct tcp_bucket *b = look->bucket;
    for (uint32_t i = 0; i < tcp->buckets_count; i++, b = bucket_after(tcp, b)) {
        for (unsigned found = tagged(b, look->tag); found; found &= found - 1) {
            uint32_t ref = b->refs[__builtin_ctz(found)];
            struct tuple t = tuple_of(tcp, ref);
            if (t.remote_port == tuple->remote_port && t.local_port == tuple->local_port &&
                addr_equal(t.remote, tuple->remote) && addr_equal(t.local, tuple->local))
                return ref;
        }
        if (!b->passed)
            break;
    }
    return 0;
}

uint32_t tcp_table_find(const struct tcp *tcp, const struct addr *local, uint16_t local_port,
                        const struct addr *remote, uint16_t remote_port)
{
    struct tcp_look look = look_of(tcp, hash_of(tcp, local, local_port, remote, remote_port));
    return find(tcp, &look, &(struct tuple){local, remote, local_port, remote_port});
}

uint32_t tcp_table_find_at(const struct tcp *tcp, const struct tcp_look *look,
                           const struct packet *p)
{
    return find(tcp, look, &(struct tuple){&p->dst, &p->src, p->dst_port, p->src_port});
}

static void prefetch_object(const struct tcp *tcp, uint32_t ref)
{
    if (ref & TCP_TABLE_WAIT) {
        __builtin_prefetch(&tcp->waits[(ref & ~(uint32_t)TCP_TABLE_WAIT) - 1]);
        return;
    }
    const uint8_t *c = (const uint8_t *)tcp_conn_at(tcp, ref - 1);
    for (size_t at = 0; at < sizeof(struct tcp_conn); at += 64)
        __builtin_prefetch(c + at);
}

// What the connection names: its place on the wheel, and the queue's head with the mbuf in front of
// it, which is freed when that is acknowledged.
static void prefetch_named(const struct tcp *tcp, uint32_t ref)
{
    if (ref & TCP_TABLE_WAIT)
        return;
    const struct tcp_conn *c = tcp_conn_at(tcp, ref - 1);
    timer_prefetch(&tcp->wheel, &c->timer);
    const uint8_t *head = (const uint8_t *)c->send_head;
    if (!head)
        return;
    __builtin_prefetch(head);
    for (size_t at = 64; at <= sizeof(struct rte_mbuf); at += 64)
        __builtin_prefetch(head - at);
}

void tcp_table_look(const struct tcp *tcp, const struct packet *packets, const uint8_t *which,
                    unsigned count, struct tcp_look *ret_looks)
{
    uint32_t refs[TCP_BURST]; // most likely ones
    CHECK(count <= TCP_BURST);
    for (unsigned i = 0; i < count; i++) {
        const struct packet *p = &packets[which[i]];
        struct tcp_look look =
            look_of(tcp, hash_of(tcp, &p->dst, p->dst_port, &p->src, p->src_port));
        __builtin_prefetch(look.bucket);
        ret_looks[which[i]] = look;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct tcp_bucket *b = ret_looks[which[i]].bucket;
        unsigned found = tagged(b, ret_looks[which[i]].tag);
        refs[i] = found ? b->refs[__builtin_ctz(found)] : 0;
        if (found)
            prefetch_object(tcp, refs[i]);
    }
    for (unsigned i = 0; i < count; i++)
        if (refs[i])
            prefetch_named(tcp, refs[i]);
}

static struct tcp_look look_of_ref(const struct tcp *tcp, uint32_t ref)
{
    struct tuple t = tuple_of(tcp, ref);
    return look_of(tcp, hash_of(tcp, t.local, t.local_port, t.remote, t.remote_port));
}

void tcp_table_insert(struct tcp *tcp, uint32_t ref)
{
    struct tcp_look look = look_of_ref(tcp, ref);
    struct tcp_bucket *b = look.bucket;
    unsigned room;
    while (!(room = tagged(b, 0))) {
        b->passed++;
        b = bucket_after(tcp, b);
    }
    b->tags[__builtin_ctz(room)] = look.tag;
    b->refs[__builtin_ctz(room)] = ref;
    if (!(ref & TCP_TABLE_WAIT))
        tcp_conn_at(tcp, ref - 1)->flags |= TCP_CONN_TABLED;
}

// ENTRIES: it is not there.
static unsigned place_of(const struct tcp_bucket *b, uint32_t ref)
{
    unsigned place = 0;
    while (place < ENTRIES && b->refs[place] != ref)
        place++;
    return place;
}

void tcp_table_remove(struct tcp *tcp, uint32_t ref)
{
    struct tcp_bucket *b = look_of_ref(tcp, ref).bucket;
    unsigned place;
    while ((place = place_of(b, ref)) == ENTRIES) {
        CHECK(b->passed != 0);
        b->passed--;
        b = bucket_after(tcp, b);
    }
    b->tags[place] = 0;
    b->refs[place] = 0;
    if (!(ref & TCP_TABLE_WAIT))
        tcp_conn_at(tcp, ref - 1)->flags &= ~(uint32_t)TCP_CONN_TABLED;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_table.h"

#include "base/memory.h"
#include "tcp/tcp_timewait.h"

#include <emmintrin.h>
#include <errno.h>

enum { ENTRIES = 15, ENTRIES_MEAN = 10, TAG_SHIFT = 24, ENTRY_WAIT = 1 << 23 };

struct tcp_bucket {
    uint32_t passed;           // entries on whose way from their own bucket this one was full
    uint32_t entries[ENTRIES]; // tag << TAG_SHIFT | ENTRY_WAIT | index or slot; 0: free
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
static inline struct tcp_bucket *bucket_of(const struct tcp *tcp, uint32_t hash)
{
    return &tcp->buckets[(uint64_t)hash * tcp->buckets_count >> 32];
}
static inline struct tcp_bucket *bucket_after(const struct tcp *tcp, struct tcp_bucket *b)
{
    return ++b == tcp->buckets + tcp->buckets_count ? tcp->buckets : b;
}
static inline uint32_t tag_of(uint32_t hash)
{
    return (hash & 0xff) | !(hash & 0xff);
}

// A bit for each entry that is `word` in the bits of `mask`.
static inline unsigned matches(const struct tcp_bucket *b, uint32_t word, uint32_t mask)
{
    const __m128i *at = (const __m128i *)(const void *)b;
    __m128i want = _mm_set1_epi32((int)word), bits = _mm_set1_epi32((int)mask);
    __m128i same[4];
    for (int i = 0; i < 4; i++)
        same[i] = _mm_cmpeq_epi32(_mm_and_si128(_mm_load_si128(at + i), bits), want);
    __m128i all =
        _mm_packs_epi16(_mm_packs_epi32(same[0], same[1]), _mm_packs_epi32(same[2], same[3]));
    return (unsigned)_mm_movemask_epi8(all) >> 1; // without `passed`
}
static inline unsigned tagged(const struct tcp_bucket *b, uint32_t tag)
{
    return matches(b, tag << TAG_SHIFT, UINT32_MAX << TAG_SHIFT);
}

static inline uint32_t ref_of(uint32_t entry)
{
    return (entry & ENTRY_WAIT ? TCP_TABLE_WAIT : 0) | ((entry & (ENTRY_WAIT - 1)) + 1);
}
static inline uint32_t entry_of(uint32_t ref, uint32_t hash)
{
    uint32_t number = (ref & ~(uint32_t)TCP_TABLE_WAIT) - 1;
    return tag_of(hash) << TAG_SHIFT | (ref & TCP_TABLE_WAIT ? ENTRY_WAIT : 0) | number;
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

uint32_t tcp_table_find(const struct tcp *tcp, const struct addr *local, uint16_t local_port,
                        const struct addr *remote, uint16_t remote_port)
{
    uint32_t hash = hash_of(tcp, local, local_port, remote, remote_port);
    struct tcp_bucket *b = bucket_of(tcp, hash);
    for (uint32_t i = 0; i < tcp->buckets_count; i++, b = bucket_after(tcp, b)) {
        for (unsigned found = tagged(b, tag_of(hash)); found; found &= found - 1) {
            uint32_t ref = ref_of(b->entries[__builtin_ctz(found)]);
            struct tuple t = tuple_of(tcp, ref);
            if (t.remote_port == remote_port && t.local_port == local_port &&
                addr_equal(t.remote, remote) && addr_equal(t.local, local))
                return ref;
        }
        if (!b->passed)
            break;
    }
    return 0;
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

void tcp_table_prefetch(const struct tcp *tcp, const struct packet *packets, unsigned count)
{
    uint32_t hashes[TCP_BURST];
    uint32_t refs[TCP_BURST]; // most likely ones
    CHECK(count <= TCP_BURST);
    for (unsigned i = 0; i < count; i++) {
        const struct packet *p = &packets[i];
        hashes[i] = hash_of(tcp, &p->dst, p->dst_port, &p->src, p->src_port);
        __builtin_prefetch(bucket_of(tcp, hashes[i]));
    }
    for (unsigned i = 0; i < count; i++) {
        const struct tcp_bucket *b = bucket_of(tcp, hashes[i]);
        unsigned found = tagged(b, tag_of(hashes[i]));
        refs[i] = found ? ref_of(b->entries[__builtin_ctz(found)]) : 0;
        if (found)
            prefetch_object(tcp, refs[i]);
    }
    for (unsigned i = 0; i < count; i++)
        if (refs[i])
            prefetch_named(tcp, refs[i]);
}

static uint32_t hash_of_ref(const struct tcp *tcp, uint32_t ref)
{
    struct tuple t = tuple_of(tcp, ref);
    return hash_of(tcp, t.local, t.local_port, t.remote, t.remote_port);
}

void tcp_table_insert(struct tcp *tcp, uint32_t ref)
{
    uint32_t hash = hash_of_ref(tcp, ref);
    struct tcp_bucket *b = bucket_of(tcp, hash);
    unsigned room;
    while (!(room = matches(b, 0, UINT32_MAX))) {
        b->passed++;
        b = bucket_after(tcp, b);
    }
    b->entries[__builtin_ctz(room)] = entry_of(ref, hash);
    if (!(ref & TCP_TABLE_WAIT))
        tcp_conn_at(tcp, ref - 1)->flags |= TCP_CONN_TABLED;
}

void tcp_table_remove(struct tcp *tcp, uint32_t ref)
{
    uint32_t hash = hash_of_ref(tcp, ref);
    struct tcp_bucket *b = bucket_of(tcp, hash);
    unsigned found;
    while (!(found = matches(b, entry_of(ref, hash), UINT32_MAX))) {
        CHECK(b->passed != 0);
        b->passed--;
        b = bucket_after(tcp, b);
    }
    b->entries[__builtin_ctz(found)] = 0;
    if (!(ref & TCP_TABLE_WAIT))
        tcp_conn_at(tcp, ref - 1)->flags &= ~(uint32_t)TCP_CONN_TABLED;
}

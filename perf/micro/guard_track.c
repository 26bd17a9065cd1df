// SPDX-License-Identifier: BSD-3-Clause

/* guard.track: ns a packet to find the entries of a source, judge and charge it, against
 * rte_hash_lookup_bulk on the same keys in the same order, which only finds. Both work in bursts of
 * 32. Ours is a worker's way: the places of a burst are found and their lines asked for, then the
 * one before is judged, packet by packet; IPv6 asks the /64 and the /48. Tables hold exactly as
 * many entries as there are sources, so they are full. Rounds of both alternate and the best of
 * each count.
 *
 * The cases called floor are the machine's: a line a packet of as much memory, at random,
 * prefetched a burst ahead in the same way, read and written, and nothing else.
 *
 * Usage: bench_guard_track [--smoke]
 */

#include "base/packet.h"
#include "base/rng.h"
#include "guard/guard_memory.h"
#include "guard/guard_source.h"

#include <rte_eal.h>
#include <rte_hash.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BURST = 32, ROUNDS = 9, HUGE_PAGE_MB = 2, PREFIXES = 1 << 16 };

struct bench {
    const char *name;
    uint32_t sources; // which are also the table's entries
    bool v4, flood;   // flood: every packet from a random address
};

struct tables {
    struct siphash_key key;
    struct guard_source sources, prefixes;
    struct guard_rate source, prefix;
    uint64_t now_ns;
    uint64_t conforming;
};

struct packets {    // in order of arrival
    uint32_t *from; // number of the source
    uint32_t count;
};

// Of this thread's own time: on a shared machine others take slices of the wall clock's.
static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// Distinct for distinct n: an odd factor is a bijection. Written as a parser does, in whole words.
static struct addr source_of(uint32_t n, bool v4)
{
    uint32_t scattered = n * 2654435761u;
    if (v4)
        return addr_from_v4(&scattered);
    uint64_t words[2] = {(uint64_t)scattered << 32 | 0x0120, 0};
    return addr_from_v6(words);
}

static struct packets packets_make(const struct bench *b, uint32_t count, struct rng *rng)
{
    struct packets p = {malloc(count * sizeof *p.from), count};
    CHECK(p.from != NULL);
    for (uint32_t i = 0; i < count; i++)
        p.from[i] = (uint32_t)rng_below(rng, b->flood ? UINT64_C(1) << 32 : b->sources);
    return p;
}

// Where the key is that rte_hash compares: the address, or the /64's first eight bytes.
static const void *key_of(const struct addr *a, bool v4)
{
    return v4 ? a->bytes + 12 : a->bytes;
}

struct places { // of a burst
    struct guard_source_slot sources[BURST], prefixes[BURST];
};

static inline void locate(const struct tables *t, const struct packet packets[BURST],
                          struct places *to, bool v4)
{
    for (unsigned i = 0; i < BURST; i++) {
        struct guard_name name = guard_name_of(&t->key, &packets[i].src);
        to->sources[i] = guard_source_locate(&t->sources, &name);
        guard_source_prefetch(&to->sources[i]);
        if (v4)
            continue;
        struct guard_name prefix = guard_name_prefix(&t->key, &name);
        to->prefixes[i] = guard_source_locate(&t->prefixes, &prefix);
        guard_source_prefetch(&to->prefixes[i]);
    }
}

// How many of a burst conform, one after the other, as guard_answer_judge takes them.
static unsigned judge(struct tables *t, const struct places *at, bool v4)
{
    unsigned conforming = 0;
    for (unsigned i = 0; i < BURST; i++)
        conforming +=
            guard_source_take(&t->sources, &at->sources[i], &t->source, t->now_ns) &&
            (v4 || guard_source_take(&t->prefixes, &at->prefixes[i], &t->prefix, t->now_ns));
    return conforming;
}

static double run_ours(struct tables *t, const struct packets *p, bool v4)
{
    struct packet packets[BURST] = {{.ttl = 0}};
    struct places places[2]; // of two bursts, in turn
    uint64_t start_ns = clock_ns();
    for (uint32_t burst = 0; burst < p->count / BURST; burst++) {
        for (unsigned i = 0; i < BURST; i++)
            packets[i].src = source_of(p->from[burst * BURST + i], v4);
        locate(t, packets, &places[burst % 2], v4);
        if (burst > 0)
            t->conforming += judge(t, &places[(burst - 1) % 2], v4);
        t->now_ns += 1000; // 32 Mpps
    }
    return (double)(clock_ns() - start_ns) / p->count;
}

static double run_floor(struct guard_source_v4 *lines, uint32_t count, const struct packets *p)
{
    struct guard_source_v4 *places[2][BURST] = {{0}};
    uint64_t start_ns = clock_ns();
    for (uint32_t burst = 0; burst < p->count / BURST; burst++) {
        for (unsigned i = 0; i < BURST; i++)
            places[burst % 2][i] = &lines[p->from[burst * BURST + i] * 2654435761u & (count - 1)];
        for (unsigned i = 0; i < BURST && burst > 0; i++) {
            __builtin_prefetch(places[burst % 2][i], 1);
            places[(burst - 1) % 2][i]->entries[0]++;
        }
    }
    return (double)(clock_ns() - start_ns) / p->count;
}

static double run_peer(const struct rte_hash *hash, const struct packets *p, bool v4,
                       uint64_t *found)
{
    struct addr from[BURST];
    const void *keys[BURST];
    int32_t positions[BURST];
    uint64_t start_ns = clock_ns();
    for (uint32_t at = 0; at < p->count; at += BURST) {
        for (unsigned i = 0; i < BURST; i++) {
            from[i] = source_of(p->from[at + i], v4);
            keys[i] = key_of(&from[i], v4);
        }
        CHECK(rte_hash_lookup_bulk(hash, keys, BURST, positions) == 0);
        for (unsigned i = 0; i < BURST; i++)
            *found += positions[i] >= 0;
    }
    return (double)(clock_ns() - start_ns) / p->count;
}

static struct rte_hash *peer_make(const struct bench *b)
{
    struct rte_hash_parameters parameters = {
        .name = b->name,
        .entries = b->sources,
        .key_len = b->v4 ? 4 : 8,
        .socket_id = SOCKET_ID_ANY,
    };
    struct rte_hash *hash = rte_hash_create(&parameters);
    for (uint32_t i = 0; hash && i < b->sources; i++) {
        struct addr a = source_of(i, b->v4);
        (void)rte_hash_add_key(hash, key_of(&a, b->v4)); // a few find no place in a full table
    }
    return hash;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static void run(const struct bench *b, uint32_t packets)
{
    struct rng rng;
    rng_seed(&rng, 1);
    struct packets p = packets_make(b, packets, &rng);
    static struct tables t;
    t = (struct tables){.key = {{rng_next(&rng), rng_next(&rng)}},
                        .source = guard_rate_of(GUARD_RATE_SECOND_NS, 20, 100),
                        .prefix = guard_rate_of(GUARD_RATE_SECOND_NS, 1000, 1000),
                        .now_ns = 1000000000};
    uint32_t entries = b->sources * (b->v4 ? 1 : 2); // IPv6 has half of them
    struct rte_hash *hash = peer_make(b);
    CHECK(guard_source_init(&t.sources, entries, -1) == 0 && hash);
    CHECK(guard_source_init(&t.prefixes, PREFIXES, -1) == 0);
    size_t bytes = b->v4 ? sizeof *t.sources.v4 << t.sources.v4_bits
                         : sizeof *t.sources.v6 << t.sources.v6_bits;
    fprintf(stderr, "guard.track %s: %zu bytes a source\n", b->name, bytes / b->sources);
    CHECK(bytes == (size_t)b->sources * (b->v4 ? 8 : 16));
    struct guard_source_v4 *lines = guard_memory_take(bytes, -1);
    CHECK(lines);

    double ours = 1e9, peer = 1e9, floor = 1e9;
    uint64_t found = 0;
    run_ours(&t, &p, b->v4); // fills the table
    for (unsigned round = 0; round < ROUNDS; round++) {
        ours = least(ours, run_ours(&t, &p, b->v4));
        peer = least(peer, run_peer(hash, &p, b->v4, &found));
        floor = least(floor, run_floor(lines, (uint32_t)(bytes / sizeof *lines), &p));
    }
    fprintf(stderr, "guard.track %s: %lu conformed, peer found %lu\n", b->name,
            (unsigned long)t.conforming, (unsigned long)found);
    printf("{\"bench\":\"guard.track\",\"case\":\"%s\",\"value\":%.2f,\"unit\":\"ns/packet\","
           "\"peer\":\"rte_hash_lookup_bulk\",\"peer_value\":%.2f,\"ratio\":%.3f}\n",
           b->name, ours, peer, ours / peer);
    printf("{\"bench\":\"guard.track\",\"case\":\"%s floor\",\"value\":%.2f,"
           "\"unit\":\"ns/packet\"}\n",
           b->name, floor);
    fflush(stdout);
    guard_memory_give(lines, bytes);
    guard_source_done(&t.sources);
    guard_source_done(&t.prefixes);
    rte_hash_free(hash);
    free(p.from);
}

static unsigned free_huge_mb(void)
{
    unsigned pages = 0;
    FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
    if (file && fscanf(file, "%u", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * HUGE_PAGE_MB;
}

// The peer's memory; ours takes transparent huge pages by itself.
static void start_eal(char *program, unsigned needed_mb)
{
    bool huge = free_huge_mb() >= needed_mb;
    if (!huge)
        fprintf(stderr, "guard.track: fewer than %u MB of free huge pages: the peer does without\n",
                needed_mb);
    enum { WORDS = 8 };
    char words[WORDS][16] = {"", "--no-pci", "--no-telemetry", "--log-level", "*:error", "-m",
                             "", ""};
    snprintf(words[6], sizeof words[6], "%u", needed_mb);
    // Memory without huge pages is EAL's legacy kind, which does not go with --in-memory.
    snprintf(words[7], sizeof words[7], "%s", huge ? "--in-memory" : "--no-huge");
    char *arguments[WORDS] = {program};
    for (unsigned i = 1; i < WORDS; i++)
        arguments[i] = words[i];
    CHECK(rte_eal_init(WORDS, arguments) >= 0);
}

int main(int argc, char **argv)
{
    static const struct bench smoke[] = {
        {"ipv4 16K", 1 << 14, true, false},
        {"ipv6 16K", 1 << 14, false, false},
    };
    static const struct bench full[] = {
        {"ipv4 1M", 1 << 20, true, false},
        {"ipv4 16M", 1 << 24, true, false},
        {"ipv4 16M random flood", 1 << 24, true, true},
        {"ipv6 1M", 1 << 20, false, false},
        {"ipv6 16M", 1 << 24, false, false},
    };
    bool is_smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
    if (argc > 1 && !is_smoke) {
        fprintf(stderr, "usage: %s [--smoke]\n", argv[0]);
        return 2;
    }
    start_eal(argv[0], is_smoke ? 32 : 2048);
    const struct bench *benches = is_smoke ? smoke : full;
    unsigned count = is_smoke ? sizeof smoke / sizeof smoke[0] : sizeof full / sizeof full[0];
    for (unsigned i = 0; i < count; i++)
        run(&benches[i], is_smoke ? 1 << 16 : 1 << 22);
    rte_eal_cleanup();
    return 0;
}

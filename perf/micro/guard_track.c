// SPDX-License-Identifier: BSD-3-Clause

/* guard.track: ns a packet to find a source's entry, judge it and charge it, against
 * rte_hash_lookup_bulk on the same keys in the same order, which only finds. Both work in bursts of
 * 32; ours locates and prefetches one burst ahead, as a worker's turn will. Rounds of both
 * alternate and the medians count.
 *
 * Usage: bench_guard_track [--smoke]
 */

#include "base/addr.h"
#include "base/rng.h"
#include "guard/guard_source.h"

#include <rte_eal.h>
#include <rte_hash.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BURST = 32, ROUNDS = 5, HUGE_PAGE_MB = 2 };

struct bench {
    const char *name;
    uint32_t sources; // live ones; the table has twice as many entries
    bool v4, flood;   // flood: every packet from a random address
};

struct packets { // the sources of the packets, in order of arrival
    struct addr *from;
    uint32_t count;
};

// Of this thread's own time: on a shared machine others take slices of the wall clock's.
static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// Distinct for distinct n: an odd factor is a bijection.
static struct addr source_of(uint32_t n, bool v4)
{
    uint32_t scattered = n * 2654435761u;
    struct addr a = {.bytes = {0x20, 0x01}};
    if (v4)
        return addr_from_v4(&scattered);
    memcpy(a.bytes + 4, &scattered, sizeof scattered);
    return a;
}

static struct packets packets_make(const struct bench *b, uint32_t count, struct rng *rng)
{
    struct packets p = {malloc(count * sizeof *p.from), count};
    CHECK(p.from != NULL);
    for (uint32_t i = 0; i < count; i++)
        p.from[i] = source_of(
            b->flood ? (uint32_t)rng_next(rng) : (uint32_t)rng_below(rng, b->sources), b->v4);
    return p;
}

// Where the key is that rte_hash compares: the address, or the /64's first eight bytes.
static const void *key_of(const struct addr *a, bool v4)
{
    return v4 ? a->bytes + 12 : a->bytes;
}

static void locate_burst(const struct guard_source *table, const struct addr *from,
                         struct guard_source_slot slots[BURST])
{
    for (unsigned i = 0; i < BURST; i++) {
        slots[i] = guard_source_locate(table, &from[i]);
        guard_source_prefetch(&slots[i]);
    }
}

static double run_ours(struct guard_source *table, const struct packets *p, uint64_t *now_us,
                       uint64_t *conforming)
{
    struct guard_source_rate rate = guard_source_rate(20, 100);
    struct guard_source_slot slots[2][BURST];
    uint64_t start_ns = clock_ns();
    locate_burst(table, p->from, slots[0]);
    for (uint32_t at = 0; at < p->count; at += BURST) {
        uint32_t next = at + BURST < p->count ? at + BURST : 0;
        locate_burst(table, p->from + next, slots[~at / BURST & 1]);
        for (unsigned i = 0; i < BURST; i++)
            *conforming += guard_source_take(table, &slots[at / BURST & 1][i], &rate, *now_us);
        (*now_us)++; // about 32 Mpps
    }
    return (double)(clock_ns() - start_ns) / p->count;
}

static double run_peer(const struct rte_hash *hash, const struct packets *p, bool v4,
                       uint64_t *found)
{
    const void *keys[BURST];
    int32_t positions[BURST];
    uint64_t start_ns = clock_ns();
    for (uint32_t at = 0; at < p->count; at += BURST) {
        for (unsigned i = 0; i < BURST; i++)
            keys[i] = key_of(&p->from[at + i], v4);
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
        .entries = b->sources * 2,
        .key_len = b->v4 ? 4 : 8,
        .socket_id = SOCKET_ID_ANY,
    };
    struct rte_hash *hash = rte_hash_create(&parameters);
    for (uint32_t i = 0; hash && i < b->sources; i++) {
        struct addr a = source_of(i, b->v4);
        CHECK(rte_hash_add_key(hash, key_of(&a, b->v4)) >= 0);
    }
    return hash;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof values[0], by_value);
    return values[ROUNDS / 2];
}

static void run(const struct bench *b, uint32_t packets)
{
    struct rng rng;
    rng_seed(&rng, 1);
    struct packets p = packets_make(b, packets, &rng);
    struct guard_source table;
    const struct siphash_key key = {{rng_next(&rng), rng_next(&rng)}};
    uint32_t entries = b->sources * (b->v4 ? 2 : 4); // IPv6 has half of them
    struct rte_hash *hash = peer_make(b);
    CHECK(guard_source_init(&table, entries, -1, &key) == 0 && hash);

    double ours[ROUNDS], peer[ROUNDS];
    uint64_t now_us = 1000000, conforming = 0, found = 0;
    run_ours(&table, &p, &now_us, &conforming); // fills the table
    for (unsigned round = 0; round < ROUNDS; round++) {
        ours[round] = run_ours(&table, &p, &now_us, &conforming);
        peer[round] = run_peer(hash, &p, b->v4, &found);
    }
    double value = median(ours), peer_value = median(peer);
    fprintf(stderr, "guard.track %s: %zu bytes a source, %lu conformed, peer found %lu\n", b->name,
            (b->v4 ? table.v4_size : table.v6_size) / b->sources, (unsigned long)conforming,
            (unsigned long)found);
    printf("{\"bench\":\"guard.track\",\"case\":\"%s\",\"value\":%.2f,\"unit\":\"ns/packet\","
           "\"peer\":\"rte_hash_lookup_bulk\",\"peer_value\":%.2f,\"ratio\":%.3f}\n",
           b->name, value, peer_value, value / peer_value);
    fflush(stdout);
    guard_source_done(&table);
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
        {"ipv4 1M random flood", 1 << 20, true, true},
        {"ipv6 1M", 1 << 20, false, false},
        {"ipv4 16M", 1 << 24, true, false},
        {"ipv4 16M random flood", 1 << 24, true, true},
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

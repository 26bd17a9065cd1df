// SPDX-License-Identifier: BSD-3-Clause

/* guard.heavy: ns a packet for the heavy hitters of a SYN flood that is refused, the dearest kind
 * (it counts as packet, SYN and refusal), against the same without sampling. Ticks come as they
 * would at the rate that the case names. Packets come round again, so that their addresses are in
 * the cache, where a parser has just written a packet's. Rounds of both alternate and the medians
 * count.
 *
 * Usage: bench_guard_heavy [--smoke]
 */

#include "guard/guard_heavy.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    ROUNDS = 5,
    ZIPF_KEYS = 1 << 20,
    SOURCES = 1 << 15,
    TICKS_A_SECOND = 1000000 / GUARD_HEAVY_TICK_US
};

struct bench {
    const char *name;
    bool zipf, v4;
    uint32_t rate; // packets a second
};

// Of this thread's own time: on a shared machine others take slices of the wall clock's.
static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// Zipf with exponent 1: the inverse of its sum is about an exponential.
static uint32_t draw(struct rng *rng, bool zipf)
{
    if (!zipf)
        return (uint32_t)rng_next(rng);
    double u = (double)(rng_next(rng) >> 11) * 0x1p-53;
    return (uint32_t)(exp(u * log(ZIPF_KEYS)) - 1) * 2654435761u;
}

static struct addr *sources_make(const struct bench *b)
{
    struct rng rng;
    rng_seed(&rng, 1);
    struct addr *sources = calloc(SOURCES, sizeof *sources);
    CHECK(sources);
    for (uint32_t i = 0; i < SOURCES; i++) {
        uint32_t key = draw(&rng, b->zipf);
        sources[i] = (struct addr){.bytes = {0x20, 0x01}};
        memcpy(sources[i].bytes + 4, &key, sizeof key);
        if (b->v4)
            sources[i] = addr_from_v4(&key);
    }
    return sources;
}

static void note(struct guard_heavy *heavy, const struct addr *source)
{
    guard_heavy_note(heavy, TOP_PACKETS, source);
    guard_heavy_note(heavy, TOP_SYNS, source);
    guard_heavy_note(heavy, TOP_REFUSALS, source);
}

// As if every event were taken.
static void note_all(struct guard_heavy *heavy, const struct addr *source)
{
    static const enum top_measure measures[] = {TOP_PACKETS, TOP_SYNS, TOP_REFUSALS};
    for (unsigned i = 0; i < sizeof measures / sizeof measures[0]; i++) {
        heavy->samplers[measures[i]].samples = 0;
        guard_heavy_sample(heavy, measures[i], source);
    }
}

static double run(struct guard_heavy *heavy, const struct bench *b, const struct addr *sources,
                  uint32_t count, bool all)
{
    static uint64_t now_us;
    uint32_t a_tick = b->rate / TICKS_A_SECOND;
    uint64_t start_ns = clock_ns();
    for (uint32_t at = 0; at < count;) {
        uint32_t end = at + a_tick < count ? at + a_tick : count;
        if (all)
            for (; at < end; at++)
                note_all(heavy, &sources[at % SOURCES]);
        else
            for (; at < end; at++)
                note(heavy, &sources[at % SOURCES]);
        guard_heavy_advance(heavy, now_us += GUARD_HEAVY_TICK_US);
    }
    return (double)(clock_ns() - start_ns) / count;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void measure(const struct bench *b, uint32_t count)
{
    const struct siphash_key key = {{3, 5}};
    struct guard_heavy sampled, whole;
    struct addr *sources = sources_make(b);
    CHECK(guard_heavy_init(&sampled, -1, &key) == 0 && guard_heavy_init(&whole, -1, &key) == 0);
    double ours[ROUNDS], peer[ROUNDS];
    run(&sampled, b, sources, count, false); // finds its interval
    for (int round = 0; round < ROUNDS; round++) {
        ours[round] = run(&sampled, b, sources, count, false);
        peer[round] = run(&whole, b, sources, count / 16, true);
    }
    qsort(ours, ROUNDS, sizeof ours[0], by_value);
    qsort(peer, ROUNDS, sizeof peer[0], by_value);
    double value = ours[ROUNDS / 2], peer_value = peer[ROUNDS / 2];
    fprintf(stderr, "guard.heavy %s: one packet in %u\n", b->name,
            sampled.samplers[TOP_PACKETS].interval);
    printf("{\"bench\":\"guard.heavy\",\"case\":\"%s\",\"value\":%.2f,\"unit\":\"ns/packet\","
           "\"peer\":\"no sampling\",\"peer_value\":%.2f,\"ratio\":%.4f}\n",
           b->name, value, peer_value, value / peer_value);
    fflush(stdout);
    guard_heavy_done(&sampled);
    guard_heavy_done(&whole);
    free(sources);
}

int main(int argc, char **argv)
{
    static const struct bench benches[] = {
        {"ipv4 random 30M/s", false, true, 30000000},
        {"ipv4 zipf 30M/s", true, true, 30000000},
        {"ipv6 zipf 30M/s", true, false, 30000000},
        {"ipv4 random 2M/s", false, true, 2000000},
    };
    bool smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
    if (argc > 1 && !smoke) {
        fprintf(stderr, "usage: %s [--smoke]\n", argv[0]);
        return 2;
    }
    for (unsigned i = 0; i < sizeof benches / sizeof benches[0]; i++)
        measure(&benches[i], smoke ? 1 << 20 : 1 << 24);
    return 0;
}

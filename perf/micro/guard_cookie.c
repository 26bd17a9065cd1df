// SPDX-License-Identifier: BSD-3-Clause

/* guard.cookie: ns from a judged SYN to its SYN-ACK in the mbuf, cookie, options and checksums: one
 * call of guard_answer for a burst, under attack, against the same call with SipHash one by one.
 * The two alternate burst by burst over 1,024 mbufs, and the median burst of each counts.
 *
 * Usage: bench_guard_cookie [--smoke]
 */

#include "base/rng.h"
#include "base/siphash_burst.h"
#include "guard/guard.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MBUFS = 1024, ROOM = 256, BURSTS = 1 << 16, BURSTS_SMOKE = 1 << 10, SETS = 2 };

struct frame {
    struct rte_mbuf mbuf;
    uint8_t bytes[ROOM];
};

struct bench {
    struct guard *guard;
    struct guard_lists *lists;
    struct frame *frames;
    struct rng rng;
    uint64_t now_us;
    bool v4;
};

static struct policy policy = {.services_count = 1, .services = {{.name = "smtp", .port = 25}}};
static struct counter_block counters;

static struct guard *guard_make(const struct guard_lists *lists)
{
    for (int i = 0; i < LIMIT_COUNT; i++)
        policy.limits[i] = limit_facts((enum limit)i)->value;
    // In attack mode, where no SYN-ACK is kept to be sent again, and all budgets wide.
    policy.limits[LIMIT_SYN_ATTACK_HIGH] = limit_facts(LIMIT_SYN_ATTACK_HIGH)->least;
    policy.limits[LIMIT_SYN_ANSWERS_PREFIX] = limit_facts(LIMIT_SYN_ANSWERS_PREFIX)->most;
    policy.limits[LIMIT_SYN_ANSWERS_TOTAL] = limit_facts(LIMIT_SYN_ANSWERS_TOTAL)->most;
    struct guard_config config = {.sources = 1 << 20,
                                  .sessions = 1000,
                                  .workers = 1,
                                  .mtu = 1500,
                                  .receive_bytes = 131072,
                                  .numa_node = -1,
                                  .key = {{0x1122334455667788, 0x99aabbccddeeff00}},
                                  .counters = &counters};
    struct guard *guard = guard_open(&config);
    CHECK(guard != NULL);
    guard_policy(guard, &policy, lists);
    return guard;
}

static struct packet syn_make(struct bench *b)
{
    uint64_t bits = rng_next(&b->rng);
    struct addr from = {.bytes = {0x20, 0x01}}, to = {.bytes = {0x20, 0x01, 0x0d, 0xb8}};
    memcpy(from.bytes + 4, &bits, 8);
    return (struct packet){
        .src = b->v4 ? addr_from_v4(&bits) : from,
        .dst = b->v4 ? addr_from_v4((const uint8_t[]){198, 51, 100, 1}) : to,
        .src_port = (uint16_t)(bits >> 40 | 1),
        .dst_port = 25,
        .ttl = 60,
        .tcp_flags = TCP_SYN,
        .seq = (uint32_t)(bits >> 16),
        .window = 29200,
        .l4_offset = b->v4 ? 20 : 40,
        .payload_offset = b->v4 ? 60 : 80,
        .options = {.ts_value = (uint32_t)(bits >> 24),
                    .mss = 1460,
                    .window_scale = 7,
                    .has_window_scale = true,
                    .has_timestamps = true,
                    .sack_permitted = true},
    };
}

// As the port hands it over.
static struct rte_mbuf *mbuf_of(struct frame *frame, uint16_t size)
{
    struct rte_mbuf *m = &frame->mbuf;
    m->buf_addr = frame->bytes;
    m->buf_len = sizeof frame->bytes;
    m->data_off = 64;
    m->nb_segs = 1;
    m->data_len = size;
    m->pkt_len = size;
    m->ol_flags = 0;
    return m;
}

// Cycles that answering one burst took, a packet.
static double burst(struct bench *b, unsigned at)
{
    struct packet syns[GUARD_BURST];
    struct guard_look looks[GUARD_BURST];
    struct rte_mbuf *synacks[GUARD_BURST];
    for (unsigned i = 0; i < GUARD_BURST; i++)
        syns[i] = syn_make(b);
    guard_look(b->guard, syns, GUARD_BURST, looks);
    unsigned taken = 0;
    for (unsigned i = 0; i < GUARD_BURST; i++) {
        struct rte_mbuf *m = mbuf_of(&b->frames[(at + i) % MBUFS], syns[i].payload_offset);
        memset(rte_pktmbuf_mtod(m, void *), 0, m->data_len); // the parser has just read it
        taken += guard_syn(b->guard, m, &syns[i], &looks[i], b->now_us) == REASON_NONE;
    }
    uint64_t start = rte_rdtsc_precise();
    unsigned count = guard_answer(b->guard, 0, synacks, b->now_us);
    uint64_t spent = rte_rdtsc_precise() - start;
    CHECK(count == taken && count > 0);
    b->now_us += GUARD_BURST;
    return (double)spent / count;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double ns_per_cycle(void)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    uint64_t cycles = rte_rdtsc();
    double ns;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        ns = (double)(now.tv_sec - start.tv_sec) * 1e9 + (double)(now.tv_nsec - start.tv_nsec);
    } while (ns < 5e7);
    return ns / (double)(rte_rdtsc() - cycles);
}

static void run(bool v4, unsigned bursts)
{
    const char *what;
    struct bench b = {.lists = guard_lists_build(&policy, &what),
                      .frames = calloc(MBUFS, sizeof *b.frames),
                      .v4 = v4};
    CHECK(b.lists);
    b.guard = guard_make(b.lists);
    double *spent[SETS] = {calloc(bursts, sizeof **spent), calloc(bursts, sizeof **spent)};
    CHECK(b.frames && spent[0] && spent[1]);
    rng_seed(&b.rng, 1);
    b.now_us = 1000000;
    enum siphash_set best = SIPHASH_SETS - 1;
    while (!siphash_burst_choose(best))
        best--;
    for (unsigned i = 0; i < bursts; i++) {
        for (int set = 0; set < SETS; set++) {
            CHECK(siphash_burst_choose(set == 0 ? best : SIPHASH_SCALAR));
            spent[set][i] = burst(&b, (i * SETS + (unsigned)set) * GUARD_BURST);
        }
    }
    for (int set = 0; set < SETS; set++)
        qsort(spent[set], bursts, sizeof **spent, by_value);
    double scale = ns_per_cycle();
    double value = spent[0][bursts / 2] * scale, peer = spent[1][bursts / 2] * scale;
    printf("{\"bench\":\"guard.cookie\",\"case\":\"%s\",\"value\":%.2f,\"unit\":\"ns/packet\","
           "\"peer\":\"scalar SipHash\",\"peer_value\":%.2f,\"ratio\":%.3f}\n",
           v4 ? "ipv4" : "ipv6", value, peer, value / peer);
    guard_shut(b.guard);
    guard_lists_free(b.lists);
    free(b.frames);
    free(spent[0]);
    free(spent[1]);
}

int main(int argc, char **argv)
{
    bool is_smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
    if (argc > 1 && !is_smoke) {
        fprintf(stderr, "usage: %s [--smoke]\n", argv[0]);
        return 2;
    }
    run(true, is_smoke ? BURSTS_SMOKE : BURSTS);
    run(false, is_smoke ? BURSTS_SMOKE : BURSTS);
    return 0;
}

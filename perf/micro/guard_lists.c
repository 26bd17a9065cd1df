// SPDX-License-Identifier: BSD-3-Clause

/* guard.lists: a list of 900,000 IPv4 and 100,000 IPv6 prefixes, lengths as block lists have them.
 *
 *   load     ms from the policy in memory to lists that workers may use (they swap a pointer).
 *            Peers: rte_fib and rte_fib6 with the same prefixes.
 *   load N   the same with the first N of the IPv4 prefixes only. Peer: rte_lpm, whose time grows
 *            with the square of N, which bounds what it can be asked here.
 *   lookup   ns a packet in bursts of 32, half of the addresses in listed prefixes and half random.
 *            Peers: rte_fib_lookup_bulk and rte_fib6_lookup_bulk.
 *   floor    the machine's: for each packet of such a burst a line of as much memory, prefetched
 *            and read, and nothing else.
 *   a dozen  a look-up when twelve prefixes are listed; empty: when nothing is.
 *   memory   bytes of both families (no peer: it has its memory beforehand).
 *
 * Rounds of both alternate and the least counts, which others on the machine disturb least. Both
 * have huge pages, where so many are free that the peers get theirs; it says so if not. Usage:
 * bench_guard_lists [--smoke]
 */

#include "guard/guard_lists.h"
#include "base/rng.h"
#include "guard/guard_memory.h"

#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_lpm.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BURST = GUARD_LISTS_BURST, AHEAD = 8 * BURST, ROUNDS = 15 };
enum { HUGE_PAGE_MB = 2, DENY = CLASS_DENY };

struct sizes {
    uint32_t v4, v6, lpm, packets;
    unsigned eal_mb, tbl8_v4, tbl8_v6;
};

struct packets {
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

/* Networks of a few thousand providers, each with some listed neighbours: half /32, most others
 * /24, few shorter, as in public lists.
 */
static struct prefix prefix_v4(struct rng *rng)
{
    uint32_t provider = (uint32_t)rng_below(rng, 20000) * 2654435761u;
    uint32_t number = (1u << 24) + provider % (222u << 24);
    number = (number & 0xfffc0000) | (uint32_t)rng_below(rng, 1 << 18);
    uint64_t kind = rng_below(rng, 100);
    unsigned bits = kind < 45 ? 32 : kind < 88 ? 24 : 16 + (unsigned)rng_below(rng, 16);
    if (bits == 32) // bad neighbours
        number &= 0xffff03ff;
    uint8_t bytes[4] = {number >> 24, number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff};
    struct prefix p = {.bits = (uint8_t)(bits + ADDR_V4_BITS)};
    struct addr a = addr_from_v4(bytes);
    p.addr = addr_mask(&a, p.bits);
    return p;
}

static struct prefix prefix_v6(struct rng *rng)
{
    static const uint16_t heads[] = {0x2001, 0x2400, 0x2402, 0x2600, 0x2602, 0x2604,
                                     0x2800, 0x2a00, 0x2a01, 0x2a02, 0x2a0e, 0x2c0f};
    uint64_t provider = rng_below(rng, 8000);
    uint16_t head = heads[provider % (sizeof heads / sizeof heads[0])];
    struct addr a = {.bytes = {(uint8_t)(head >> 8), (uint8_t)head}};
    uint32_t network = (uint32_t)provider * 2654435761u;
    a.bytes[2] = (uint8_t)(network >> 24);
    a.bytes[3] = (uint8_t)(network >> 16) & 0xf8;
    for (unsigned i = 4; i < 16; i++)
        a.bytes[i] = (uint8_t)rng_next(rng);
    uint64_t kind = rng_below(rng, 100);
    unsigned bits = kind < 40 ? 48 : kind < 60 ? 56 : kind < 90 ? 64 : kind < 95 ? 32 : 128;
    struct prefix p = {.bits = (uint8_t)bits};
    p.addr = addr_mask(&a, p.bits);
    return p;
}

static struct policy *policy_make(const struct sizes *s, struct rng *rng)
{
    uint32_t count = s->v4 + s->v6;
    struct policy *policy = calloc(1, sizeof *policy + count * sizeof(struct policy_class_prefix));
    CHECK(policy);
    policy->prefixes = (struct policy_range){.offset = sizeof *policy, .count = count};
    struct policy_class_prefix *prefixes = (struct policy_class_prefix *)(policy + 1);
    for (uint32_t i = 0; i < count; i++)
        prefixes[i] =
            (struct policy_class_prefix){i < s->v4 ? prefix_v4(rng) : prefix_v6(rng), DENY};
    return policy;
}

static struct packets packets_make(const struct sizes *s, const struct policy *policy, bool v4,
                                   struct rng *rng)
{
    struct packets p = {malloc(s->packets * sizeof *p.from), s->packets};
    const struct policy_class_prefix *prefixes = policy_at(policy, policy->prefixes);
    CHECK(p.from);
    for (uint32_t i = 0; i < p.count; i++) {
        struct addr a = v4 ? addr_from_v4((uint8_t[4]){0}) : (struct addr){.bytes = {0x20}};
        for (unsigned b = v4 ? 12 : 1; b < 16; b++)
            a.bytes[b] = (uint8_t)rng_next(rng);
        if (rng_next(rng) & 1) {
            const struct prefix *listed =
                &prefixes[v4 ? rng_below(rng, s->v4) : s->v4 + rng_below(rng, s->v6)].prefix;
            for (unsigned b = 0; b < listed->bits; b++) {
                uint8_t bit = (uint8_t)(0x80 >> b % 8);
                a.bytes[b / 8] =
                    (uint8_t)((a.bytes[b / 8] & ~bit) | (listed->addr.bytes[b / 8] & bit));
            }
        }
        p.from[i] = a;
    }
    return p;
}

static uint64_t count_found(const struct guard_lists *lists, struct guard_lists_burst *burst)
{
    uint8_t classes[BURST];
    uint64_t found = 0;
    guard_lists_find(lists, burst, classes);
    for (unsigned i = 0; i < BURST; i++)
        found += classes[i] == DENY;
    return found;
}

// The next burst is located before one is found, as the guard has other work between the two.
static double run_ours(const struct guard_lists *lists, const struct packets *p, uint64_t *found)
{
    struct guard_lists_burst bursts[2] = {{.n = BURST}, {.n = BURST}};
    uint64_t start_ns = clock_ns();
    for (uint32_t at = 0; at < p->count; at += BURST) {
        struct guard_lists_burst *burst = &bursts[at / BURST % 2];
        for (unsigned i = 0; i < BURST; i++) {
            __builtin_prefetch(&p->from[at + i + AHEAD]); // parsing had them in the cache
            burst->addrs[i] = &p->from[at + i];
        }
        guard_lists_locate(lists, burst);
        if (at > 0)
            *found += count_found(lists, &bursts[1 - at / BURST % 2]);
    }
    *found += count_found(lists, &bursts[(p->count / BURST - 1) % 2]);
    return (double)(clock_ns() - start_ns) / p->count;
}

// The address's own bits choose the line.
static double run_floor(const uint64_t (*lines)[8], uint64_t count, const struct packets *p,
                        uint64_t *sum)
{
    uint64_t start_ns = clock_ns();
    for (uint32_t at = 0; at < p->count; at += BURST) {
        const uint64_t *places[BURST];
        for (unsigned i = 0; i < BURST; i++) {
            __builtin_prefetch(&p->from[at + i + AHEAD]);
            uint32_t tail;
            memcpy(&tail, p->from[at + i].bytes + 12, sizeof tail);
            places[i] = lines[(uint64_t)(tail * 2654435761u) * count >> 32];
            __builtin_prefetch(places[i]);
        }
        for (unsigned i = 0; i < BURST; i++)
            *sum += *places[i];
    }
    return (double)(clock_ns() - start_ns) / p->count;
}

struct peers {
    struct rte_fib *fib;
    struct rte_fib6 *fib6;
};

static double run_peer(const struct peers *peers, const struct packets *p, bool v4, uint64_t *found)
{
    uint32_t v4s[BURST];
    uint8_t v6s[BURST][RTE_FIB6_IPV6_ADDR_SIZE];
    uint64_t hops[BURST];
    uint64_t start_ns = clock_ns();
    for (uint32_t at = 0; at < p->count; at += BURST) {
        const struct addr *from = &p->from[at];
        for (unsigned i = 0; i < BURST; i++)
            __builtin_prefetch(&from[i + AHEAD]);
        if (v4) {
            for (unsigned i = 0; i < BURST; i++) {
                memcpy(&v4s[i], from[i].bytes + 12, sizeof v4s[i]);
                v4s[i] = __builtin_bswap32(v4s[i]);
            }
            CHECK(rte_fib_lookup_bulk(peers->fib, v4s, hops, BURST) == 0);
        } else {
            for (unsigned i = 0; i < BURST; i++)
                memcpy(v6s[i], from[i].bytes, sizeof v6s[i]);
            CHECK(rte_fib6_lookup_bulk(peers->fib6, v6s, hops, BURST) == 0);
        }
        for (unsigned i = 0; i < BURST; i++)
            *found += hops[i] == DENY;
    }
    return (double)(clock_ns() - start_ns) / p->count;
}

static uint32_t v4_number(const struct prefix *p)
{
    uint32_t number;
    memcpy(&number, p->addr.bytes + 12, sizeof number);
    return __builtin_bswap32(number);
}

static uint64_t load_fib(struct peers *peers, const struct sizes *s, const struct policy *policy)
{
    struct rte_fib_conf conf = {
        .type = RTE_FIB_DIR24_8,
        .max_routes = (int)s->v4 * 2,
        .dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_4B, .num_tbl8 = s->tbl8_v4},
    };
    const struct policy_class_prefix *prefixes = policy_at(policy, policy->prefixes);
    uint64_t start_ns = clock_ns();
    peers->fib = rte_fib_create("lists", SOCKET_ID_ANY, &conf);
    CHECK(peers->fib);
    for (uint32_t i = 0; i < s->v4; i++)
        CHECK(rte_fib_add(peers->fib, v4_number(&prefixes[i].prefix),
                          prefixes[i].prefix.bits - ADDR_V4_BITS, DENY) == 0);
    return clock_ns() - start_ns;
}

static uint64_t load_fib6(struct peers *peers, const struct sizes *s, const struct policy *policy)
{
    struct rte_fib6_conf conf = {
        .type = RTE_FIB6_TRIE,
        .max_routes = (int)s->v6 * 2,
        .trie = {.nh_sz = RTE_FIB6_TRIE_4B, .num_tbl8 = s->tbl8_v6},
    };
    const struct policy_class_prefix *prefixes = policy_at(policy, policy->prefixes);
    prefixes += s->v4;
    uint64_t start_ns = clock_ns();
    peers->fib6 = rte_fib6_create("lists6", SOCKET_ID_ANY, &conf);
    CHECK(peers->fib6);
    for (uint32_t i = 0; i < s->v6; i++)
        CHECK(rte_fib6_add(peers->fib6, prefixes[i].prefix.addr.bytes, prefixes[i].prefix.bits,
                           DENY) == 0);
    return clock_ns() - start_ns;
}

static uint64_t load_lpm(const struct sizes *s, const struct policy *policy)
{
    struct rte_lpm_config conf = {.max_rules = s->lpm, .number_tbl8s = s->lpm};
    const struct policy_class_prefix *prefixes = policy_at(policy, policy->prefixes);
    uint64_t start_ns = clock_ns();
    struct rte_lpm *lpm = rte_lpm_create("lists", SOCKET_ID_ANY, &conf);
    CHECK(lpm);
    for (uint32_t i = 0; i < s->lpm; i++)
        CHECK(rte_lpm_add(lpm, v4_number(&prefixes[i].prefix),
                          (uint8_t)(prefixes[i].prefix.bits - ADDR_V4_BITS), DENY) == 0);
    uint64_t taken_ns = clock_ns() - start_ns;
    rte_lpm_free(lpm);
    return taken_ns;
}

static double least(const double values[ROUNDS])
{
    double value = values[0];
    for (unsigned i = 1; i < ROUNDS; i++)
        value = values[i] < value ? values[i] : value;
    return value;
}

struct figure {
    const char *name, *unit, *peer;
    double value, peer_value;
};

static void say(const struct figure *f)
{
    printf("{\"bench\":\"guard.lists\",\"case\":\"%s\",\"value\":%.2f,\"unit\":\"%s\",", f->name,
           f->value, f->unit);
    printf("\"peer\":\"%s\",\"peer_value\":%.2f,\"ratio\":%.3f}\n", f->peer, f->peer_value,
           f->value / f->peer_value);
    fflush(stdout);
}

static void say_alone(const char *name, double value, const char *unit)
{
    printf("{\"bench\":\"guard.lists\",\"case\":\"%s\",\"value\":%.2f,\"unit\":\"%s\"}\n", name,
           value, unit);
    fflush(stdout);
}

static struct guard_lists *load_ours(const struct policy *policy, uint64_t *ret_ns)
{
    const char *what = NULL;
    uint64_t start_ns = clock_ns();
    struct guard_lists *lists = guard_lists_build(policy, &what);
    *ret_ns = clock_ns() - start_ns;
    CHECK(lists);
    return lists;
}

// Of `count` prefixes from the `first` on.
static struct guard_lists *load_some(struct policy *policy, uint32_t first, uint32_t count,
                                     uint64_t *ret_ns)
{
    struct policy_range all = policy->prefixes;
    policy->prefixes.offset += first * sizeof(struct policy_class_prefix);
    policy->prefixes.count = count;
    struct guard_lists *lists = load_ours(policy, ret_ns);
    policy->prefixes = all;
    return lists;
}

static void run_lookup(const struct sizes *s, struct policy *policy,
                       const struct guard_lists *lists, const struct peers *peers, bool v4)
{
    struct rng rng;
    rng_seed(&rng, 2);
    struct packets p = packets_make(s, policy, v4, &rng);
    double ours[ROUNDS], peer[ROUNDS], floor[ROUNDS], dozen[ROUNDS], empty[ROUNDS];
    uint64_t found = 0, peer_found = 0, ns;
    struct policy nothing = {.services_count = 0};
    struct guard_lists *none = load_ours(&nothing, &ns);
    struct guard_lists *few = load_some(policy, v4 ? 0 : s->v4, 12, &ns);
    size_t bytes = guard_lists_bytes(lists);
    void *lines = guard_memory_take(bytes, -1);
    CHECK(lines);
    run_ours(lists, &p, &found);
    run_peer(peers, &p, v4, &peer_found);
    CHECK(found == peer_found); // they agree
    for (unsigned round = 0; round < ROUNDS; round++) {
        ours[round] = run_ours(lists, &p, &found);
        peer[round] = run_peer(peers, &p, v4, &peer_found);
        floor[round] = run_floor(lines, bytes / 64, &p, &found);
        dozen[round] = run_ours(few, &p, &found);
        empty[round] = run_ours(none, &p, &found);
    }
    say(&(struct figure){v4 ? "lookup ipv4" : "lookup ipv6", "ns/packet",
                         v4 ? "rte_fib" : "rte_fib6", least(ours), least(peer)});
    say_alone(v4 ? "lookup ipv4 floor" : "lookup ipv6 floor", least(floor), "ns/packet");
    say_alone(v4 ? "lookup ipv4 a dozen" : "lookup ipv6 a dozen", least(dozen), "ns/packet");
    say_alone(v4 ? "lookup ipv4 empty" : "lookup ipv6 empty", least(empty), "ns/packet");
    guard_memory_give(lines, bytes);
    guard_lists_free(few);
    guard_lists_free(none);
    free(p.from);
}

static void run_few(const struct sizes *s, struct policy *policy)
{
    char name[32];
    uint64_t ns, peer_ns = load_lpm(s, policy);
    struct guard_lists *lists = load_some(policy, 0, s->lpm, &ns);
    snprintf(name, sizeof name, "load %uK", s->lpm / 1000);
    say(&(struct figure){name, "ms", "rte_lpm", (double)ns / 1e6, (double)peer_ns / 1e6});
    guard_lists_free(lists);
}

static void run(const struct sizes *s)
{
    struct rng rng;
    rng_seed(&rng, 1);
    struct policy *policy = policy_make(s, &rng);
    struct peers peers;
    uint64_t ns, peer_ns = load_fib(&peers, s, policy) + load_fib6(&peers, s, policy);
    struct guard_lists *lists = load_ours(policy, &ns);
    say(&(struct figure){"load", "ms", "rte_fib and rte_fib6", (double)ns / 1e6,
                         (double)peer_ns / 1e6});
    say_alone("memory", (double)guard_lists_bytes(lists), "bytes");
    run_few(s, policy);
    run_lookup(s, policy, lists, &peers, true);
    run_lookup(s, policy, lists, &peers, false);
    guard_lists_free(lists);
    free(policy);
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

// The peers' memory; ours takes transparent huge pages by itself.
static void start_eal(char *program, unsigned needed_mb)
{
    bool huge = free_huge_mb() >= needed_mb;
    if (!huge)
        fprintf(stderr, "guard.lists: fewer than %u MB of free huge pages: the peers do without\n",
                needed_mb);
    enum { WORDS = 10 };
    char words[WORDS][16] = {
        "", "--no-pci", "--no-telemetry", "--log-level", "*:error", "-m", "", "", "--file-prefix",
        ""};
    snprintf(words[6], sizeof words[6], "%u", needed_mb);
    // Memory without huge pages is EAL's legacy kind, which does not go with --in-memory.
    snprintf(words[7], sizeof words[7], "%s", huge ? "--in-memory" : "--no-huge");
    snprintf(words[9], sizeof words[9], "lists%d", (int)getpid());
    char *arguments[WORDS] = {program};
    for (unsigned i = 1; i < WORDS; i++)
        arguments[i] = words[i];
    CHECK(rte_eal_init(WORDS, arguments) >= 0);
}

int main(int argc, char **argv)
{
    static const struct sizes smoke = {9000, 1000, 1000, 1 << 14, 256, 1 << 13, 1 << 15};
    static const struct sizes full = {900000, 100000, 20000, 1 << 21, 2048, 1 << 19, 1 << 19};
    bool is_smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
    if (argc > 1 && !is_smoke) {
        fprintf(stderr, "usage: %s [--smoke]\n", argv[0]);
        return 2;
    }
    const struct sizes *sizes = is_smoke ? &smoke : &full;
    start_eal(argv[0], sizes->eal_mb);
    run(sizes);
    rte_eal_cleanup();
    return 0;
}

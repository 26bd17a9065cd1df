// SPDX-License-Identifier: BSD-3-Clause
#include "flood_rig.h"

#include "base/rng.h"
#include "guard/guard.h"
#include "net/checksum.h"
#include "rules/rules.h"
#include "support/link_sim_packet.h"
#include "worker/worker_internal.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum {
    ROUNDS = 5,
    MBUFS = 8191,
    MBUF_CACHE = 256,
    ETHERNET = 14,
    FRAME_MAX = 112,
    ARP_SIZE = 42,
    ND_SIZE = ETHERNET + 40 + 32,
    ANNOUNCE_EVERY = 1 << 20, // frames; the gateway says where it is
};

struct frame {
    uint8_t bytes[FRAME_MAX];
    uint16_t size;
};

struct flood {
    struct flood_config config;
    struct policy *policy;
    struct snapshot snapshot;
    struct counter_block counters;
    struct worker *worker;
    const struct rte_eth_rxtx_callback *callback;
    // The filler's.
    struct frame syn, announcement;
    uint64_t ip_sum, tcp_sum; // of the SYN without what differs
    uint64_t chance, source_mask;
    uint32_t until_announcement;
};

static struct rte_mempool *pool;
static struct port ports[LEG_COUNT];

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void boot_fill(struct policy_boot *boot)
{
    static const char *const devices[LEG_COUNT] = {"net_null0", "net_ring0"};
    static const char *const addrs[LEG_COUNT][FAMILY_COUNT] = {{"198.51.100.1", "2001:db8:51::1"},
                                                               {"203.0.113.1", "2001:db8:113::1"}};
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        struct policy_interface *i = &boot->legs[leg];
        snprintf(i->device, sizeof i->device, "%s", devices[leg]);
        i->mtu = 1500;
        for (int family = 0; family < FAMILY_COUNT; family++)
            CHECK(addr_parse(addrs[leg][family], &i->addr[family]));
        i->bits[FAMILY_V4] = ADDR_V4_BITS + 24;
        i->bits[FAMILY_V6] = 64;
    }
    boot->workers = 1;
    boot->hugepage_mb = 256;
    boot->mbufs = MBUFS;
    boot->connections = boot->sessions = 65536;
    boot->sources = 1 << 20;
}

void flood_start(bool smoke)
{
    static struct policy_boot boot;
    const char *what = "";
    boot_fill(&boot);
    snprintf(boot.eal, sizeof boot.eal, "--no-telemetry --log-level=*:error");
    boot.hugepage_mb = smoke ? 64 : 256;
    CHECK(port_eal_init(&boot, &what) == 0);
    pool = rte_pktmbuf_pool_create("flood", MBUFS, MBUF_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                   SOCKET_ID_ANY);
    CHECK(pool != NULL);
    for (int leg = 0; leg < LEG_COUNT; leg++)
        CHECK(port_open(&ports[leg], &boot, (enum leg)leg, pool, &what) == 0);
}

static struct policy *policy_make(const struct flood_config *config)
{
    struct policy *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    *p = (struct policy){.magic = POLICY_MAGIC,
                         .version = contract_version,
                         .size = sizeof *p,
                         .generation = 1,
                         .services_count = 1,
                         .backends_count = 1,
                         .routes_count = 2};
    boot_fill(&p->boot);
    // IPv6 has half the entries that IPv4 has.
    p->boot.sources = UINT32_C(1) << (config->table + !config->v4);
    for (int i = 0; i < LIMIT_COUNT; i++)
        p->limits[i] = config->limits[i] ? config->limits[i] : limit_facts((enum limit)i)->value;
    p->limits[LIMIT_BACKEND_CHECK_SECONDS] = 0;
    p->services[0] = (struct policy_service){.name = "smtp", .port = 25};
    p->backends[0] = (struct policy_backend){
        .name = "postfix", .servers_count = 1, .servers = {{.port = 25, .weight = 1}}};
    p->routes[0] = (struct policy_route){.to = {.bits = ADDR_V4_BITS}, .leg = LEG_OUTSIDE};
    p->routes[1] = (struct policy_route){.leg = LEG_OUTSIDE};
    p->routes[0].to.addr = addr_from_v4((const uint8_t[4]){0});
    CHECK(addr_parse("203.0.113.10", &p->backends[0].servers[0].addr));
    CHECK(addr_parse("198.51.100.10", &p->routes[0].via));
    CHECK(addr_parse("2001:db8:51::10", &p->routes[1].via));
    struct policy_range *ranges[] = {&p->domains, &p->relay_networks, &p->prefixes, &p->rules,
                                     &p->rules_database};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        ranges[i]->offset = sizeof *p;
    snprintf(p->smtp.host_name, sizeof p->smtp.host_name, "mail.example.net");
    policy_verdicts_default(&p->smtp);
    const char *what = "";
    CHECK(policy_is_sound(p, p->size, &what));
    return p;
}

static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 9};

static void ethernet_write(struct frame *frame, const uint8_t to[6], uint16_t type)
{
    memcpy(frame->bytes, to, 6);
    memcpy(frame->bytes + 6, gateway_mac, 6);
    frame->bytes[12] = (uint8_t)(type >> 8);
    frame->bytes[13] = (uint8_t)type;
}

// The gateway's answer to who asked for it, over and over.
static void announcement_make(struct flood *f)
{
    struct frame *frame = &f->announcement;
    const struct policy_boot *boot = &f->policy->boot;
    const uint8_t *mac = ports[LEG_OUTSIDE].mac;
    uint8_t *at = frame->bytes + ETHERNET;
    if (f->config.v4) {
        static const uint8_t kind[8] = {0, 1, 8, 0, 6, 4, 0, 2};
        ethernet_write(frame, mac, 0x0806);
        memcpy(at, kind, sizeof kind);
        memcpy(at + 8, gateway_mac, 6);
        memcpy(at + 14, f->policy->routes[0].via.bytes + 12, 4);
        memcpy(at + 18, mac, 6);
        memcpy(at + 24, boot->legs[LEG_OUTSIDE].addr[FAMILY_V4].bytes + 12, 4);
        frame->size = ARP_SIZE;
        return;
    }
    const uint8_t *gateway = f->policy->routes[1].via.bytes;
    uint8_t *icmp = at + 40;
    ethernet_write(frame, mac, 0x86dd);
    memcpy(at, (const uint8_t[8]){0x60, 0, 0, 0, 0, 32, 58, 255}, 8);
    memcpy(at + 8, gateway, 16);
    memcpy(at + 24, boot->legs[LEG_OUTSIDE].addr[FAMILY_V6].bytes, 16);
    memcpy(icmp, (const uint8_t[8]){136, 0, 0, 0, 0x60}, 8); // solicited, override
    memcpy(icmp + 8, gateway, 16);
    memcpy(icmp + 24, (const uint8_t[2]){2, 1}, 2);
    memcpy(icmp + 26, gateway_mac, 6);
    uint16_t sum = (uint16_t)~checksum_fold(checksum_add_v6(at, 58, span_of(icmp, 32)));
    memcpy(icmp + 2, &sum, sizeof sum);
    frame->size = ND_SIZE;
}

static void syn_make(struct flood *f)
{
    const struct policy_boot *boot = &f->policy->boot;
    struct packet syn = {.dst = boot->legs[LEG_OUTSIDE].addr[f->config.v4 ? FAMILY_V4 : FAMILY_V6],
                         .dst_port = 25,
                         .ttl = 57,
                         .window = 64240,
                         .tcp_flags = TCP_SYN,
                         .options = {.mss = 1460}};
    if (f->config.v4)
        syn.src = addr_from_v4((const uint8_t[4]){0});
    else
        syn.src.bytes[15] = 1;
    if (f->config.options) {
        syn.options.has_timestamps = syn.options.sack_permitted = true;
        syn.options.has_window_scale = true;
        syn.options.window_scale = 7;
        syn.options.ts_value = 123456789;
    }
    struct rte_mbuf *m = link_sim_packet_make(pool, &syn, span_of(NULL, 0));
    ethernet_write(&f->syn, ports[LEG_OUTSIDE].mac, f->config.v4 ? 0x0800 : 0x86dd);
    uint16_t size = rte_pktmbuf_data_len(m);
    uint8_t *ip = f->syn.bytes + ETHERNET;
    CHECK(ETHERNET + size <= FRAME_MAX);
    memcpy(ip, rte_pktmbuf_mtod(m, const void *), size);
    rte_pktmbuf_free(m);
    f->syn.size = (uint16_t)(ETHERNET + size);
    uint8_t *tcp = ip + (f->config.v4 ? 20 : 40);
    struct span l4 = span_of(tcp, (size_t)(f->syn.bytes + f->syn.size - tcp));
    memset(tcp + 16, 0, 2);
    if (f->config.v4) {
        memset(ip + 10, 0, 2);
        f->ip_sum = checksum_add(0, ip, 20);
        f->tcp_sum = checksum_add_v4(ip, 6, l4);
    } else {
        f->tcp_sum = checksum_add_v6(ip, 6, l4);
    }
    if (f->syn.size < 60)
        f->syn.size = 60; // Ethernet's least, without its check sequence
}

static inline void store_sum(uint8_t *at, uint64_t sum)
{
    uint16_t value = (uint16_t)~checksum_fold(sum);
    memcpy(at, &value, sizeof value);
}

static inline void fill(struct flood *f, struct rte_mbuf *m)
{
    const struct frame *from = &f->syn;
    if (unlikely(f->until_announcement-- == 0)) {
        f->until_announcement = ANNOUNCE_EVERY;
        from = &f->announcement;
    }
    m->data_len = from->size;
    m->pkt_len = from->size;
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
    memcpy(frame, from->bytes, f->config.v4 ? 80 : FRAME_MAX);
    if (unlikely(from != &f->syn))
        return;
    uint64_t r = f->chance;
    r ^= r << 13;
    r ^= r >> 7;
    r ^= r << 17;
    f->chance = r;
    uint32_t ports_seq = (uint32_t)(r >> 32);
    uint64_t n = r & f->source_mask;
    uint8_t *ip = frame + ETHERNET, *tcp;
    uint64_t sum = f->tcp_sum;
    if (f->config.v4) {
        uint32_t source = __builtin_bswap32(0x20000000 + (uint32_t)n);
        tcp = ip + 20;
        memcpy(ip + 12, &source, sizeof source);
        store_sum(ip + 10, f->ip_sum + source);
        sum += source;
    } else {
        uint64_t source = __builtin_bswap64(0x20010db800000000 + n);
        tcp = ip + 40;
        memcpy(ip + 8, &source, sizeof source);
        sum += (uint32_t)source + (source >> 32);
    }
    uint16_t port = (uint16_t)ports_seq | 0x0400;
    memcpy(tcp, &port, sizeof port);
    memcpy(tcp + 4, &ports_seq, sizeof ports_seq);
    store_sum(tcp + 16, sum + port + ports_seq);
}

static uint16_t fill_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count,
                           uint16_t most, void *flood)
{
    for (uint16_t i = 0; i < count; i++)
        fill(flood, mbufs[i]);
    return count;
}

struct flood *flood_open(const struct flood_config *config)
{
    const char *what = "";
    struct flood *f = calloc(1, sizeof *f);
    CHECK(f != NULL);
    f->config = *config;
    f->policy = policy_make(config);
    f->snapshot.policy = f->policy;
    f->snapshot.rules = rules_build(f->policy, &what);
    f->snapshot.uses[0].scratch = rules_scratch_open(f->snapshot.rules);
    f->snapshot.lists = guard_lists_build(f->policy, &what);
    struct worker_config worker = {.boot = &f->policy->boot,
                                   .mbufs = pool,
                                   .counters = &f->counters,
                                   .clock_start = rte_rdtsc() - rte_get_tsc_hz(),
                                   .guard_key = {{1, 2}},
                                   .tcp_key = {{3, 4}},
                                   .snapshot = &f->snapshot};
    for (int leg = 0; leg < LEG_COUNT; leg++)
        worker.ports[leg] = &ports[leg];
    announcement_make(f);
    syn_make(f);
    f->chance = 88172645463325252u;
    f->source_mask = (UINT64_C(1) << config->sources) - 1;
    f->callback = rte_eth_add_rx_callback(ports[LEG_OUTSIDE].id, 0, fill_burst, f);
    f->worker = worker_open(&worker, &what);
    CHECK(f->callback && f->worker);
    return f;
}

void flood_close(struct flood *f)
{
    worker_close(f->worker);
    CHECK(rte_eth_remove_rx_callback(ports[LEG_OUTSIDE].id, 0, f->callback) == 0);
    for (struct rte_mbuf *m; port_receive(&ports[LEG_INSIDE], 0, &m, 1) == 1;)
        rte_pktmbuf_free(m); // our own questions
    CHECK(rte_mempool_in_use_count(pool) == 0);
    rules_scratch_close(f->snapshot.uses[0].scratch);
    rules_free(f->snapshot.rules);
    guard_lists_free(f->snapshot.lists);
    free(f->policy);
    free(f);
}

const struct counter_block *flood_counters(const struct flood *f)
{
    return &f->counters;
}

static double run_ours(struct flood *f, uint64_t frames)
{
    uint64_t before = f->counters.counters[COUNTER_RX_PACKETS], start_ns = clock_ns();
    while (f->counters.counters[COUNTER_RX_PACKETS] - before < frames)
        worker_turn(f->worker);
    return (double)(clock_ns() - start_ns) /
           (double)(f->counters.counters[COUNTER_RX_PACKETS] - before);
}

static double run_peer(struct flood *f, uint64_t frames)
{
    struct rte_mbuf *mbufs[BURST];
    uint64_t count = 0, bytes = 0, start_ns = clock_ns();
    while (count < frames) {
        uint16_t got = port_receive(&ports[LEG_OUTSIDE], 0, mbufs, BURST);
        count += got;
        for (uint16_t i = 0; i < got; i++) {
            bytes += mbufs[i]->pkt_len;
            rte_pktmbuf_free(mbufs[i]);
        }
    }
    CHECK(bytes > 0);
    return (double)(clock_ns() - start_ns) / (double)count;
}

static double run_fill(struct flood *f, uint64_t frames)
{
    struct rte_mbuf *mbufs[BURST];
    CHECK(rte_pktmbuf_alloc_bulk(pool, mbufs, BURST) == 0);
    uint64_t start_ns = clock_ns(), count = 0;
    for (; count < frames; count += BURST)
        fill_burst(0, 0, mbufs, BURST, BURST, f);
    double ns = (double)(clock_ns() - start_ns) / (double)count;
    rte_pktmbuf_free_bulk(mbufs, BURST);
    return ns;
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

struct flood_times flood_run(struct flood *f, uint64_t frames)
{
    double ours[ROUNDS], peer[ROUNDS], filled[ROUNDS];
    run_ours(f, frames); // fills the tables
    for (unsigned i = 0; i < ROUNDS; i++) {
        ours[i] = run_ours(f, frames);
        peer[i] = run_peer(f, frames);
        filled[i] = run_fill(f, frames);
    }
    return (struct flood_times){median(ours), median(peer), median(filled)};
}

struct moment {
    uint64_t ns; // of this thread's own time
    long switches, faults;
};

static struct moment moment_now(void)
{
    struct rusage usage;
    CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    return (struct moment){clock_ns(), usage.ru_nivcsw, usage.ru_minflt + usage.ru_majflt};
}

// A spin of as long as the turns took, which cannot be long by anything of ours.
static double longest_pause_us(uint64_t spin_ns)
{
    struct moment begun = moment_now(), before = begun;
    uint64_t longest_ns = 0;
    while (before.ns - begun.ns < spin_ns) {
        struct moment now = moment_now();
        if (now.ns - before.ns > longest_ns)
            longest_ns = now.ns - before.ns;
        before = now;
    }
    return (double)longest_ns / 1000;
}

struct flood_turn flood_worst_turn(struct flood *f, uint64_t turns)
{
    struct flood_turn worst = {0};
    struct moment begun = moment_now(), before = begun;
    for (uint64_t i = 0; i < turns; i++) {
        worker_turn(f->worker);
        struct moment now = moment_now();
        double us = (double)(now.ns - before.ns) / 1000;
        if (us > worst.us)
            worst = (struct flood_turn){us, now.switches - before.switches,
                                        now.faults - before.faults, 0};
        before = now;
    }
    worst.pause_us = longest_pause_us(before.ns - begun.ns);
    return worst;
}

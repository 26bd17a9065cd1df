// SPDX-License-Identifier: BSD-3-Clause
#include "tcp_pair.h"

#include "link/port_mbufs.h"
#include "tcp/tcp_header.h"

#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_mempool.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <time.h>

enum {
    BURST = 32,
    CLIENTS = 240,
    MBUFS = 524287, // those of the responses that a million connections have not acknowledged yet
    MBUFS_SMOKE = 16383,
    CONNECTS_AT_A_TIME = 1024
};

uint64_t tcp_pair_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct rte_mempool *mbufs;

static struct addr addr_of(const struct tcp_pair *pair, int end, uint32_t n)
{
    uint8_t v4[4] = {198, end == TCP_PAIR_CLIENT ? 18 : 51, 100, (uint8_t)n};
    uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0x50, (uint8_t)end, [15] = (uint8_t)n};
    return pair->config.v4 ? addr_from_v4(v4) : addr_from_v6(v6);
}

static void emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    struct tcp_pair_end *from = context;
    struct tcp_pair_end *to = &from->pair->ends[from == from->pair->ends];
    CHECK(to->tail - to->head < TCP_PAIR_RING);
    to->ring[to->tail++ % TCP_PAIR_RING] = m;
}

void tcp_pair_open(struct tcp_pair *pair, const struct tcp_pair_config *config)
{
    *pair = (struct tcp_pair){
        .config = *config, .mbufs = mbufs, .now_us = tcp_pair_clock_ns() / 1000 + 1000000000};
    guard_cookie_init(&pair->cookie, &(struct siphash_key){{1, 2}});
    for (int end = 0; end < 2; end++) {
        struct tcp_config tcp = {
            .connections = config->connections,
            .send_bytes = config->queue_bytes,
            .receive_bytes = config->queue_bytes,
            .mtu = {1500, 1500},
            .workers = 1,
            .key = {{5 + (uint64_t)end, 6}},
            .mbufs = mbufs,
            .counters = &pair->ends[end].counters,
            .emit = emit,
            .context = &pair->ends[end],
        };
        pair->ends[end].pair = pair;
        pair->ends[end].tcp = tcp_open(&tcp);
        CHECK(pair->ends[end].tcp != NULL);
        tcp_advance(pair->ends[end].tcp, pair->now_us);
    }
}

void tcp_pair_shut(struct tcp_pair *pair)
{
    for (int end = 0; end < 2; end++) {
        struct tcp_pair_end *e = &pair->ends[end];
        while (e->head != e->tail)
            rte_pktmbuf_free(e->ring[e->head++ % TCP_PAIR_RING]);
        tcp_shut(e->tcp);
    }
    CHECK(rte_mempool_in_use_count(pair->mbufs) == 0);
}

handle tcp_pair_connect(struct tcp_pair *pair, uint64_t user)
{
    struct addr from = addr_of(pair, TCP_PAIR_CLIENT, pair->connects++ % CLIENTS);
    struct addr to = addr_of(pair, TCP_PAIR_SERVER, 1);
    enum reason reason = REASON_NONE;
    handle h = tcp_connect(pair->ends[TCP_PAIR_CLIENT].tcp, &from, &to, TCP_PAIR_PORT, LEG_INSIDE,
                           user, pair->now_us, &reason);
    CHECK(h != HANDLE_NONE);
    return h;
}

struct packet tcp_pair_parse(const struct rte_mbuf *m, bool v4, enum leg leg)
{
    const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
    size_t ip_size = v4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
    const struct rte_tcp_hdr *tcp = (const void *)(ip + ip_size);
    size_t tcp_size = (size_t)(tcp->data_off >> 4) * 4;
    CHECK(m->data_len >= ip_size + tcp_size && tcp_size >= sizeof *tcp);
    struct packet p = {
        .src = v4 ? addr_from_v4(ip + 12) : addr_from_v6(ip + 8),
        .dst = v4 ? addr_from_v4(ip + 16) : addr_from_v6(ip + 24),
        .src_port = rte_be_to_cpu_16(tcp->src_port),
        .dst_port = rte_be_to_cpu_16(tcp->dst_port),
        .leg = (uint8_t)leg,
        .ttl = 64,
        .tcp_flags = tcp->tcp_flags,
        .seq = rte_be_to_cpu_32(tcp->sent_seq),
        .ack = rte_be_to_cpu_32(tcp->recv_ack),
        .window = rte_be_to_cpu_16(tcp->rx_win),
        .l4_offset = (uint16_t)ip_size,
        .payload_offset = (uint16_t)(ip_size + tcp_size),
        .payload_size = (uint16_t)(m->data_len - ip_size - tcp_size),
    };
    struct span options = span_of((const uint8_t *)(tcp + 1), tcp_size - sizeof *tcp);
    CHECK(tcp_option_parse(options, &p.options));
    return p;
}

static void answer_syn(struct tcp_pair *pair, const struct packet *syn)
{
    struct tcp *tcp = pair->ends[TCP_PAIR_SERVER].tcp;
    struct guard_cookie_answer answer;
    guard_cookie_make(&pair->cookie, &syn, 1, pair->now_us, &answer);
    struct tcp_option option = {.mss = pair->config.v4 ? 1460 : 1440,
                                .has_window_scale = true,
                                .window_scale = TCP_WINDOW_SCALE_OURS,
                                .sack_permitted = true,
                                .has_timestamps = true,
                                .ts_value = answer.ts_value,
                                .ts_echo = syn->options.ts_value};
    struct tcp_header header = {.local = &syn->dst,
                                .remote = &syn->src,
                                .local_port = syn->dst_port,
                                .remote_port = syn->src_port,
                                .leg = syn->leg,
                                .flags = TCP_SYN | TCP_ACK,
                                .seq = answer.iss,
                                .ack = syn->seq + 1,
                                .window = UINT16_MAX,
                                .option = &option};
    CHECK(tcp_header_emit(tcp, &header));
}

static handle stray(struct tcp_pair *pair, int to, const struct packet *p)
{
    struct tcp_handshake handshake;
    if (to == TCP_PAIR_SERVER && p->tcp_flags == TCP_SYN)
        answer_syn(pair, p);
    else if (to == TCP_PAIR_SERVER && p->tcp_flags & TCP_ACK &&
             guard_cookie_check(&pair->cookie, p, pair->now_us, &handshake))
        return tcp_accept(pair->ends[to].tcp, p, &handshake, 0, pair->now_us);
    return HANDLE_NONE;
}

static void deliver_burst(struct tcp_pair *pair, int to, unsigned count)
{
    struct tcp_pair_end *end = &pair->ends[to];
    struct packet packets[BURST];
    struct tcp_look looks[BURST];
    uint8_t which[BURST];
    struct rte_mbuf *burst[BURST];
    enum leg leg = to == TCP_PAIR_SERVER ? LEG_OUTSIDE : LEG_INSIDE;
    CHECK(count > 0 && count <= BURST);
    for (unsigned i = 0; i < count; i++) { // as worker_burst.c does
        burst[i] = end->ring[end->head++ % TCP_PAIR_RING];
        rte_prefetch0(rte_pktmbuf_mtod(burst[i], void *));
    }
    for (unsigned i = 0; i < count; i++) {
        packets[i] = tcp_pair_parse(burst[i], pair->config.v4, leg);
        which[i] = (uint8_t)i;
    }
    tcp_look(end->tcp, packets, which, count, looks);
    for (unsigned i = 0; i < count; i++) {
        handle h = tcp_lookup_at(end->tcp, &packets[i], &looks[i]);
        if (h == HANDLE_NONE)
            h = stray(pair, to, &packets[i]);
        if (h == HANDLE_NONE)
            rte_pktmbuf_free(burst[i]);
        else
            tcp_input(end->tcp, h, burst[i], &packets[i], pair->now_us);
    }
}

void tcp_pair_deliver(struct tcp_pair *pair, int to)
{
    struct tcp_pair_end *end = &pair->ends[to];
    pair->now_us = tcp_pair_clock_ns() / 1000 + 1000000000;
    for (uint32_t waiting = end->tail - end->head; waiting;) {
        unsigned count = waiting < BURST ? waiting : BURST;
        deliver_burst(pair, to, count);
        waiting -= count;
    }
}

void tcp_pair_advance(struct tcp_pair *pair, int end)
{
    tcp_advance(pair->ends[end].tcp, pair->now_us);
}

handle *tcp_pair_establish(struct tcp_pair *pair, uint32_t count)
{
    handle *handles = malloc(count * sizeof *handles);
    CHECK(handles != NULL);
    struct tcp_event event;
    for (uint32_t begun = 0, connected = 0; connected < count;) {
        for (; begun < count && begun - connected < CONNECTS_AT_A_TIME; begun++)
            handles[begun] = tcp_pair_connect(pair, begun);
        for (int end = 1; end >= 0; end--) {
            tcp_pair_deliver(pair, end);
            while (tcp_event_next(pair->ends[end].tcp, &event))
                connected += event.bits == TCP_EVENT_CONNECTED;
            tcp_pair_advance(pair, end);
        }
    }
    tcp_pair_deliver(pair, TCP_PAIR_SERVER); // the last final ACKs
    CHECK(tcp_connections(pair->ends[TCP_PAIR_SERVER].tcp) == count);
    return handles;
}

void tcp_pair_report(const char *bench, const char *name, double value, const char *unit)
{
    printf("{\"bench\":\"%s\",\"case\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", bench, name,
           value, unit);
    fflush(stdout);
}

bool tcp_pair_main(int argc, char **argv)
{
    bool smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
    if (argc > 2 || (argc == 2 && !smoke)) {
        fprintf(stderr, "usage: %s [--smoke]\n", argv[0]);
        exit(2);
    }
    enum { WORDS = 9 };
    char words[WORDS][24] = {"",
                             "--no-huge",
                             "--no-pci",
                             "--lcores=0@0",
                             "--no-shconf",
                             "--no-telemetry",
                             "--log-level=*:error",
                             "-m",
                             ""};
    snprintf(words[8], sizeof words[8], "%d", smoke ? 64 : 1280);
    char *arguments[WORDS] = {argv[0]};
    for (int i = 1; i < WORDS; i++)
        arguments[i] = words[i];
    CHECK(rte_eal_init(WORDS, arguments) >= 0);
    mbufs = port_mbufs_open("pair", smoke ? MBUFS_SMOKE : MBUFS);
    CHECK(mbufs != NULL);
    return smoke;
}

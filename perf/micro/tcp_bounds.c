// SPDX-License-Identifier: BSD-3-Clause

/* tcp.bounds: the work of the worst hostile segment, with full queues, as a multiple of a segment
 * of an ordinary request and its share of the answer. Each kind is given again and again to a
 * connection that is set up for it; its cost is the mean.
 *
 * Usage: bench_tcp_bounds [--smoke]
 */

#include "tcp_pair.h"

#include <rte_mbuf.h>

enum { MSS = 1448, QUEUE_BYTES = 384 * 1024, HEADERS = 40, OURS = 7000001, PEER = 1000001 };

static struct tcp_pair pair;
static struct tcp *tcp;
static handle h;
static uint32_t base; // snd_una with a full queue

static struct packet segment(uint8_t flags, uint32_t seq, uint32_t ack, uint16_t size)
{
    uint8_t from[4] = {192, 0, 2, 1}, to[4] = {192, 0, 2, 2};
    return (struct packet){.src = addr_from_v4(from),
                           .dst = addr_from_v4(to),
                           .src_port = 4000,
                           .dst_port = 25,
                           .tcp_flags = flags,
                           .seq = seq,
                           .ack = ack,
                           .window = UINT16_MAX,
                           .payload_offset = HEADERS,
                           .payload_size = size};
}

static void give(const struct packet *p)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pair.mbufs);
    CHECK(m && rte_pktmbuf_append(m, (uint16_t)(HEADERS + p->payload_size)));
    tcp_input(tcp, h, m, p, pair.now_us);
}

static void drop_emitted(void)
{
    struct tcp_pair_end *out = &pair.ends[TCP_PAIR_CLIENT];
    while (out->head != out->tail)
        rte_pktmbuf_free(out->ring[out->head++ % TCP_PAIR_RING]);
}

static void turn(void)
{
    tcp_advance(tcp, pair.now_us);
    drop_emitted();
}

static void begin(void)
{
    struct tcp_pair_config config = {.connections = 16, .queue_bytes = QUEUE_BYTES, .v4 = true};
    tcp_pair_open(&pair, &config);
    tcp = pair.ends[TCP_PAIR_SERVER].tcp;
    struct tcp_handshake handshake = {.iss = OURS - 1,
                                      .irs = PEER - 1,
                                      .peer_mss = MSS,
                                      .peer_window_scale = 7,
                                      .window_scaling = true,
                                      .sack = true};
    struct packet ack = segment(TCP_ACK, PEER, OURS, 0);
    h = tcp_accept(tcp, &ack, &handshake, 1, pair.now_us);
    CHECK(h != HANDLE_NONE);
}

// The highest number that went out and is still on the way to the peer.
static uint32_t sent_end(uint32_t end)
{
    struct tcp_pair_end *out = &pair.ends[TCP_PAIR_CLIENT];
    for (; out->head != out->tail; out->head++) {
        struct rte_mbuf *m = out->ring[out->head % TCP_PAIR_RING];
        struct packet p = tcp_pair_parse(m, true, LEG_OUTSIDE);
        if (seq_after(p.seq + p.payload_size, end))
            end = p.seq + p.payload_size;
        rte_pktmbuf_free(m);
    }
    return end;
}

// Acknowledges until cwnd takes a whole queue, and leaves that in flight. Returns its bytes;
// `base` is snd_una then.
static uint32_t fill_send_queue(void)
{
    static const uint8_t bytes[QUEUE_BYTES];
    uint32_t end = base;
    for (int round = 0; round < 32 && end - base < QUEUE_BYTES * 9 / 10; round++) {
        struct packet p = segment(TCP_ACK, PEER, end, 0);
        pair.now_us += 1000;
        give(&p);
        base = end;
        tcp_send(tcp, h, span_of(bytes, QUEUE_BYTES));
        for (int i = 0; i < 8; i++) {
            tcp_advance(tcp, pair.now_us);
            end = sent_end(end);
        }
    }
    return end - base;
}

static double mean_ns(void (*one)(uint32_t n), uint32_t times)
{
    uint64_t start_ns = tcp_pair_clock_ns();
    for (uint32_t n = 0; n < times; n++) {
        one(n);
        turn();
    }
    return (double)(tcp_pair_clock_ns() - start_ns) / times;
}

static void ordinary(uint32_t n)
{
    static const uint8_t bytes[64];
    struct packet p = segment(TCP_ACK, PEER + n * 64, OURS + n * 64, 64);
    give(&p);
    tcp_consume(tcp, h, 64);
    CHECK(tcp_send(tcp, h, span_of(bytes, 64)) == 64);
}

// Four blocks that touch every segment in flight and tell nothing new.
static void sack_all(uint32_t n)
{
    struct packet p = segment(TCP_ACK, PEER, base, 0);
    p.options.sack_count = 4;
    for (uint32_t i = 0; i < 4; i++)
        p.options.sack[i] = (struct tcp_sack_block){base + 1 + i, base + QUEUE_BYTES / 2 - 1};
    give(&p);
}

// One block a segment, from the far end: each is new.
static void sack_new(uint32_t n)
{
    struct packet p = segment(TCP_ACK, PEER, base, 0);
    uint32_t at = base + MSS * (1 + n * 2 % 128);
    p.options.sack_count = 1;
    p.options.sack[0] = (struct tcp_sack_block){at, at + MSS};
    give(&p);
}

// Islands of one byte all over the window.
static void islands(uint32_t n)
{
    struct packet p = segment(TCP_ACK, PEER + 10 + n % 997 * 200, OURS, 1);
    give(&p);
}

static void resets(uint32_t n)
{
    struct packet p = segment(TCP_RST, PEER + 1 + n % 1000, OURS, 0);
    give(&p);
}

static void repetitions(uint32_t n)
{
    struct packet p = segment(TCP_ACK, PEER - 1000, OURS, 1000);
    give(&p);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*one)(uint32_t n);
        bool fill;
    } kinds[] = {{"sack that tells nothing", sack_all, true},
                 {"sack from the far end", sack_new, true},
                 {"islands", islands, false},
                 {"resets", resets, false},
                 {"repetitions", repetitions, false}};
    uint32_t times = tcp_pair_main(argc, argv) ? 2000 : 200000;
    begin();
    mean_ns(ordinary, times / 10);
    tcp_pair_shut(&pair);
    begin();
    double normal = mean_ns(ordinary, times);
    tcp_pair_shut(&pair);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        begin();
        base = OURS;
        uint32_t held = kinds[i].fill ? fill_send_queue() : 0;
        double each = mean_ns(kinds[i].one, times);
        fprintf(stderr, "tcp.bounds %s: %.0f ns, ordinary %.0f ns, %u bytes queued\n",
                kinds[i].name, each, normal, held);
        tcp_pair_report("tcp.bounds", kinds[i].name, each / normal, "x");
        tcp_pair_shut(&pair);
    }
    return 0;
}

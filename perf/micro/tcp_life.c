// SPDX-License-Identifier: BSD-3-Clause

/* tcp.life: connections a second from SYN to both FINs with one request and one response between,
 * opened against SYN cookies, 256 at a time. The server closes first and keeps TIME-WAIT records,
 * whose ring is full from the start of what is measured; SYNs that meet one of them are let
 * through by their timestamp or number.
 *
 * Usage: bench_tcp_life [--smoke]
 */

#include "tcp_pair.h"

enum { AT_A_TIME = 256, REQUEST = 64, RESPONSE = 256, ROUNDS = 3 };

static struct tcp_pair pair;
static const uint8_t bytes[RESPONSE];

static void read_all(struct tcp *tcp, handle h)
{
    struct span spans[4];
    size_t size = 0;
    unsigned count = tcp_peek(tcp, h, spans, 4);
    for (unsigned i = 0; i < count; i++)
        size += spans[i].size;
    tcp_consume(tcp, h, size);
}

static void serve(struct tcp *tcp)
{
    struct tcp_event event;
    while (tcp_event_next(tcp, &event)) {
        if (!(event.bits & TCP_EVENT_READABLE))
            continue;
        read_all(tcp, event.connection);
        CHECK(tcp_send(tcp, event.connection, span_of(bytes, RESPONSE)) == RESPONSE);
        tcp_finish(tcp, event.connection);
    }
}

static uint32_t ask(struct tcp *tcp)
{
    struct tcp_event event;
    uint32_t ended = 0;
    while (tcp_event_next(tcp, &event)) {
        CHECK(!(event.bits & TCP_EVENT_CLOSED));
        if (event.bits & TCP_EVENT_CONNECTED)
            CHECK(tcp_send(tcp, event.connection, span_of(bytes, REQUEST)) == REQUEST);
        if (event.bits & TCP_EVENT_READABLE)
            read_all(tcp, event.connection);
        if (event.bits & TCP_EVENT_FINISHED) {
            tcp_release(tcp, event.connection);
            ended++;
        }
    }
    return ended;
}

static double run(uint32_t lives)
{
    uint64_t start_ns = tcp_pair_clock_ns();
    struct tcp *client = pair.ends[TCP_PAIR_CLIENT].tcp, *server = pair.ends[TCP_PAIR_SERVER].tcp;
    for (uint32_t begun = 0, ended = 0; ended < lives;) {
        for (; begun < lives && begun - ended < AT_A_TIME; begun++)
            tcp_pair_connect(&pair, 0);
        tcp_pair_deliver(&pair, TCP_PAIR_SERVER);
        serve(server);
        tcp_pair_advance(&pair, TCP_PAIR_SERVER);
        tcp_pair_deliver(&pair, TCP_PAIR_CLIENT);
        ended += ask(client);
        tcp_pair_advance(&pair, TCP_PAIR_CLIENT);
    }
    return lives / ((double)(tcp_pair_clock_ns() - start_ns) / 1e9);
}

static void measure(bool v4, uint32_t connections, uint32_t lives, const char *name)
{
    struct tcp_pair_config config = {.connections = connections, .queue_bytes = 65536, .v4 = v4};
    tcp_pair_open(&pair, &config);
    run(connections); // fills the ring of TIME-WAIT records
    double best = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double rate = run(lives);
        fprintf(stderr, "tcp.life %s: %.0f/s\n", name, rate);
        best = rate > best ? rate : best;
    }
    tcp_pair_report("tcp.life", name, best, "/s");
    tcp_pair_shut(&pair);
}

int main(int argc, char **argv)
{
    bool smoke = tcp_pair_main(argc, argv);
    uint32_t connections = smoke ? 1 << 10 : 1 << 17;
    uint32_t lives = smoke ? 2000 : 200000;
    measure(true, connections, lives, smoke ? "ipv4 1K" : "ipv4 128K");
    measure(false, connections, lives, smoke ? "ipv6 1K" : "ipv6 128K");
    return 0;
}

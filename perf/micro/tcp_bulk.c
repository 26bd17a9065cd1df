// SPDX-License-Identifier: BSD-3-Clause

/* tcp.bulk: what one core can carry over one connection, and over twenty at once, one way, MTU
 * 1500, bytes of data. The receiver reads in place.
 *
 * Usage: bench_tcp_bulk [--smoke]
 */

#include "tcp_pair.h"

#include <stdlib.h>

enum { WRITE = 32768, QUEUE_BYTES = 256 * 1024, ROUNDS = 3 };

static struct tcp_pair pair;
static uint8_t bytes[WRITE];

static uint64_t read_all(void)
{
    struct tcp *tcp = pair.ends[TCP_PAIR_SERVER].tcp;
    struct tcp_event event;
    struct span spans[64];
    uint64_t total = 0;
    while (tcp_event_next(tcp, &event)) {
        unsigned count;
        while ((count = tcp_peek(tcp, event.connection, spans, 64)) > 0) {
            size_t size = 0;
            for (unsigned i = 0; i < count; i++)
                size += spans[i].size;
            tcp_consume(tcp, event.connection, size);
            total += size;
        }
    }
    return total;
}

static double run(const handle *handles, uint32_t connections, uint64_t total)
{
    struct tcp *client = pair.ends[TCP_PAIR_CLIENT].tcp;
    struct tcp_event event;
    uint64_t start_ns = tcp_pair_clock_ns();
    for (uint64_t received = 0; received < total;) {
        for (uint32_t i = 0; i < connections; i++)
            if (tcp_send_room(client, handles[i]) >= WRITE)
                tcp_send(client, handles[i], span_of(bytes, WRITE));
        tcp_pair_advance(&pair, TCP_PAIR_CLIENT);
        tcp_pair_deliver(&pair, TCP_PAIR_SERVER);
        received += read_all();
        tcp_pair_advance(&pair, TCP_PAIR_SERVER);
        tcp_pair_deliver(&pair, TCP_PAIR_CLIENT);
        while (tcp_event_next(client, &event))
            CHECK(event.bits == TCP_EVENT_WRITABLE);
    }
    return (double)total * 8 / (double)(tcp_pair_clock_ns() - start_ns);
}

static void measure(uint32_t connections, uint64_t total, const char *name)
{
    struct tcp_pair_config config = {
        .connections = connections, .queue_bytes = QUEUE_BYTES, .v4 = true};
    tcp_pair_open(&pair, &config);
    handle *handles = tcp_pair_establish(&pair, connections);
    run(handles, connections, total / 4);
    double best = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double rate = run(handles, connections, total);
        fprintf(stderr, "tcp.bulk %s: %.2f Gbit/s, %lu sent again\n", name, rate,
                pair.ends[0].counters.counters[COUNTER_SEGMENTS_RETRANSMITTED]);
        best = rate > best ? rate : best;
    }
    tcp_pair_report("tcp.bulk", name, best, "Gbit/s");
    free(handles);
    tcp_pair_shut(&pair);
}

int main(int argc, char **argv)
{
    bool smoke = tcp_pair_main(argc, argv);
    uint64_t total = smoke ? 1 << 22 : 1 << 30;
    measure(1, total, "ipv4 1 connection");
    measure(20, total, "ipv4 20 connections");
    return 0;
}

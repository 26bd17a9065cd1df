// SPDX-License-Identifier: BSD-3-Clause

/* tcp.rr: requests of 64 bytes answered by 64 a second, 256 of them under way, the connections
 * taken in an order that no cache foresees. With a million connections each waits so long for its
 * next turn that its delayed ACK goes out by itself: a third packet that a thousand do not have.
 *
 * Usage: bench_tcp_rr [--smoke | --8M]
 */

#include "tcp_pair.h"

#include <stdlib.h>

enum { AT_A_TIME = 256, SIZE = 64, ROUNDS = 3, STRIDE = 611953, PATIENCE = 1000000 };

static struct tcp_pair pair;
static const uint8_t bytes[SIZE];

// The server's buffers are all of responses that clients have not acknowledged yet: lets them.
static void wait_for_acks(void)
{
    tcp_pair_advance(&pair, TCP_PAIR_CLIENT);
    tcp_pair_deliver(&pair, TCP_PAIR_SERVER);
}

// Takes what came; the requests are answered. Returns how many came.
static uint32_t take(int end)
{
    struct tcp *tcp = pair.ends[end].tcp;
    struct tcp_event event;
    struct span span;
    uint32_t count = 0;
    while (tcp_event_next(tcp, &event)) {
        if (!(event.bits & TCP_EVENT_READABLE))
            continue;
        CHECK(tcp_peek(tcp, event.connection, &span, 1) == 1 && span.size == SIZE);
        tcp_consume(tcp, event.connection, SIZE);
        for (int tries = 0; end == TCP_PAIR_SERVER; tries++) {
            if (tcp_send(tcp, event.connection, span_of(bytes, SIZE)) == SIZE)
                break;
            CHECK(tries < PATIENCE);
            wait_for_acks();
        }
        count++;
    }
    return count;
}

static double run(const handle *handles, uint32_t connections, uint32_t requests)
{
    static uint32_t at;
    struct tcp *client = pair.ends[TCP_PAIR_CLIENT].tcp;
    uint64_t start_ns = tcp_pair_clock_ns();
    for (uint32_t sent = 0, answered = 0; answered < requests;) {
        for (; sent < requests && sent - answered < AT_A_TIME; sent++) {
            at = (at + STRIDE) % connections;
            CHECK(tcp_send(client, handles[at], span_of(bytes, SIZE)) == SIZE);
        }
        tcp_pair_advance(&pair, TCP_PAIR_CLIENT);
        tcp_pair_deliver(&pair, TCP_PAIR_SERVER);
        take(TCP_PAIR_SERVER);
        tcp_pair_advance(&pair, TCP_PAIR_SERVER);
        tcp_pair_deliver(&pair, TCP_PAIR_CLIENT);
        answered += take(TCP_PAIR_CLIENT);
    }
    return requests / ((double)(tcp_pair_clock_ns() - start_ns) / 1e9);
}

static void measure(uint32_t connections, uint32_t requests, const char *name)
{
    struct tcp_pair_config config = {.connections = connections, .queue_bytes = 65536, .v4 = true};
    tcp_pair_open(&pair, &config);
    handle *handles = tcp_pair_establish(&pair, connections);
    run(handles, connections, requests);
    double best = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double rate = run(handles, connections, requests);
        fprintf(stderr, "tcp.rr %s: %.0f/s\n", name, rate);
        best = rate > best ? rate : best;
    }
    tcp_pair_report("tcp.rr", name, best, "/s");
    free(handles);
    tcp_pair_shut(&pair);
}

int main(int argc, char **argv)
{
    bool huge = argc == 2 && strcmp(argv[1], "--8M") == 0;
    bool smoke = tcp_pair_main(huge ? 1 : argc, argv);
    if (smoke) {
        measure(1000, 5000, "ipv4 1K");
        return 0;
    }
    measure(1000, 500000, "ipv4 1K");
    measure(1000000, 1000000, "ipv4 1M");
    if (huge)
        measure(8000000, 8000000, "ipv4 8M");
    return 0;
}

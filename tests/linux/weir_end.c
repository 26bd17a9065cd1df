// SPDX-License-Identifier: BSD-3-Clause
/* Flows over our own TCP: weir_end PATTERN INTERFACE ADDRESS4 ADDRESS6, commands on standard input
 * (flow.h). The stations net and tcp and the guard's cookies on an interface that this namespace's
 * kernel has no address on; no sessions and no limits. `quiet` is answered when no connection is
 * left, or after a while, with what is still held: connections and packet buffers, which must be 0,
 * and how often each reason was counted.
 */

#include "base/check.h"
#include "base/rng.h"
#include "guard/guard_synack.h"
#include "linux/flow.h"
#include "linux/wire.h"
#include "linux/words.h"
#include "net/net.h"
#include "support/eal_fixture.h"
#include "tcp/tcp.h"

#include <inttypes.h>
#include <poll.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    MBUFS = 32767,
    SEND_BYTES = 393216, // as the worker has it
    RECEIVE_BYTES = 393216,
    SLOW_US = 10000,
    AGAIN_US = 1000000, // between SYN-ACKs, as the guard's SYN cache repeats them
    QUIET_US = 3000000, // patience before `quiet` is answered
};

struct accepting { // of a flow that listens
    struct rte_mbuf *synack;
    uint64_t again_us;
};

struct end {
    struct wire wire;
    struct policy policy;
    struct net *net;
    struct tcp *tcp;
    struct guard_cookie cookie;
    struct guard_synack synack;
    struct counter_block counters;
    struct rte_mempool *mbufs;
    struct accepting accepting[FLOWS_MAX];
    uint64_t now_us;
    uint64_t quiet_us; // until when to wait; 0: nobody asked
};
static struct end end;

static void look_at_clock(void)
{
    uint64_t now_us = wire_now_us(); // which may be set back
    end.now_us = now_us > end.now_us ? now_us : end.now_us;
}

static void emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    net_output(end.net, &m, 1, leg, end.now_us);
}

static void transmit(void *context, struct rte_mbuf *const *frames, unsigned count, enum leg leg)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK(frames[i]->nb_segs == 1);
        wire_send(&end.wire, frames[i]);
    }
}

static void open_stations(const char *v4, const char *v6)
{
    struct policy_interface *outside = &end.policy.boot.legs[LEG_OUTSIDE];
    *outside = (struct policy_interface){.device = "wire", .bits = {120, 64}, .mtu = 1500};
    struct policy_route *routes = end.policy.routes;
    CHECK(addr_parse(v4, &outside->addr[FAMILY_V4]) && addr_parse(v6, &outside->addr[FAMILY_V6]));
    CHECK(prefix_parse("0.0.0.0/0", &routes[0].to) && prefix_parse("::/0", &routes[1].to));
    for (int i = 0; i < FAMILY_COUNT; i++) { // the router is the network's last address
        routes[i].via = outside->addr[i];
        routes[i].via.bytes[15] = 254;
    }
    end.policy.routes_count = FAMILY_COUNT;

    struct net_config net = {.boot = &end.policy.boot,
                             .mbufs = end.mbufs,
                             .counters = &end.counters,
                             .transmit = transmit};
    memcpy(net.mac[LEG_OUTSIDE], end.wire.mac, sizeof end.wire.mac);
    struct tcp_config tcp = {.connections = FLOWS_MAX * 2,
                             .send_bytes = SEND_BYTES,
                             .receive_bytes = RECEIVE_BYTES,
                             .mtu = {1500, 1500},
                             .workers = 1,
                             .mbufs = end.mbufs,
                             .counters = &end.counters,
                             .emit = emit};
    struct siphash_key key;
    CHECK(rng_secret(&tcp.key, sizeof tcp.key) == 0 && rng_secret(&key, sizeof key) == 0);
    guard_cookie_init(&end.cookie, &key);
    guard_synack_init(&end.synack, 1500, UINT16_MAX);
    end.net = net_open(&net);
    end.tcp = tcp_open(&tcp);
    CHECK(end.net && end.tcp);
    net_policy(end.net, &end.policy);
}

void stack_open(struct flow *f)
{
    if (!f->connects)
        return;
    enum reason reason = REASON_NONE;
    const struct addr *local = net_local(end.net, LEG_OUTSIDE, &f->addr);
    f->stack = tcp_connect(end.tcp, local, &f->addr, f->port, LEG_OUTSIDE, (uint64_t)(f - flows),
                           end.now_us, &reason);
    if (f->stack == HANDLE_NONE)
        flow_over(f, reason_name(reason), 0, "");
}

size_t stack_send(struct flow *f, struct span bytes)
{
    return tcp_send(end.tcp, (handle)f->stack, bytes);
}

void stack_finish(struct flow *f)
{
    tcp_finish(end.tcp, (handle)f->stack);
}

static void over(struct flow *f, const char *how)
{
    struct tcp_info info = {0};
    (void)tcp_info(end.tcp, (handle)f->stack, &info);
    flow_over(f, how, info.retransmitted, "");
}

void stack_abort(struct flow *f)
{
    over(f, "aborted");
    tcp_abort(end.tcp, (handle)f->stack);
}

void stack_leave(struct flow *f)
{
    over(f, "left");
    tcp_release(end.tcp, (handle)f->stack);
}

static struct flow *flow_listening(const struct packet *p)
{
    for (unsigned i = 0; i < flow_count; i++)
        if (flows[i].open && !flows[i].connects && !flows[i].up && flows[i].port == p->dst_port)
            return &flows[i];
    return NULL;
}

static void send_synack(struct accepting *a)
{
    struct rte_mbuf *copy = rte_pktmbuf_copy(a->synack, end.mbufs, 0, UINT32_MAX);
    CHECK(copy != NULL);
    net_output(end.net, &copy, 1, LEG_OUTSIDE, end.now_us);
    a->again_us = end.now_us + AGAIN_US;
}

static void forget_synack(struct accepting *a)
{
    rte_pktmbuf_free(a->synack);
    a->synack = NULL;
}

// Takes m.
static void answer_syn(struct flow *f, struct rte_mbuf *m, const struct packet *syn)
{
    struct accepting *a = &end.accepting[f - flows];
    struct guard_cookie_answer cookie;
    guard_cookie_make(&end.cookie, &syn, 1, end.now_us, &cookie);
    CHECK(guard_synack_fits(m));
    guard_synack_write(&end.synack, &m, &syn, &cookie, 1);
    forget_synack(a);
    a->synack = m;
    send_synack(a);
}

// A segment of no connection. HANDLE_NONE: m was taken.
static handle stranger(struct rte_mbuf *m, const struct packet *p)
{
    struct flow *f = flow_listening(p);
    struct tcp_handshake handshake;
    if (f && (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
        answer_syn(f, m, p);
        return HANDLE_NONE;
    }
    if (f && guard_cookie_check(&end.cookie, p, end.now_us, &handshake)) {
        handle h = tcp_accept(end.tcp, p, &handshake, (uint64_t)(f - flows), end.now_us);
        CHECK(h != HANDLE_NONE);
        f->stack = h;
        forget_synack(&end.accepting[f - flows]);
        flow_up(f);
        return h;
    }
    // Of a handshake whose final ACK was lost, later data may come first: it is not refused.
    if (!f && !(p->tcp_flags & TCP_RST))
        tcp_refuse(end.tcp, p);
    rte_pktmbuf_free(m);
    return HANDLE_NONE;
}

static void segment(struct rte_mbuf *m, const struct packet *p)
{
    handle h = tcp_lookup(end.tcp, p);
    bool is_new = h == HANDLE_NONE;
    if (is_new)
        h = stranger(m, p);
    if (h == HANDLE_NONE)
        return;
    tcp_input(end.tcp, h, m, p, end.now_us);
    for (unsigned i = 0; is_new && i < flow_count; i++)
        if (flows[i].stack == h)
            flow_push(&flows[i]);
}

static void receive(void)
{
    struct rte_mbuf *mbufs[WIRE_BURST];
    uint64_t at_us[WIRE_BURST];
    unsigned count = wire_receive(&end.wire, mbufs, at_us);
    for (unsigned i = 0; i < count; i++) {
        struct packet p;
        struct net_icmp icmp;
        enum reason reason;
        switch (net_input(end.net, mbufs[i], LEG_OUTSIDE, end.now_us, &p, &icmp, &reason)) {
        case NET_TCP:
            segment(mbufs[i], &p);
            break;
        case NET_ICMP_ECHO:
            net_echo(end.net, mbufs[i], &p, end.now_us);
            break;
        case NET_ICMP_ERROR:
            tcp_icmp(end.tcp, &p, icmp.next_mtu, icmp.hard, end.now_us);
            rte_pktmbuf_free(mbufs[i]);
            break;
        case NET_REFUSED:
            counter_refuse(&end.counters, reason);
            rte_pktmbuf_free(mbufs[i]);
            break;
        case NET_DONE:
            break;
        }
    }
}

static void read_all(struct flow *f)
{
    struct span spans[32];
    unsigned count;
    while (f->open && (count = tcp_peek(end.tcp, (handle)f->stack, spans, 32))) {
        size_t taken = 0;
        for (unsigned i = 0; i < count && f->open; i++)
            taken += flow_take(f, spans[i]);
        tcp_consume(end.tcp, (handle)f->stack, taken);
    }
}

static void take_events(void)
{
    struct tcp_event event;
    while (tcp_event_next(end.tcp, &event)) {
        struct flow *f = &flows[event.user];
        CHECK(f->open && f->stack == event.connection);
        if (event.bits & TCP_EVENT_CONNECTED)
            flow_up(f);
        read_all(f);
        if (event.bits & TCP_EVENT_FINISHED && f->open)
            flow_fin(f);
        flow_push(f);
        if (!(event.bits & TCP_EVENT_CLOSED) || !f->open)
            continue;
        if (event.reason == REASON_NONE)
            over(f, flow_done(f) ? "orderly" : "closed");
        else if (event.reason == REASON_TCP_RESET_BY_PEER)
            over(f, "reset");
        else
            over(f, event.reason == REASON_TCP_REFUSED ? "refused" : reason_name(event.reason));
    }
}

static void tell_quiet(void)
{
    unsigned held = rte_mempool_in_use_count(end.mbufs);
    if ((held || tcp_connections(end.tcp)) && end.now_us < end.quiet_us)
        return;
    end.quiet_us = 0;
    printf("{\"quiet\": true, \"mbufs\": %u, \"connections\": %u, \"reasons\": {", held,
           tcp_connections(end.tcp));
    const char *comma = "";
    for (int reason = 0; reason < REASON_COUNT; reason++)
        if (end.counters.reasons[reason]) {
            printf("%s\"%s\": %" PRIu64, comma, reason_name(reason), end.counters.reasons[reason]);
            end.counters.reasons[reason] = 0;
            comma = ", ";
        }
    puts("}}");
    fflush(stdout);
}

static bool command(void) // false: there are no more
{
    char line[1024];
    if (!words_read(line, sizeof line))
        return false;
    if (!flow_command(line))
        end.quiet_us = end.now_us + QUIET_US;
    return true;
}

static void slow(void)
{
    net_advance(end.net, end.now_us);
    for (unsigned i = 0; i < flow_count; i++)
        if (end.accepting[i].synack && end.accepting[i].again_us <= end.now_us)
            send_synack(&end.accepting[i]);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: weir_end PATTERN INTERFACE ADDRESS4 ADDRESS6\n");
        return 2;
    }
    flow_pattern(argv[1]);
    end.mbufs = eal_fixture_pool("weir_end", MBUFS);
    wire_open(&end.wire, argv[2], end.mbufs);
    open_stations(argv[3], argv[4]);
    prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0); // ns

    for (uint64_t slow_us = 0;;) {
        look_at_clock();
        receive();
        take_events();
        tcp_advance(end.tcp, end.now_us);
        if (end.now_us >= slow_us) {
            slow();
            slow_us = end.now_us + SLOW_US;
        }
        if (end.quiet_us)
            tell_quiet();
        uint64_t next_us = tcp_next_us(end.tcp);
        next_us = next_us < slow_us ? next_us : slow_us;
        uint64_t wait_us = next_us > end.now_us ? next_us - end.now_us : 0;
        struct timespec wait = {0, (long)wait_us * 1000};
        struct pollfd polled[2] = {{STDIN_FILENO, POLLIN, 0}, {end.wire.fd, POLLIN, 0}};
        CHECK(ppoll(polled, 2, &wait, NULL) >= 0);
        look_at_clock();
        if (polled[0].revents && !command())
            return 0;
    }
}

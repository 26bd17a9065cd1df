// SPDX-License-Identifier: BSD-3-Clause

/* tcp_script FILE…: plays packet scripts against one TCP stack, through tcp.h only.
 *
 *   case TEXT                 begins a case
 *     in STATE…               run once from each state; both families each
 *     by connect              ESTABLISHED and what follows by an active open (else: accepted)
 *     with ts | nosack | noscale | mss1000     what the handshake agrees on, else 1460
 *     < FLAGS FIELD…          the peer sends
 *     > FLAGS FIELD…          we have sent, next in order; only the fields given are compared
 *     none                    we have sent nothing else
 *     send N | read N | finish | release | abort      the owner does
 *     event NAME…             what the owner is told, all of it
 *     readable N              bytes
 *     counted REASON N        refusals since the case began
 *     icmp FIELD…             an ICMP error that quotes our segment: seq N, mtu N, hard
 *     is STATE | same         where the connection is now
 *
 * +N before any of them lets N ms pass first. FLAGS are letters of S F R P U and . for ACK, or -.
 * Fields: seq N[+SIZE], ack N, win N (as in the header), mss N, scale N, sackok, sack N-M[,N-M…] or
 * -, nots, ts old|same|N (ms from now). Numbers count from where the peer's stream (seq of <, ack
 * of >) or ours (the other way round) stood when the state was reached; edge is the right edge of
 * our window, una the oldest number of ours that the peer did not acknowledge; both take +N and -N.
 */

#include "support/eal_fixture.h"
#include "support/link_sim_packet.h"
#include "support/tcp_record.h"
#include "tcp/tcp.h"

#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 24, LINES_MAX = 64, KEPT_MAX = 512, BYTES = 32768, SCALE = 7, WIDTH_MAX = 256 };

struct line {
    unsigned number, count;
    char *words[WORDS_MAX];
    char text[WIDTH_MAX];
};

struct script_case {
    const char *file;
    char name[WIDTH_MAX];
    unsigned lines;
    struct line line[LINES_MAX];
};

struct play {
    const struct script_case *script;
    const struct line *at;
    const char *from; // the state that it began in
    bool v4, connect, timestamps, sack, scale, failed, edge_known;
    uint16_t mss; // of the peer
    struct tcp *tcp;
    struct rte_mempool *mbufs;
    struct counter_block counters, before;
    uint64_t now_us;
    handle h;
    struct packet base;
    uint32_t peer, ours;          // origins of numbers
    uint32_t peer_next, our_next; // as the segments told
    uint32_t edge, una;
    uint32_t stamp; // the last timestamp of the peer
    unsigned kept_count;
    struct packet kept[KEPT_MAX];
    struct tcp_record record;
};

static const char *const states[] = {"SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED",
                                     "FIN-WAIT-1", "FIN-WAIT-2",   "CLOSE-WAIT",
                                     "CLOSING",    "LAST-ACK",     "TIME-WAIT"};

static void failed(struct play *p, const char *what, const char *more)
{
    const struct line *l = p->at;
    if (!p->failed && !p->record.pcap) { // once; the second time is for the capture
        printf("%s:%u: %s (from %s, %s): %s%s; wanted:", p->script->file, l ? l->number : 0,
               p->script->name, p->from, p->v4 ? "IPv4" : "IPv6", what, more);
        for (unsigned i = 0; l && i < l->count; i++)
            printf(" %s", l->words[i]);
        printf("\n");
    }
    p->failed = true;
}

static void emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    struct play *p = context;
    struct packet packet;
    CHECK(p->kept_count < KEPT_MAX);
    CHECK(link_sim_packet_parse(m, leg, &packet));
    tcp_record_packet(&p->record, p->now_us, ">", m, &packet);
    rte_pktmbuf_free(m);
    p->kept[p->kept_count++] = packet;
    uint32_t end = packet.seq + packet.payload_size + !!(packet.tcp_flags & TCP_SYN) +
                   !!(packet.tcp_flags & TCP_FIN);
    if (packet.tcp_flags & TCP_RST)
        return;
    if (seq_after(end, p->our_next) || packet.tcp_flags & TCP_SYN)
        p->our_next = end;
    if (!(packet.tcp_flags & TCP_ACK))
        return;
    unsigned shift = p->scale && !(packet.tcp_flags & TCP_SYN) ? SCALE : 0;
    uint32_t edge = packet.ack + ((uint32_t)packet.window << shift);
    if (!p->edge_known || seq_after(edge, p->edge))
        p->edge = edge;
    p->edge_known = true;
}

static void give(struct play *p, const struct packet *packet, size_t size)
{
    static const uint8_t data[1460];
    struct packet parsed;
    struct rte_mbuf *m = link_sim_packet_make(p->mbufs, packet, span_of(data, size));
    CHECK(link_sim_packet_parse(m, packet->leg, &parsed));
    tcp_record_packet(&p->record, p->now_us, "<", m, &parsed);
    if (parsed.options.has_timestamps)
        p->stamp = parsed.options.ts_value;
    handle h = tcp_lookup(p->tcp, &parsed);
    if (h == HANDLE_NONE)
        rte_pktmbuf_free(m);
    else
        tcp_input(p->tcp, h, m, &parsed, p->now_us);
    tcp_advance(p->tcp, p->now_us);
    uint32_t end = packet->seq + (uint32_t)size + !!(packet->tcp_flags & TCP_FIN);
    if (seq_after(end, p->peer_next))
        p->peer_next = end;
}

static struct packet from_peer(const struct play *p, uint8_t flags)
{
    struct packet packet = p->base;
    packet.tcp_flags = flags;
    packet.seq = p->peer_next;
    packet.ack = flags & TCP_ACK ? p->our_next : 0;
    packet.window = 512;
    packet.options.has_timestamps = p->timestamps && !(flags & TCP_SYN);
    packet.options.ts_value = (uint32_t)(p->now_us / 1000);
    return packet;
}

static void open_stack(struct play *p)
{
    uint8_t four[2][4] = {{192, 0, 2, 1}, {192, 0, 2, 2}};
    uint8_t six[2][16] = {{0x20, 1, 0xd, 0xb8, [15] = 1}, {0x20, 1, 0xd, 0xb8, [15] = 2}};
    p->now_us = 1000000000;
    p->base = (struct packet){.src = p->v4 ? addr_from_v4(four[0]) : addr_from_v6(six[0]),
                              .dst = p->v4 ? addr_from_v4(four[1]) : addr_from_v6(six[1]),
                              .src_port = 4000,
                              .dst_port = 25};
    struct tcp_config config = {
        .connections = 8,
        .send_bytes = BYTES,
        .receive_bytes = BYTES,
        .mtu = {1500, 1500},
        .workers = 1,
        .key = {{3, 4}},
        .mbufs = p->mbufs,
        .counters = &p->counters,
        .emit = emit,
        .context = p,
    };
    p->tcp = tcp_open(&config);
    CHECK(p->tcp != NULL);
    tcp_advance(p->tcp, p->now_us);
}

static void begin_connect(struct play *p)
{
    enum reason reason;
    p->h = tcp_connect(p->tcp, &p->base.dst, &p->base.src, p->base.src_port, LEG_INSIDE, 1,
                       p->now_us, &reason);
    CHECK(p->h != HANDLE_NONE && p->kept_count == 1);
    p->base.dst_port = p->kept[0].src_port;
    p->base.leg = LEG_INSIDE;
    p->una = p->our_next - 1;
    p->peer_next = 0xffffff00; // wraps soon
}

static void give_syn(struct play *p, uint8_t flags)
{
    struct packet syn = from_peer(p, flags);
    syn.options = (struct tcp_option){.mss = p->mss,
                                      .has_window_scale = p->scale,
                                      .window_scale = SCALE,
                                      .sack_permitted = p->sack,
                                      .has_timestamps = p->timestamps,
                                      .ts_value = (uint32_t)(p->now_us / 1000)};
    p->peer_next++;
    p->una = flags & TCP_ACK ? p->our_next : p->una;
    give(p, &syn, 0);
}

static void begin_accept(struct play *p)
{
    p->peer_next = 0xffffff01;
    p->our_next = p->una = 0x7fffff01;
    struct tcp_handshake handshake = {.iss = p->our_next - 1,
                                      .irs = p->peer_next - 1,
                                      .ts_recent = (uint32_t)(p->now_us / 1000),
                                      .peer_mss = p->mss,
                                      .peer_window_scale = p->scale ? SCALE : 0,
                                      .window_scaling = p->scale,
                                      .timestamps = p->timestamps,
                                      .sack = p->sack};
    struct packet ack = from_peer(p, TCP_ACK);
    p->edge = p->peer_next + BYTES;
    p->edge_known = true;
    p->h = tcp_accept(p->tcp, &ack, &handshake, 1, p->now_us);
    CHECK(p->h != HANDLE_NONE);
    give(p, &ack, 0);
}

static const char *state_of(struct play *p)
{
    struct tcp_info info;
    struct packet ack = p->base;
    if (tcp_info(p->tcp, p->h, &info) && strcmp(info.state, "CLOSED") != 0)
        return info.state;
    ack.tcp_flags = TCP_ACK;
    return tcp_lookup(p->tcp, &ack) == HANDLE_NONE ? "CLOSED" : "TIME-WAIT";
}

static void peer_sends(struct play *p, uint8_t flags, bool acks_all)
{
    struct packet packet = from_peer(p, flags | TCP_ACK);
    packet.ack = acks_all ? p->our_next : p->una;
    p->una = packet.ack;
    give(p, &packet, 0);
}

static void finish(struct play *p)
{
    tcp_finish(p->tcp, p->h);
    tcp_advance(p->tcp, p->now_us);
}

static unsigned drain_events(struct play *p)
{
    struct tcp_event event;
    unsigned bits = 0;
    while (tcp_event_next(p->tcp, &event))
        bits |= event.bits;
    return bits;
}

static void reach(struct play *p, const char *state)
{
    bool opening = strncmp(state, "SYN-", 4) == 0;
    if (p->connect || opening)
        begin_connect(p);
    else
        begin_accept(p);
    if (strcmp(state, "SYN-RECEIVED") == 0)
        give_syn(p, TCP_SYN);
    else if (p->connect && !opening)
        give_syn(p, TCP_SYN | TCP_ACK);
    bool closing = strcmp(state, "CLOSING") == 0, late = strcmp(state, "TIME-WAIT") == 0;
    bool half = strcmp(state, "FIN-WAIT-2") == 0, last = strcmp(state, "LAST-ACK") == 0;
    if (strcmp(state, "CLOSE-WAIT") == 0 || last)
        peer_sends(p, TCP_FIN, true);
    if (strcmp(state, "FIN-WAIT-1") == 0 || closing || half || late || last)
        finish(p);
    if (half || late)
        peer_sends(p, 0, true);
    if (closing || late)
        peer_sends(p, TCP_FIN, late);
    drain_events(p);
    if (strcmp(state_of(p), state) != 0)
        failed(p, "the way there leads to ", state_of(p));
    p->kept_count = 0;
    p->peer = p->peer_next;
    p->ours = p->our_next;
    p->before = p->counters;
}

// "12", "-1", "edge", "edge+1", "una-1". The rest of the word is left in *ret_rest.
static uint32_t number_of(const struct play *p, const char *word, uint32_t origin, char **ret_rest)
{
    bool edge = strncmp(word, "edge", 4) == 0, una = strncmp(word, "una", 3) == 0;
    word += edge ? 4 : una ? 3 : 0;
    origin = edge ? p->edge : una ? p->una : origin;
    *ret_rest = (char *)(uintptr_t)word;
    if ((edge || una) && *word != '+' && *word != '-')
        return origin;
    return origin + (uint32_t)strtol(word, ret_rest, 10);
}

static bool flags_of(const char *word, uint8_t *ret_flags)
{
    static const char letters[] = "FSRP.U";
    uint8_t flags = 0;
    for (; *word; word++) {
        const char *found = strchr(letters, *word);
        if (!found && *word != '-')
            return false;
        flags |= found ? (uint8_t)(1u << (found - letters)) : 0;
    }
    *ret_flags = flags;
    return true;
}

enum { HAS_SEQ = 1, HAS_ACK = 2, HAS_WINDOW = 4, HAS_SACK = 8, HAS_MSS = 16, HAS_SCALE = 32 };

static bool sacks_of(const struct play *p, char *word, uint32_t origin, struct tcp_option *o)
{
    if (strcmp(word, "-") == 0)
        return true; // none
    for (o->sack_count = 0; *word && o->sack_count < 4; o->sack_count++) {
        struct tcp_sack_block *block = &o->sack[o->sack_count];
        block->left = number_of(p, word, origin, &word);
        if (*word++ != '-')
            return false;
        block->right = number_of(p, word, origin, &word);
        word += *word == ',';
    }
    return *word == 0;
}

static void stamp_of(const struct play *p, const char *word, struct tcp_option *o)
{
    o->has_timestamps = true;
    if (strcmp(word, "old") == 0)
        o->ts_value -= 1000000;
    else if (strcmp(word, "same") == 0)
        o->ts_value = p->stamp;
    else
        o->ts_value += (uint32_t)strtol(word, NULL, 10);
}

// False: a word is not understood. ret->payload_size is the segment's.
static bool fields_of(const struct play *p, const struct line *l, uint32_t seq_origin,
                      uint32_t ack_origin, struct packet *ret, unsigned *ret_has)
{
    struct tcp_option *o = &ret->options;
    for (unsigned i = 2; i < l->count; i++) {
        const char *word = l->words[i];
        if (strcmp(word, "sackok") == 0) {
            o->sack_permitted = true;
            continue;
        }
        if (strcmp(word, "nots") == 0) {
            o->has_timestamps = false;
            continue;
        }
        if (++i == l->count)
            return false;
        char *rest = l->words[i];
        if (strcmp(word, "seq") == 0) {
            bool relative = strncmp(rest, "edge", 4) == 0 || strncmp(rest, "una", 3) == 0;
            ret->seq = number_of(p, rest, seq_origin, &rest);
            ret->payload_size = *rest == '+' && !relative ? (uint16_t)strtol(rest, &rest, 10) : 0;
            if (*rest == ':') // the size behind an edge
                ret->payload_size = (uint16_t)strtol(rest + 1, &rest, 10);
            *ret_has |= HAS_SEQ;
        } else if (strcmp(word, "ack") == 0) {
            ret->ack = number_of(p, rest, ack_origin, &rest);
            *ret_has |= HAS_ACK;
        } else if (strcmp(word, "win") == 0) {
            ret->window = (uint16_t)strtol(rest, &rest, 10);
            *ret_has |= HAS_WINDOW;
        } else if (strcmp(word, "mss") == 0) {
            o->mss = (uint16_t)strtol(rest, &rest, 10);
            *ret_has |= HAS_MSS;
        } else if (strcmp(word, "scale") == 0) {
            o->has_window_scale = true;
            o->window_scale = (uint8_t)strtol(rest, &rest, 10);
            *ret_has |= HAS_SCALE;
        } else if (strcmp(word, "sack") == 0) {
            *ret_has |= HAS_SACK;
            if (!sacks_of(p, rest, ack_origin, o))
                return false;
            continue;
        } else if (strcmp(word, "ts") == 0) {
            stamp_of(p, rest, o);
            continue;
        } else {
            return false;
        }
        if (*rest)
            return false;
    }
    return true;
}

static bool do_give(struct play *p, const struct line *l)
{
    uint8_t flags;
    unsigned has = 0;
    if (l->count < 2 || !flags_of(l->words[1], &flags))
        return false;
    struct packet packet = from_peer(p, flags);
    packet.seq = p->peer;
    packet.ack = flags & TCP_ACK ? p->ours : 0;
    if (!fields_of(p, l, p->peer, p->ours, &packet, &has))
        return false;
    size_t size = packet.payload_size;
    if (flags & TCP_ACK && seq_after(packet.ack, p->una) && !seq_after(packet.ack, p->our_next))
        p->una = packet.ack;
    give(p, &packet, size);
    return true;
}

static bool same_sacks(const struct tcp_option *a, const struct tcp_option *b)
{
    return a->sack_count == b->sack_count &&
           memcmp(a->sack, b->sack, a->sack_count * sizeof a->sack[0]) == 0;
}

static bool do_expect(struct play *p, const struct line *l)
{
    struct packet want = {0};
    unsigned has = 0;
    char text[256];
    if (l->count < 2 || !flags_of(l->words[1], &want.tcp_flags) ||
        !fields_of(p, l, p->ours, p->peer, &want, &has))
        return false;
    if (p->kept_count == 0) {
        failed(p, "nothing was sent", "");
        return true;
    }
    const struct packet got = p->kept[0];
    p->kept_count--;
    memmove(&p->kept[0], &p->kept[1], p->kept_count * sizeof p->kept[0]);
    bool wrong = got.tcp_flags != want.tcp_flags;
    wrong |= has & HAS_SEQ && (got.seq != want.seq || got.payload_size != want.payload_size);
    wrong |= has & HAS_ACK && got.ack != want.ack;
    wrong |= has & HAS_WINDOW && got.window != want.window;
    wrong |= has & HAS_MSS && got.options.mss != want.options.mss;
    wrong |= has & HAS_SCALE && got.options.window_scale != want.options.window_scale;
    wrong |= has & HAS_SACK && !same_sacks(&got.options, &want.options);
    if (wrong)
        failed(p, "sent instead: ", link_sim_packet_text(&got, text));
    return true;
}

// The quote's src is ours.
static bool do_icmp(struct play *p, const struct line *l)
{
    struct packet quoted = p->base;
    uint16_t mtu = 0;
    bool hard = false;
    quoted.src = p->base.dst;
    quoted.dst = p->base.src;
    quoted.src_port = p->base.dst_port;
    quoted.dst_port = p->base.src_port;
    quoted.seq = p->ours;
    for (unsigned i = 1; i < l->count; i++) {
        char *rest = l->words[i];
        if (strcmp(rest, "hard") == 0) {
            hard = true;
            continue;
        }
        if (i + 1 == l->count)
            return false;
        if (strcmp(rest, "seq") == 0)
            quoted.seq = number_of(p, l->words[++i], p->ours, &rest);
        else if (strcmp(rest, "mtu") == 0)
            mtu = (uint16_t)strtol(l->words[++i], &rest, 10);
        else
            return false;
    }
    tcp_icmp(p->tcp, &quoted, mtu, hard, p->now_us);
    tcp_advance(p->tcp, p->now_us);
    return true;
}

static void expect_number(struct play *p, uint64_t is, uint64_t want)
{
    char text[64];
    snprintf(text, sizeof text, "%lu, not %lu", (unsigned long)is, (unsigned long)want);
    if (is != want)
        failed(p, "it is ", text);
}

static bool do_counted(struct play *p, const struct line *l)
{
    for (int r = 0; l->count == 3 && r < REASON_COUNT; r++)
        if (strcmp(reason_name((enum reason)r), l->words[1]) == 0) {
            expect_number(p, p->counters.reasons[r] - p->before.reasons[r],
                          strtoul(l->words[2], NULL, 10));
            return true;
        }
    return false;
}

static bool do_event(struct play *p, const struct line *l)
{
    static const char *const names[] = {"CONNECTED", "READABLE", "WRITABLE", "FINISHED", "CLOSED"};
    unsigned want = 0;
    for (unsigned i = 1; i < l->count; i++) {
        unsigned n = 0;
        while (n < 5 && strcmp(names[n], l->words[i]) != 0)
            n++;
        if (n == 5 && strcmp(l->words[i], "-") != 0)
            return false;
        want |= n < 5 ? 1u << n : 0;
    }
    expect_number(p, drain_events(p), want);
    return true;
}

static bool do_owner(struct play *p, const struct line *l)
{
    static const uint8_t data[65536];
    size_t size = l->count > 1 ? strtoul(l->words[1], NULL, 10) : 0;
    const char *verb = l->words[0];
    if (strcmp(verb, "send") == 0)
        tcp_send(p->tcp, p->h, span_of(data, size < sizeof data ? size : sizeof data));
    else if (strcmp(verb, "read") == 0)
        tcp_consume(p->tcp, p->h, size);
    else if (strcmp(verb, "finish") == 0)
        tcp_finish(p->tcp, p->h);
    else if (strcmp(verb, "release") == 0)
        tcp_release(p->tcp, p->h);
    else if (strcmp(verb, "abort") == 0)
        tcp_abort(p->tcp, p->h);
    else
        return false;
    tcp_advance(p->tcp, p->now_us);
    return true;
}

static bool do_line(struct play *p, const struct line *l)
{
    char text[256];
    const char *verb = l->words[0];
    if (strcmp(verb, "<") == 0)
        return do_give(p, l);
    if (strcmp(verb, ">") == 0)
        return do_expect(p, l);
    if (strcmp(verb, "counted") == 0)
        return do_counted(p, l);
    if (strcmp(verb, "event") == 0)
        return do_event(p, l);
    if (strcmp(verb, "icmp") == 0)
        return do_icmp(p, l);
    if (strcmp(verb, "none") == 0) {
        if (p->kept_count)
            failed(p, "sent: ", link_sim_packet_text(&p->kept[0], text));
    } else if (strcmp(verb, "readable") == 0 && l->count == 2) {
        expect_number(p, tcp_readable(p->tcp, p->h), strtoul(l->words[1], NULL, 10));
    } else if (strcmp(verb, "is") == 0 && l->count == 2) {
        const char *want = strcmp(l->words[1], "same") == 0 ? p->from : l->words[1];
        if (strcmp(state_of(p), want) != 0)
            failed(p, "the state is ", state_of(p));
    } else {
        return do_owner(p, l);
    }
    return true;
}

static void tell(const struct play *p, const char *pcap)
{
    printf("all its segments are in %s; our stream began at %u, the peer's at %u; the last:\n",
           pcap, p->ours, p->peer);
    tcp_record_tell(&p->record, stdout);
    tcp_record_stories(p->tcp, 1, stdout);
}

static bool play(const struct script_case *script, const char *state, bool v4,
                 struct rte_mempool *mbufs, const char *pcap)
{
    static struct play the_play;
    struct play *p = &the_play;
    *p = (struct play){.script = script, .from = state, .v4 = v4, .mbufs = mbufs};
    p->sack = p->scale = true;
    p->mss = 1460;
    for (unsigned i = 0; i < script->lines; i++) {
        const struct line *l = &script->line[i];
        for (unsigned k = 1; k < l->count && strcmp(l->words[0], "with") == 0; k++) {
            p->timestamps |= strcmp(l->words[k], "ts") == 0;
            p->sack &= strcmp(l->words[k], "nosack") != 0;
            p->scale &= strcmp(l->words[k], "noscale") != 0;
            p->mss = strcmp(l->words[k], "mss1000") == 0 ? 1000 : p->mss;
        }
        p->connect |= strcmp(l->words[0], "by") == 0;
    }
    open_stack(p);
    tcp_record_begin(&p->record, p->now_us, pcap, NULL);
    reach(p, state);
    for (unsigned i = 0; i < script->lines && !p->failed; i++) {
        struct line l = script->line[i];
        p->at = &script->line[i];
        if (l.words[0][0] == '+') {
            for (long ms = strtol(l.words[0], NULL, 10); ms > 0; ms--) {
                p->now_us += 1000;
                tcp_advance(p->tcp, p->now_us);
            }
            memmove(l.words, l.words + 1, --l.count * sizeof l.words[0]);
        }
        bool header = l.count && (strcmp(l.words[0], "in") == 0 || strcmp(l.words[0], "by") == 0 ||
                                  strcmp(l.words[0], "with") == 0);
        if (!header && l.count && !do_line(p, &l))
            failed(p, "not understood: ", l.words[0]);
    }
    if (pcap)
        tell(p, pcap);
    tcp_shut(p->tcp);
    tcp_record_end(&p->record);
    if (rte_mempool_in_use_count(mbufs) != 0)
        failed(p, "packet buffers are missing", "");
    return !p->failed;
}

// Once, and if that failed again for a capture.
static bool play_twice(const struct script_case *script, const char *state, bool v4,
                       struct rte_mempool *mbufs)
{
    if (play(script, state, v4, mbufs, NULL))
        return true;
    char pcap[WIDTH_MAX];
    const char *base = strrchr(script->file, '/');
    snprintf(pcap, sizeof pcap, "%s-%u-%s-%s.pcap", base ? base + 1 : script->file,
             script->lines ? script->line[0].number : 0, state, v4 ? "v4" : "v6");
    play(script, state, v4, mbufs, pcap);
    return false;
}

static unsigned is_state(const char *word)
{
    for (unsigned i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strcmp(states[i], word) == 0)
            return 1;
    return 0;
}

// From every state that it names, over both families. Returns what failed.
static unsigned play_case(const struct script_case *script, struct rte_mempool *mbufs,
                          unsigned *played)
{
    unsigned wrong = 0, names = 0;
    for (unsigned i = 0; i < script->lines; i++)
        for (unsigned k = 1; strcmp(script->line[i].words[0], "in") == 0; k++) {
            const struct line *l = &script->line[i];
            if (k == l->count)
                break;
            if (!is_state(l->words[k]))
                return printf("%s:%u: no state %s\n", script->file, l->number, l->words[k]), 1;
            names++;
            for (int v4 = 0; v4 < 2; v4++, ++*played)
                wrong += !play_twice(script, l->words[k], v4, mbufs);
        }
    if (names == 0)
        printf("%s: %s: names no state\n", script->file, script->name);
    return wrong + !names;
}

static void split(struct line *l)
{
    l->count = 0;
    for (char *at = l->text; *at && *at != '#' && l->count < WORDS_MAX;) {
        if (*at == ' ' || *at == '\n') {
            *at++ = 0;
            continue;
        }
        l->words[l->count++] = at;
        while (*at && *at != ' ' && *at != '\n')
            at++;
    }
}

static unsigned play_file(const char *path, struct rte_mempool *mbufs, unsigned *played)
{
    static struct script_case script;
    FILE *file = fopen(path, "re");
    if (!file)
        return perror(path), 1;
    script = (struct script_case){.file = path};
    unsigned wrong = 0, number = 0;
    char text[WIDTH_MAX];
    while (fgets(text, sizeof text, file)) {
        number++;
        if (strncmp(text, "case ", 5) == 0) {
            wrong += script.lines ? play_case(&script, mbufs, played) : 0;
            script.lines = 0;
            snprintf(script.name, sizeof script.name, "%.*s", (int)strcspn(text + 5, "\n"),
                     text + 5);
            continue;
        }
        struct line *l = &script.line[script.lines];
        memcpy(l->text, text, sizeof text);
        l->number = number;
        split(l);
        CHECK(script.lines + 1 < LINES_MAX);
        script.lines += l->count > 0;
    }
    wrong += script.lines ? play_case(&script, mbufs, played) : 0;
    fclose(file);
    return wrong;
}

int main(int argc, char **argv)
{
    struct rte_mempool *mbufs = eal_fixture_pool("script", 1023);
    unsigned wrong = 0, played = 0;
    for (int i = 1; i < argc; i++)
        wrong += play_file(argv[i], mbufs, &played);
    printf("%u cases, %u failed\n", played, wrong);
    return wrong || !played;
}

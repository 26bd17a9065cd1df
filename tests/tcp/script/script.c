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

#include "script.h"

#include "support/eal_fixture.h"
#include "support/link_sim_packet.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const states[] = {"SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED",
                                     "FIN-WAIT-1", "FIN-WAIT-2",   "CLOSE-WAIT",
                                     "CLOSING",    "LAST-ACK",     "TIME-WAIT"};

void script_failed(struct play *p, const char *what, const char *more)
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

static bool do_give(struct play *p, const struct line *l)
{
    uint8_t flags;
    unsigned has = 0;
    if (l->count < 2 || !script_flags(l->words[1], &flags))
        return false;
    struct packet packet = script_from_peer(p, flags);
    packet.seq = p->peer;
    packet.ack = flags & TCP_ACK ? p->ours : 0;
    if (!script_fields(p, l, p->peer, p->ours, &packet, &has))
        return false;
    size_t size = packet.payload_size;
    if (flags & TCP_ACK && seq_after(packet.ack, p->una) && !seq_after(packet.ack, p->our_next))
        p->una = packet.ack;
    script_give(p, &packet, size);
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
    if (l->count < 2 || !script_flags(l->words[1], &want.tcp_flags) ||
        !script_fields(p, l, p->ours, p->peer, &want, &has))
        return false;
    if (p->kept_count == 0) {
        script_failed(p, "nothing was sent", "");
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
        script_failed(p, "sent instead: ", link_sim_packet_text(&got, text));
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
            quoted.seq = script_number(p, l->words[++i], p->ours, &rest);
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
        script_failed(p, "it is ", text);
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
    expect_number(p, script_events(p), want);
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
            script_failed(p, "sent: ", link_sim_packet_text(&p->kept[0], text));
    } else if (strcmp(verb, "readable") == 0 && l->count == 2) {
        expect_number(p, tcp_readable(p->tcp, p->h), strtoul(l->words[1], NULL, 10));
    } else if (strcmp(verb, "is") == 0 && l->count == 2) {
        const char *want = strcmp(l->words[1], "same") == 0 ? p->from : l->words[1];
        if (strcmp(script_state(p), want) != 0)
            script_failed(p, "the state is ", script_state(p));
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
    script_open(p);
    tcp_record_begin(&p->record, p->now_us, pcap, NULL);
    script_reach(p, state);
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
            script_failed(p, "not understood: ", l.words[0]);
    }
    if (pcap)
        tell(p, pcap);
    tcp_shut(p->tcp);
    tcp_record_end(&p->record);
    if (rte_mempool_in_use_count(mbufs) != 0)
        script_failed(p, "packet buffers are missing", "");
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

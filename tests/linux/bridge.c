// SPDX-License-Identifier: BSD-3-Clause
/* A seeded link between two interfaces of this network namespace: bridge LEFT RIGHT. A line on
 * standard input, words NAME=NUMBER as in struct link_sim_config and `seed`, makes the weather in
 * both directions and is answered with what passed since the last one; pcap=FILE keeps what the
 * right wire carries from then on. Each direction has its own dice.
 *
 * Only TCP meets the weather. Address resolution passes at once and rolls no dice, so that the nth
 * segment of a direction has the same fate whoever sends it. A frame enters the link when it
 * reached the interface, not when this program had time for it.
 */

#include "base/check.h"
#include "linux/capture.h"
#include "linux/wire.h"
#include "linux/words.h"
#include "support/eal_fixture.h"
#include "support/link_sim.h"

#include <netinet/in.h>
#include <poll.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { MBUFS = 16383, RIGHT_SEED = 1 << 20 };

struct side {
    struct wire wire;
    struct link_sim link; // from here to the other side
};

static struct side sides[2];
static struct capture capture; // of the right wire

static bool is_tcp(const struct rte_mbuf *m)
{
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    if (m->data_len < 54)
        return false;
    bool v4 = frame[12] == 0x08 && frame[13] == 0x00, v6 = frame[12] == 0x86 && frame[13] == 0xdd;
    return (v4 && frame[23] == IPPROTO_TCP) || (v6 && frame[20] == IPPROTO_TCP);
}

static void leave(unsigned from, struct rte_mbuf *m, uint64_t now_us)
{
    if (from == 0)
        capture_add(&capture, m, now_us);
    wire_send(&sides[!from].wire, m);
}

static void receive(unsigned from)
{
    struct rte_mbuf *mbufs[WIRE_BURST];
    uint64_t at_us[WIRE_BURST];
    unsigned count;
    do {
        count = wire_receive(&sides[from].wire, mbufs, at_us);
        for (unsigned i = 0; i < count; i++) {
            if (from == 1)
                capture_add(&capture, mbufs[i], at_us[i]);
            if (is_tcp(mbufs[i]))
                link_sim_send(&sides[from].link, mbufs[i], at_us[i]);
            else
                leave(from, mbufs[i], at_us[i]);
        }
    } while (count == WIRE_BURST);
}

static uint64_t deliver(uint64_t now_us) // when the next is due
{
    uint64_t next_us = UINT64_MAX;
    for (unsigned from = 0; from < 2; from++) {
        struct rte_mbuf *m;
        while ((m = link_sim_take(&sides[from].link, now_us)))
            leave(from, m, now_us);
        uint64_t due_us = link_sim_next_us(&sides[from].link);
        next_us = due_us < next_us ? due_us : next_us;
    }
    return next_us;
}

static void set(char *line)
{
    struct link_sim_config c = {0};
    uint64_t seed = 1;
    const char *pcap = NULL;
    struct words words = words_of(line);
    while (words_next(&words)) {
        if (!words_number(&words, "seed", &seed) && !words_text(&words, "pcap", &pcap) &&
            !words_number(&words, "delay_us", &c.delay_us) &&
            !words_number(&words, "jitter_us", &c.jitter_us) &&
            !words_number32(&words, "loss", &c.loss) &&
            !words_number32(&words, "duplicate", &c.duplicate) &&
            !words_number32(&words, "reorder", &c.reorder) &&
            !words_number(&words, "reorder_us", &c.reorder_us) &&
            !words_number32(&words, "corrupt", &c.corrupt) &&
            !words_number(&words, "rate_bps", &c.rate_bps) &&
            !words_number32(&words, "queue_bytes", &c.queue_bytes))
            words_refuse(&words);
    }
    printf("{\"sent\": [%lu, %lu], \"lost\": [%lu, %lu]}\n", sides[0].link.sent, sides[1].link.sent,
           sides[0].link.lost, sides[1].link.lost);
    fflush(stdout);
    for (unsigned i = 0; i < 2; i++) {
        link_sim_done(&sides[i].link);
        link_sim_init(&sides[i].link, &c, seed + i * RIGHT_SEED);
    }
    capture_close(&capture);
    if (pcap)
        capture_open(&capture, pcap);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bridge LEFT RIGHT\n");
        return 2;
    }
    struct rte_mempool *mbufs = eal_fixture_pool("bridge", MBUFS);
    for (unsigned i = 0; i < 2; i++)
        wire_open(&sides[i].wire, argv[1 + i], mbufs);
    prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0); // ns

    for (;;) {
        uint64_t now_us = wire_now_us(), next_us = deliver(now_us);
        uint64_t wait_us = next_us > now_us ? next_us - now_us : 0;
        struct timespec wait = {(time_t)(wait_us / 1000000), (long)(wait_us % 1000000) * 1000};
        struct pollfd polled[3] = {{STDIN_FILENO, POLLIN, 0},
                                   {sides[0].wire.fd, POLLIN, 0},
                                   {sides[1].wire.fd, POLLIN, 0}};
        CHECK(ppoll(polled, 3, next_us == UINT64_MAX ? NULL : &wait, NULL) >= 0);
        for (unsigned i = 0; i < 2; i++)
            if (polled[1 + i].revents)
                receive(i);
        char line[1024];
        if (polled[0].revents) {
            if (!words_read(line, sizeof line))
                return 0;
            set(line);
        }
    }
}

// SPDX-License-Identifier: BSD-3-Clause

/* ring.rtt: a question about a name that is cached, from a worker that polls to the dns child, a
 * real one in its own process and sandbox, and the answer back. Asked one after the other, and with
 * pauses in which the child falls asleep. The peer is a ping-pong of messages of the same size over
 * a unix socket, both sides blocking, with the same pauses.
 *
 * Usage: bench_ring_rtt [--smoke]
 */

#include "dns_rig.h"

#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUNDS = 5,
    QUESTIONS = 20000, // a round
    QUESTIONS_PAUSED = 1000,
    QUESTIONS_SMOKE = 200,
    PAUSE_LEAST_US = 300,
    PAUSE_MORE_US = 700,
};

static struct dns_rig rig;
static struct message question;
static int peer_socket;
static struct rng rng;                          // of pauses
static uint64_t samples[2][ROUNDS * QUESTIONS]; // ns: ours, the peer's

static void name_remember(void)
{
    dns_fake_add_ptr(&rig.dns, "192.0.2.1", "mx.example.org");
    dns_fake_add_addr(&rig.dns, "mx.example.org", "192.0.2.1");
    question = message_make(MESSAGE_RDNS, STATUS_ASKED, 1);
    CHECK(addr_parse("192.0.2.1", &question.rdns_question.addr));
    CHECK(dns_rig_ask(&rig, &question).rdns_answer.verdict == RDNS_CONFIRMED);
}

static void peer_start(void)
{
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct message message;
        dns_rig_stay_on(DNS_RIG_CHILD_CPU);
        close(pair[1]);
        while (recv(pair[0], &message, sizeof message, 0) == (ssize_t)sizeof message)
            if (send(pair[0], &message, sizeof message, MSG_NOSIGNAL) < 0)
                break;
        _exit(0);
    }
    close(pair[0]);
    peer_socket = pair[1];
}

static uint64_t ask_ring(void)
{
    struct message answer;
    uint64_t start_ns = dns_rig_clock_ns();
    CHECK(plane_fake_ask(&rig.plane, 0, &question));
    while (!spsc_take(&rig.plane.channels[0].in, &answer))
        continue;
    CHECK(answer.handle == question.handle && answer.status == STATUS_OK);
    question.handle++;
    return dns_rig_clock_ns() - start_ns;
}

static uint64_t ask_peer(void)
{
    struct message answer;
    uint64_t start_ns = dns_rig_clock_ns();
    CHECK(send(peer_socket, &question, sizeof question, 0) == (ssize_t)sizeof question);
    CHECK(recv(peer_socket, &answer, sizeof answer, 0) == (ssize_t)sizeof answer);
    return dns_rig_clock_ns() - start_ns;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void say(const char *name, unsigned count, unsigned per_mille)
{
    double value = (double)samples[0][(uint64_t)count * per_mille / 1000] / 1000;
    double peer = (double)samples[1][(uint64_t)count * per_mille / 1000] / 1000;
    printf("{\"bench\":\"ring.rtt\",\"case\":\"%s\",\"value\":%.2f,\"unit\":\"µs\","
           "\"peer\":\"unix socket ping-pong\",\"peer_value\":%.2f,\"ratio\":%.3f}\n",
           name, value, peer, value / peer);
}

static void round_take(uint64_t *to, unsigned count, uint64_t (*ask)(void), bool paused)
{
    for (unsigned i = 0; i < count; i++) {
        if (paused)
            usleep(PAUSE_LEAST_US + (useconds_t)rng_below(&rng, PAUSE_MORE_US));
        to[i] = ask();
    }
}

static void measure(unsigned questions, bool paused)
{
    unsigned count = ROUNDS * questions;
    for (unsigned at = 0; at < count; at += questions) {
        round_take(&samples[0][at], questions, ask_ring, paused);
        round_take(&samples[1][at], questions, ask_peer, paused);
    }
    for (unsigned end = 0; end < 2; end++)
        qsort(samples[end], count, sizeof samples[0][0], compare);
    say(paused ? "p50 asleep" : "p50", count, 500);
    say(paused ? "p99 asleep" : "p99", count, 990);
}

int main(int argc, char **argv)
{
    bool smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
    rng_seed(&rng, 1);
    dns_rig_open(&rig, "bench_ring_rtt");
    name_remember();
    peer_start();
    measure(smoke ? QUESTIONS_SMOKE : QUESTIONS, false);
    measure(smoke ? QUESTIONS_SMOKE : QUESTIONS_PAUSED, true);
    close(peer_socket);
    int result = dns_rig_close(&rig);
    while (wait(NULL) > 0)
        continue;
    return result;
}

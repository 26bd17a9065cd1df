// SPDX-License-Identifier: BSD-3-Clause

/* ring.rtt: a question about a name that is cached, from a worker that polls to the dns child, a
 * real one in its own process and sandbox, and the answer back. Asked one after the other, and with
 * pauses in which the child falls asleep. The peer is a ping-pong of messages of the same size over
 * a unix socket, both sides blocking, with the same pauses.
 *
 * Usage: bench_ring_rtt [--smoke]
 */

#include "lookup/lookup.h"
#include "plane_fake.h"
#include "support/dns_fake.h"

#include "base/log.h"
#include "base/rng.h"
#include "contract/attach.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    WORKER_CPU = 1,
    CHILD_CPU = 0,
    ROUNDS = 5,
    QUESTIONS = 20000, // a round
    QUESTIONS_PAUSED = 1000,
    QUESTIONS_SMOKE = 200,
    PAUSE_LEAST_US = 300,
    PAUSE_MORE_US = 700,
};

static struct plane_fake plane;
static struct dns_fake dns;
static struct message question;
static int peer_socket;
static struct rng rng;                          // of pauses
static uint64_t samples[2][ROUNDS * QUESTIONS]; // ns: ours, the peer's

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void stay_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set); // where there is one processor, so be it
}

static int run_child(int socket, const void *config)
{
    stay_on(CHILD_CPU);
    return dns_child_run(socket, config);
}

static void dns_turn(void *context)
{
    dns_fake_turn(&dns);
}

static void child_start(void)
{
    struct dns_child_config config = {.servers_count = 1,
                                      .timeout_ms = 2000,
                                      .user = "nobody",
                                      .host_name = "mail.example.net",
                                      .parent = getpid()};
    struct message answer;
    log_open("bench_ring_rtt", LOG_ERROR);
    CHECK(dns_fake_open(&dns));
    dns.ttl = 86400;
    dns_fake_server(&dns, config.servers[0], sizeof config.servers[0]);
    dns_fake_add_ptr(&dns, "192.0.2.1", "mx.example.org");
    dns_fake_add_addr(&dns, "mx.example.org", "192.0.2.1");
    CHECK(plane_fake_open(&plane, ROLE_DNS, run_child, &config));
    question = message_make(MESSAGE_RDNS, STATUS_ASKED, 1);
    CHECK(addr_parse("192.0.2.1", &question.rdns_question.addr));
    CHECK(plane_fake_ask(&plane, 0, &question));
    CHECK(plane_fake_answer(&plane, 0, &answer, 10000, dns_turn, NULL));
    CHECK(answer.rdns_answer.verdict == RDNS_CONFIRMED);
}

static void peer_start(void)
{
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct message message;
        stay_on(CHILD_CPU);
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
    uint64_t start_ns = clock_ns();
    CHECK(plane_fake_ask(&plane, 0, &question));
    while (!spsc_take(&plane.channels[0].in, &answer))
        continue;
    CHECK(answer.handle == question.handle && answer.status == STATUS_OK);
    question.handle++;
    return clock_ns() - start_ns;
}

static uint64_t ask_peer(void)
{
    struct message answer;
    uint64_t start_ns = clock_ns();
    CHECK(send(peer_socket, &question, sizeof question, 0) == (ssize_t)sizeof question);
    CHECK(recv(peer_socket, &answer, sizeof answer, 0) == (ssize_t)sizeof answer);
    return clock_ns() - start_ns;
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
    child_start();
    peer_start();
    stay_on(WORKER_CPU);
    measure(smoke ? QUESTIONS_SMOKE : QUESTIONS, false);
    measure(smoke ? QUESTIONS_SMOKE : QUESTIONS_PAUSED, true);
    close(peer_socket);
    int result = plane_fake_close(&plane);
    dns_fake_close(&dns);
    while (wait(NULL) > 0)
        continue;
    return result;
}

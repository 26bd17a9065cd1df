// SPDX-License-Identifier: BSD-3-Clause

/* lookup.rate: answers about addresses whose names are known, in a second: one worker keeps its
 * ring of the dns child full, a real one in its own process and sandbox. The peer is Unbound, one
 * thread on the child's processor: PTR records that it has in its cache, over UDP, as many under
 * way and many sent and received at a call. (Of the two queries that a verdict stands for, it
 * answers one.) In turns.
 *
 * Usage: bench_lookup_rate [--smoke]
 */

#include "dns_rig.h"

#include "lookup/dns_resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUNDS = 5,
    QUESTIONS = 300000, // a round
    PEER_QUESTIONS = 100000,
    SMOKE = 100, // times fewer
    ADDRESSES = 200,
    FLYING = 100, // queries to Unbound
    QUERY_MAX = 64,
    PEER_MS = 10000,
};

static const char peer_config[] = "server:\n"
                                  "  interface: 127.0.0.1@%u\n"
                                  "  num-threads: 1\n"
                                  "  so-reuseport: no\n"
                                  "  do-ip6: no\n"
                                  "  do-tcp: no\n"
                                  "  do-not-query-localhost: no\n"
                                  "  local-zone: \"2.0.192.in-addr.arpa.\" nodefault\n"
                                  "  module-config: \"iterator\"\n"
                                  "  do-daemonize: no\n"
                                  "  use-syslog: no\n"
                                  "  verbosity: 0\n"
                                  "  username: \"\"\n"
                                  "  chroot: \"\"\n"
                                  "  directory: \"\"\n"
                                  "  pidfile: \"\"\n"
                                  "remote-control:\n"
                                  "  control-enable: no\n"
                                  "forward-zone:\n"
                                  "  name: \".\"\n"
                                  "  forward-addr: 127.0.0.1@%u\n";

static struct dns_rig rig;
static pid_t peer;
static int peer_socket;
static uint8_t queries[ADDRESSES][QUERY_MAX];
static size_t query_sizes[ADDRESSES];

static void make(uint64_t number, struct message *ret_question)
{
    const uint8_t v4[4] = {192, 0, 2, (uint8_t)(number % ADDRESSES)};
    *ret_question = message_make(MESSAGE_RDNS, STATUS_ASKED, number + 1);
    ret_question->rdns_question.addr = addr_from_v4(v4);
}

static bool is_right(const struct message *answer)
{
    return answer->rdns_answer.verdict == RDNS_CONFIRMED;
}

static void names_remember(void)
{
    for (unsigned i = 0; i < ADDRESSES; i++) {
        char addr[32], name[32];
        struct message question;
        snprintf(addr, sizeof addr, "192.0.2.%u", i);
        snprintf(name, sizeof name, "mx%u.example.org", i);
        dns_fake_add_ptr(&rig.dns, addr, name);
        dns_fake_add_addr(&rig.dns, name, addr);
        make(i, &question);
        struct message answer = dns_rig_ask(&rig, &question);
        CHECK(is_right(&answer));
    }
}

static void queries_make(void)
{
    for (unsigned i = 0; i < ADDRESSES; i++) {
        struct message question;
        char name[DNS_NAME_SIZE];
        unsigned char *query;
        int size;
        make(i, &question);
        dns_reverse_name(&question.rdns_question.addr, "in-addr.arpa", name);
        CHECK(ares_create_query(name, 1, DNS_PTR, (unsigned short)i, 1, &query, &size, 0) ==
              ARES_SUCCESS);
        CHECK(size <= QUERY_MAX);
        memcpy(queries[i], query, (size_t)size);
        query_sizes[i] = (size_t)size;
        ares_free_string(query);
    }
}

// A UDP socket on a free port of loopback.
static int socket_open(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
          getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void peer_exec(const char *config)
{
    struct passwd *nobody = getpwnam("nobody");
    CHECK(nobody);
    if (geteuid() == 0 && (setgid(nobody->pw_gid) < 0 || setuid(nobody->pw_uid) < 0))
        _exit(1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dns_rig_stay_on(DNS_RIG_CHILD_CPU);
    execl("/usr/sbin/unbound", "unbound", "-d", "-c", config, NULL);
    perror("unbound");
    _exit(1);
}

// Waits until it has answered, and so remembers, every query.
static void peer_learn(const char *config)
{
    unsigned learnt = 0;
    uint64_t until_ns = dns_rig_clock_ns() + PEER_MS * 1000000ULL;
    while (learnt < ADDRESSES) {
        uint8_t answer[512];
        struct pollfd wait = {.fd = peer_socket, .events = POLLIN};
        CHECK(dns_rig_clock_ns() < until_ns && waitpid(peer, NULL, WNOHANG) == 0);
        send(peer_socket, queries[learnt], query_sizes[learnt], 0);
        for (int tries = 0; tries < 20 && poll(&wait, 1, 2) == 0; tries++)
            dns_fake_turn(&rig.dns);
        while (recv(peer_socket, answer, sizeof answer, MSG_DONTWAIT) >= 12)
            learnt += memcmp(answer, queries[learnt], 2) == 0 && answer[7] == 1;
    }
    unlink(config);
}

static void peer_open(void)
{
    char config[] = "/tmp/weir-bench-XXXXXX";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint16_t port;
    close(socket_open(&port)); // it takes it in a moment
    peer_socket = socket_open(&(uint16_t){0});
    address.sin_port = htons(port);
    CHECK(connect(peer_socket, (struct sockaddr *)&address, sizeof address) == 0);
    struct timeval most = {.tv_usec = 100000};
    CHECK(setsockopt(peer_socket, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most) == 0);
    int fd = mkostemp(config, O_CLOEXEC);
    CHECK(fd >= 0 && fchmod(fd, 0644) == 0);
    CHECK(dprintf(fd, peer_config, port, rig.dns.port) > 0);
    close(fd);
    queries_make();
    peer = fork();
    CHECK(peer >= 0);
    if (peer == 0)
        peer_exec(config);
    peer_learn(config);
}

static void peer_close(void)
{
    kill(peer, SIGTERM);
    waitpid(peer, NULL, 0);
    close(peer_socket);
}

// As dns_rig_run, with as many queries under way, answers taken whatever they say.
static double peer_run(uint64_t count)
{
    static uint8_t answers[FLYING][512];
    struct mmsghdr out[FLYING] = {0}, in[FLYING] = {0};
    struct iovec out_bytes[FLYING], in_bytes[FLYING];
    uint64_t asked = 0, answered = 0, start_ns = dns_rig_clock_ns();
    while (answered < count) {
        unsigned more = 0;
        for (; asked + more < count && asked + more - answered < FLYING; more++) {
            uint64_t which = (asked + more) % ADDRESSES;
            out_bytes[more] = (struct iovec){queries[which], query_sizes[which]};
            out[more].msg_hdr = (struct msghdr){.msg_iov = &out_bytes[more], .msg_iovlen = 1};
        }
        int sent = more ? sendmmsg(peer_socket, out, more, 0) : 0;
        CHECK(sent >= 0);
        asked += (uint64_t)sent;
        for (unsigned i = 0; i < FLYING; i++) {
            in_bytes[i] = (struct iovec){answers[i], sizeof answers[i]};
            in[i].msg_hdr = (struct msghdr){.msg_iov = &in_bytes[i], .msg_iovlen = 1};
        }
        int got = recvmmsg(peer_socket, in, FLYING, MSG_WAITFORONE, NULL);
        if (got > 0)
            answered += (uint64_t)got;
        else
            asked = answered; // lost: asked again
    }
    return (double)(dns_rig_clock_ns() - start_ns) / 1e9;
}

int main(int argc, char **argv)
{
    uint64_t less = argc > 1 && strcmp(argv[1], "--smoke") == 0 ? SMOKE : 1;
    uint64_t count = QUESTIONS / less, peer_count = PEER_QUESTIONS / less;
    double best = 0, peer_best = 0;
    dns_rig_open(&rig, "bench_lookup_rate");
    names_remember();
    peer_open();
    unsigned known = rig.dns.queries;
    for (unsigned round = 0; round < ROUNDS; round++) {
        double rate = (double)count / dns_rig_run(&rig, make, is_right, 0, count);
        double peer_rate = (double)peer_count / peer_run(peer_count);
        best = rate > best ? rate : best;
        peer_best = peer_rate > peer_best ? peer_rate : peer_best;
    }
    printf("{\"bench\":\"lookup.rate\",\"case\":\"cached rDNS\",\"value\":%.0f,"
           "\"unit\":\"answers/s\",\"peer\":\"Unbound cache hits over UDP\",\"peer_value\":%.0f,"
           "\"ratio\":%.3f}\n",
           best, peer_best, best / peer_best);
    dns_fake_turn(&rig.dns);
    CHECK(rig.dns.queries == known); // both sides answered from memory
    peer_close();
    return dns_rig_close(&rig);
}

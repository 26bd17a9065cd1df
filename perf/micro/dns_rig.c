// SPDX-License-Identifier: BSD-3-Clause
#include "dns_rig.h"

#include "base/log.h"
#include "contract/attach.h"
#include "lookup/lookup.h"

#include <sched.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MS = 10000, FLYING_MAX = SPSC_SLOTS / 2 };

uint64_t dns_rig_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void dns_rig_stay_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static int run_child(int socket, const void *config)
{
    dns_rig_stay_on(DNS_RIG_CHILD_CPU);
    struct lookup_area area = {.dns = *(const struct dns_child_config *)config};
    return dns_child_run(socket, &area);
}

void dns_rig_open(struct dns_rig *rig, const char *bench)
{
    struct dns_child_config config = {.servers_count = 1,
                                      .timeout_ms = 2000,
                                      .user = "nobody",
                                      .host_name = "mail.example.net",
                                      .parent = getpid()};
    log_open(bench, LOG_ERROR);
    CHECK(dns_fake_open(&rig->dns));
    rig->dns.ttl = 86400;
    dns_fake_server(&rig->dns, config.servers[0], sizeof config.servers[0]);
    CHECK(plane_fake_open(&rig->plane, ROLE_DNS, run_child, &config));
    dns_rig_stay_on(DNS_RIG_WORKER_CPU);
}

int dns_rig_close(struct dns_rig *rig)
{
    int result = plane_fake_close(&rig->plane);
    dns_fake_close(&rig->dns);
    return result;
}

static void serve(void *context)
{
    dns_fake_turn(context);
}

struct message dns_rig_ask(struct dns_rig *rig, const struct message *question)
{
    struct message answer;
    CHECK(plane_fake_ask(&rig->plane, 0, question));
    CHECK(plane_fake_answer(&rig->plane, 0, &answer, ANSWER_MS, serve, &rig->dns));
    CHECK(answer.handle == question->handle && answer.status == STATUS_OK);
    return answer;
}

double dns_rig_run(struct dns_rig *rig, dns_rig_make *make,
                   bool (*is_right)(const struct message *answer), uint64_t first, uint64_t count)
{
    uint64_t asked = 0, answered = 0, start_ns = dns_rig_clock_ns();
    struct message message;
    while (answered < count) {
        for (; asked < count && asked - answered < FLYING_MAX; asked++) {
            make(first + asked, &message);
            CHECK(plane_fake_ask(&rig->plane, 0, &message));
        }
        for (; spsc_take(&rig->plane.channels[0].in, &message); answered++)
            CHECK(message.status == STATUS_OK && is_right(&message));
    }
    return (double)(dns_rig_clock_ns() - start_ns) / 1e9;
}

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* For benches of look-ups: the real dns child in its own process and sandbox on one processor, its
 * name server, which is served while something is awaited, and one worker that polls on another.
 */

#include "plane_fake.h"
#include "support/dns_fake.h"

enum { DNS_RIG_WORKER_CPU = 1, DNS_RIG_CHILD_CPU = 0 };

struct dns_rig {
    struct dns_fake dns;
    struct plane_fake plane;
};

void dns_rig_open(struct dns_rig *rig, const char *bench); // or aborts
int dns_rig_close(struct dns_rig *rig);                    // the child's exit code

// Asks one question. The answer, which must be no refusal.
struct message dns_rig_ask(struct dns_rig *rig, const struct message *question);

// Asks `count` questions, as many at a time as the ring holds. make: the question of that number,
// its handle set. is_right: of an answer. Seconds from the first question to the last answer.
typedef void dns_rig_make(uint64_t number, struct message *ret_question);
double dns_rig_run(struct dns_rig *rig, dns_rig_make *make,
                   bool (*is_right)(const struct message *answer), uint64_t first, uint64_t count);

uint64_t dns_rig_clock_ns(void);
void dns_rig_stay_on(int cpu); // where there is one processor, so be it

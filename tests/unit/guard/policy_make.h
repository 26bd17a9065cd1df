// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Small policies for the guard's tests: the default limits, two services, and lists from text. */

#include "contract/policy.h"

#include <stdlib.h>

enum { MADE_LIST_MAX = 8, SERVICE_SMTP = 0, SERVICE_IMAPS = 1 };

struct made_policy {
    struct policy policy;
    struct prefix allow[MADE_LIST_MAX], deny[MADE_LIST_MAX];
};

static inline void made_list(struct made_policy *made, struct policy_range *range,
                             struct prefix *prefixes, const char *const *texts)
{
    *range = (struct policy_range){.offset = (uint64_t)((char *)prefixes - (char *)made)};
    for (; *texts; texts++)
        CHECK(range->count < MADE_LIST_MAX && prefix_parse(*texts, &prefixes[range->count++]));
}

static inline void made_policy_init(struct made_policy *made, const char *const *allow,
                                    const char *const *deny)
{
    memset(made, 0, sizeof *made);
    made->policy = (struct policy){
        .size = sizeof *made,
        .services_count = 2,
        .services = {{.name = "smtp", .port = 25}, {.name = "imaps", .port = 993}},
    };
    for (int i = 0; i < LIMIT_COUNT; i++)
        made->policy.limits[i] = limit_facts((enum limit)i)->value;
    made_list(made, &made->policy.allow, made->allow, allow);
    made_list(made, &made->policy.deny, made->deny, deny);
}

static inline struct addr made_addr(const char *text)
{
    struct addr addr;
    CHECK(addr_parse(text, &addr));
    return addr;
}

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Small policies for the guard's tests: the default limits, two services, and lists from text. */

#include "contract/policy.h"

#include <stddef.h>
#include <stdlib.h>

enum { MADE_LIST_MAX = 16, SERVICE_SMTP = 0, SERVICE_IMAPS = 1 };

struct made_policy {
    struct policy policy;
    struct policy_class_prefix prefixes[MADE_LIST_MAX];
};

static inline void made_prefix(struct made_policy *made, uint8_t class, const char *text)
{
    struct policy_range *range = &made->policy.prefixes;
    CHECK(range->count < MADE_LIST_MAX);
    made->prefixes[range->count].class = class;
    CHECK(prefix_parse(text, &made->prefixes[range->count++].prefix));
}

static inline void made_policy_init(struct made_policy *made, const char *const *allow,
                                    const char *const *deny)
{
    memset(made, 0, sizeof *made);
    made->policy = (struct policy){
        .size = sizeof *made,
        .services_count = 2,
        .services = {{.name = "smtp", .port = 25}, {.name = "imaps", .port = 993}},
        .prefixes.offset = offsetof(struct made_policy, prefixes),
    };
    for (int i = 0; i < LIMIT_COUNT; i++)
        made->policy.limits[i] = limit_facts((enum limit)i)->value;
    for (; *allow; allow++)
        made_prefix(made, CLASS_ALLOW, *allow);
    for (; *deny; deny++)
        made_prefix(made, CLASS_DENY, *deny);
}

static inline struct addr made_addr(const char *text)
{
    struct addr addr;
    CHECK(addr_parse(text, &addr));
    return addr;
}

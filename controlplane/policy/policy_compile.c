// SPDX-License-Identifier: BSD-3-Clause
#include "policy/policy_compile.h"

#include <errno.h>
#include <stdlib.h>

enum { PARTS_MAX = 6 };

struct part {
    struct policy_range *range;
    const void *from;
    uint64_t count, element; // bytes of one
};

static uint64_t round_up(uint64_t size)
{
    return (size + 7) & ~7ull;
}

int policy_compile(const struct config *config, const struct rules_compiled *rules,
                   uint64_t generation, struct policy **ret_policy, const char **ret_what)
{
    struct policy head = config->head;
    const struct part parts[PARTS_MAX] = {
        {&head.domains, config->domains, config->domains_count, sizeof *config->domains},
        {&head.relay_networks, config->relay_networks.items, config->relay_networks.count,
         sizeof(struct prefix)},
        {&head.allow, config->allow.items, config->allow.count, sizeof(struct prefix)},
        {&head.deny, config->deny.items, config->deny.count, sizeof(struct prefix)},
        {&head.rules, rules->rules, rules->count, sizeof *rules->rules},
        {&head.rules_database, rules->database, rules->size, 1},
    };
    uint64_t size = round_up(sizeof head);
    for (int i = 0; i < PARTS_MAX; i++) {
        *parts[i].range = (struct policy_range){size, (uint32_t)parts[i].count, 0};
        size += round_up(parts[i].count * parts[i].element);
        if (size > POLICY_SIZE_MAX)
            return -E2BIG;
    }
    head.magic = POLICY_MAGIC;
    head.version = POLICY_VERSION;
    head.size = size;
    head.generation = generation;
    uint8_t *buffer = calloc(1, size);
    CHECK(buffer);
    memcpy(buffer, &head, sizeof head);
    for (int i = 0; i < PARTS_MAX; i++)
        if (parts[i].count)
            memcpy(buffer + parts[i].range->offset, parts[i].from,
                   parts[i].count * parts[i].element);
    struct policy *policy = (struct policy *)(void *)buffer;
    if (!policy_is_sound(policy, size, ret_what)) {
        free(buffer);
        return -EINVAL;
    }
    *ret_policy = policy;
    return 0;
}

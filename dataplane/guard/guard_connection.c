// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_connection.h"

uint32_t guard_connection_share(uint64_t limit, uint16_t workers)
{
    CHECK(workers > 0);
    uint64_t share = limit / workers;
    if (share > UINT32_MAX)
        return UINT32_MAX;
    return share ? (uint32_t)share : 1;
}

int guard_connection_init(struct guard_connection *counts, uint32_t most, int numa_node,
                          const struct siphash_key *key)
{
    *counts = (struct guard_connection){0};
    return guard_table_init(&counts->sources, most, numa_node, key);
}

void guard_connection_done(struct guard_connection *counts)
{
    guard_table_done(&counts->sources);
}

static enum reason refuse(const struct guard_connection *counts, uint64_t of_source,
                          unsigned service, const struct guard_connection_limits *limits)
{
    if (counts->total >= limits->total)
        return REASON_CONNECTIONS_TOTAL;
    if (counts->services[service] >= limits->service)
        return REASON_CONNECTIONS_SERVICE;
    if (of_source >= limits->source)
        return REASON_CONNECTIONS_SOURCE;
    return REASON_NONE;
}

enum reason guard_connection_opened(struct guard_connection *counts, const struct addr *client,
                                    unsigned service, const struct guard_connection_limits *limits)
{
    CHECK(service < SERVICES_MAX);
    if (limits) {
        struct guard_table_entry *known = guard_table_find(&counts->sources, client);
        enum reason reason = refuse(counts, known ? known->value : 0, service, limits);
        if (reason != REASON_NONE)
            return reason;
    }
    struct guard_table_entry *entry = guard_table_take(&counts->sources, client);
    if (!entry)
        return REASON_CONNECTIONS_TOTAL;
    entry->value++;
    counts->services[service]++;
    counts->total++;
    return REASON_NONE;
}

void guard_connection_ended(struct guard_connection *counts, const struct addr *client,
                            unsigned service)
{
    struct guard_table_entry *entry = guard_table_find(&counts->sources, client);
    CHECK(service < SERVICES_MAX && entry && counts->total > 0 && counts->services[service] > 0);
    counts->total--;
    counts->services[service]--;
    if (--entry->value == 0)
        guard_table_give(&counts->sources, entry); // entry is gone
}

uint32_t guard_connection_of(const struct guard_connection *counts, const struct addr *client)
{
    const struct guard_table_entry *entry = guard_table_find(&counts->sources, client);
    return entry ? (uint32_t)entry->value : 0;
}

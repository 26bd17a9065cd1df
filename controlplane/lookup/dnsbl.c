// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dnsbl.h"

#include "contract/message.h"

static_assert(LOOKUP_DNSBL_MAX * LOOKUP_DNSBL_WEIGHT_MAX <= DNSBL_SCORE_MAX, "every sum fits");

// The dnsbl may be gone after this call.
static void end_one(struct dnsbl *dnsbl)
{
    if (--dnsbl->pending == 0)
        dnsbl->done(dnsbl->context, !dnsbl->failed, dnsbl->score, dnsbl->ttl);
}

static bool is_listed(const struct lookup_dnsbl *entry, const struct dns_answer *answer)
{
    for (uint32_t i = 0; i < answer->count; i++)
        if (addr_pattern_holds(&entry->replies, &answer->records[i].addr))
            return true;
    return false;
}

static void on_zone(void *context, const struct dns_answer *answer)
{
    const struct dnsbl_zone *zone = context;
    struct dnsbl *dnsbl = zone->dnsbl;
    const struct lookup_dnsbl *first = &dnsbl->entries[zone->entry];
    dnsbl->failed |= answer->status == DNS_FAILED;
    if (answer->ttl < dnsbl->ttl)
        dnsbl->ttl = answer->ttl;
    for (unsigned i = zone->entry; i < dnsbl->entries_count; i++)
        if (strcmp(dnsbl->entries[i].zone, first->zone) == 0 &&
            is_listed(&dnsbl->entries[i], answer))
            dnsbl->score = (int16_t)(dnsbl->score + dnsbl->entries[i].weight);
    end_one(dnsbl);
}

static bool is_first_of_zone(const struct lookup_dnsbl *entries, unsigned entry)
{
    for (unsigned i = 0; i < entry; i++)
        if (strcmp(entries[i].zone, entries[entry].zone) == 0)
            return false;
    return true;
}

void dnsbl_start(struct dnsbl *dnsbl, struct dns_resolver *resolver,
                 const struct lookup_dnsbl *entries, unsigned count, const struct addr *addr,
                 dnsbl_done *done, void *context)
{
    CHECK(count <= LOOKUP_DNSBL_MAX);
    dnsbl->entries = entries;
    dnsbl->entries_count = count;
    dnsbl->done = done;
    dnsbl->context = context;
    dnsbl->score = 0;
    dnsbl->failed = false;
    dnsbl->ttl = DNS_TTL_MAX;
    dnsbl->pending = 1; // one of our own: answers may come before all were asked
    for (unsigned i = 0; i < count; i++) {
        if (!is_first_of_zone(entries, i))
            continue;
        char name[DNS_NAME_SIZE];
        dnsbl->zones[i] = (struct dnsbl_zone){dnsbl, i};
        dnsbl->pending++;
        dns_reverse_name(addr, entries[i].zone, name);
        dns_resolver_ask(resolver, name, DNS_A, on_zone, &dnsbl->zones[i]);
    }
    end_one(dnsbl);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "session/servers.h"

enum { SHARE_WHOLE = 256, SHARE_LEAST = SHARE_WHOLE / 8 };

static bool is_slot(const struct server *s, const struct policy_backend *backend, unsigned index)
{
    const struct policy_server *server = &backend->servers[index];
    return s->port == server->port && addr_equal(&s->addr, &server->addr) &&
           strcmp(s->backend, backend->name) == 0;
}

static uint16_t slot_find(const struct servers *servers, const struct policy_backend *backend,
                          unsigned index)
{
    for (uint16_t i = 0; i < SERVER_SLOTS; i++)
        if (is_slot(&servers->slots[i], backend, index))
            return i;
    return SERVER_NONE;
}

static uint16_t slot_take(struct servers *servers, const struct policy_backend *backend,
                          unsigned index, uint64_t now_us)
{
    for (uint16_t i = 0; i < SERVER_SLOTS; i++) {
        struct server *s = &servers->slots[i];
        if (s->backend[0])
            continue;
        *s = (struct server){.addr = backend->servers[index].addr,
                             .port = backend->servers[index].port,
                             .changed_us = now_us,
                             .check_us = now_us};
        memcpy(s->backend, backend->name, sizeof s->backend);
        return i;
    }
    return SERVER_NONE;
}

static void forget_unlisted(struct servers *servers)
{
    for (int i = 0; i < SERVER_SLOTS; i++) {
        struct server *s = &servers->slots[i];
        if (!s->listed && s->connections == 0)
            *s = (struct server){0};
    }
}

void servers_policy(struct servers *servers, const struct policy *policy, uint64_t now_us)
{
    for (int i = 0; i < SERVER_SLOTS; i++)
        servers->slots[i].listed = false;
    servers->policy = policy;
    for (unsigned b = 0; b < policy->backends_count; b++)
        for (unsigned k = 0; k < policy->backends[b].servers_count; k++) {
            uint16_t slot = slot_find(servers, &policy->backends[b], k);
            if (slot != SERVER_NONE)
                servers->slots[slot].listed = true;
            servers->of[b][k] = slot;
        }
    forget_unlisted(servers);
    for (unsigned b = 0; b < policy->backends_count; b++)
        for (unsigned k = 0; k < policy->backends[b].servers_count; k++) {
            uint16_t slot = servers->of[b][k];
            if (slot == SERVER_NONE)
                slot = slot_take(servers, &policy->backends[b], k, now_us);
            servers->of[b][k] = slot;
            if (slot == SERVER_NONE)
                continue;
            servers->slots[slot].listed = true;
            servers->slots[slot].backend_index = (uint8_t)b;
            servers->slots[slot].server_index = (uint8_t)k;
        }
    const struct policy_domain *domains = policy_at(policy, policy->domains);
    servers->domain_backends = 0;
    static_assert(BACKENDS_MAX <= 32, "a bit each");
    for (uint32_t i = 0; i < policy->domains.count; i++)
        servers->domain_backends |= UINT32_C(1) << domains[i].backend;
}

uint16_t servers_find(const struct servers *servers, const struct policy *policy, unsigned backend,
                      unsigned server)
{
    if (policy == servers->policy)
        return servers->of[backend][server];
    return slot_find(servers, &policy->backends[backend], server);
}

// In 256ths of a connection's weight.
static uint32_t share(const struct server *s, const struct policy *policy, unsigned weight,
                      uint64_t now_us)
{
    uint64_t slow_us = policy->limits[LIMIT_BACKEND_SLOW_START_SECONDS] * 1000000;
    uint64_t up_us = now_us - s->changed_us;
    if (!s->slow_start || up_us >= slow_us)
        return weight * SHARE_WHOLE;
    return (uint32_t)(weight * (SHARE_LEAST + (SHARE_WHOLE - SHARE_LEAST) * up_us / slow_us));
}

static bool may_use(const struct server *s, const struct policy *policy)
{
    bool checked = policy->limits[LIMIT_BACKEND_CHECK_SECONDS] > 0;
    return !s->drained && !(checked && s->health == SERVER_DOWN);
}

uint16_t servers_choose(struct servers *servers, const struct policy *policy, unsigned backend,
                        uint8_t *tried, unsigned *ret_server, uint64_t now_us)
{
    const struct policy_backend *facts = &policy->backends[backend];
    uint16_t best = SERVER_NONE;
    bool best_backup = true;
    uint64_t best_load = UINT64_MAX;
    unsigned first = servers->turn++ % facts->servers_count;
    static_assert(BACKEND_SERVERS_MAX <= 8, "a bit each in a byte");
    for (unsigned i = 0; i < facts->servers_count; i++) {
        unsigned k = (first + i) % facts->servers_count;
        uint16_t slot = servers_find(servers, policy, backend, k);
        if (slot == SERVER_NONE || *tried >> k & 1 || !may_use(&servers->slots[slot], policy))
            continue;
        const struct server *s = &servers->slots[slot];
        bool backup = facts->servers[k].backup;
        uint64_t load = ((uint64_t)s->connections + 1) * SHARE_WHOLE * SHARE_WHOLE /
                        share(s, policy, facts->servers[k].weight, now_us);
        if (backup > best_backup || (backup == best_backup && load >= best_load))
            continue;
        best = slot;
        best_backup = backup;
        best_load = load;
        *ret_server = k;
    }
    if (best != SERVER_NONE)
        *tried |= (uint8_t)(1u << *ret_server);
    return best;
}

static void enter(struct server *s, enum server_health health, uint64_t now_us)
{
    s->slow_start = s->health == SERVER_DOWN && health == SERVER_UP;
    s->health = (uint8_t)health;
    s->changed_us = now_us;
}

void servers_worked(struct servers *servers, uint16_t slot, const struct mail_offer *offer,
                    bool check, uint64_t now_us)
{
    struct server *s = &servers->slots[slot];
    s->failed = 0;
    s->offer = *offer;
    if (s->health == SERVER_UP || (s->health == SERVER_DOWN && !check))
        return;
    if (s->good < UINT8_MAX)
        s->good++;
    if (s->health == SERVER_UNKNOWN || s->good >= servers->policy->limits[LIMIT_BACKEND_RISE])
        enter(s, SERVER_UP, now_us);
}

void servers_failed(struct servers *servers, uint16_t slot, enum reason reason, uint64_t now_us)
{
    struct server *s = &servers->slots[slot];
    s->failures++;
    s->good = 0;
    s->last_failure = (uint16_t)reason;
    if (s->failed < UINT8_MAX)
        s->failed++;
    if (s->health == SERVER_DOWN)
        return;
    if (s->health == SERVER_UNKNOWN || s->failed >= servers->policy->limits[LIMIT_BACKEND_FALL])
        enter(s, SERVER_DOWN, now_us);
}

void servers_use(struct servers *servers, uint16_t slot)
{
    servers->slots[slot].connections++;
    servers->slots[slot].opened++;
}

void servers_leave(struct servers *servers, uint16_t slot)
{
    if (slot == SERVER_NONE)
        return;
    CHECK(servers->slots[slot].connections > 0);
    servers->slots[slot].connections--;
}

static void offer_narrow(struct mail_offer *all, const struct mail_offer *one)
{
    if (!all->known) {
        *all = *one;
        return;
    }
    all->bits &= one->bits;
    if (one->size && (!all->size || one->size < all->size))
        all->size = one->size;
}

void servers_offer(const struct servers *servers, const struct policy *policy, unsigned service,
                   struct mail_offer *ret_offer)
{
    uint32_t backends = UINT32_C(1) << policy->services[service].backend;
    *ret_offer = (struct mail_offer){0};
    if (policy->services[service].protocol == PROTOCOL_SMTP && policy == servers->policy)
        backends |= servers->domain_backends;
    for (; backends; backends &= backends - 1) {
        unsigned b = (unsigned)__builtin_ctz(backends);
        for (unsigned k = 0; k < policy->backends[b].servers_count; k++) {
            uint16_t slot = servers_find(servers, policy, b, k);
            if (slot == SERVER_NONE)
                continue;
            const struct server *s = &servers->slots[slot];
            if (s->offer.known && may_use(s, policy))
                offer_narrow(ret_offer, &s->offer);
        }
    }
}

static void fill_row(const struct server *s, const struct policy *policy, uint64_t now_us,
                     struct server_row *row)
{
    const struct policy_backend *backend = &policy->backends[s->backend_index];
    *row = (struct server_row){
        .addr = s->addr,
        .port = s->port,
        .health = s->health,
        .drained = s->drained,
        .backup = backend->servers[s->server_index].backup,
        .weight = backend->servers[s->server_index].weight,
        .good = s->good,
        .failed = s->failed,
        .spares = s->spares_count,
        .last_failure = s->last_failure,
        .connections = s->connections,
        .since_us = now_us - s->changed_us,
        .opened = s->opened,
        .failures = s->failures,
        .checks = s->checks,
    };
    static_assert(sizeof row->backend == sizeof s->backend, "a name fits");
    memcpy(row->backend, s->backend, sizeof row->backend);
}

void servers_list(const struct servers *servers, uint32_t cursor, uint64_t now_us,
                  struct server_page *ret_page)
{
    *ret_page = (struct server_page){0};
    for (uint32_t i = cursor; i < SERVER_SLOTS; i++) {
        const struct server *s = &servers->slots[i];
        if (!s->listed)
            continue;
        if (ret_page->count == SERVERS_PER_MESSAGE) {
            ret_page->next = i;
            return;
        }
        fill_row(s, servers->policy, now_us, &ret_page->rows[ret_page->count++]);
    }
}

bool servers_drain(struct servers *servers, const struct server_order *order)
{
    bool found = false;
    for (int i = 0; i < SERVER_SLOTS; i++) {
        struct server *s = &servers->slots[i];
        bool one =
            order->port == 0 || (order->port == s->port && addr_equal(&order->addr, &s->addr));
        if (!s->listed || !one || strncmp(s->backend, order->backend, sizeof s->backend) != 0)
            continue;
        s->drained = order->drain;
        found = true;
    }
    return found;
}

bool servers_is_drained(const struct servers *servers, uint16_t slot)
{
    return slot != SERVER_NONE && servers->slots[slot].drained;
}

unsigned servers_down(const struct servers *servers)
{
    unsigned down = 0;
    for (int i = 0; i < SERVER_SLOTS; i++) {
        const struct server *s = &servers->slots[i];
        down += s->listed && (s->drained || s->health == SERVER_DOWN);
    }
    return down;
}

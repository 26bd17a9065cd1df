// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard.h"

#include "guard/guard_ban.h"
#include "guard/guard_connection.h"
#include "guard/guard_cookie.h"
#include "guard/guard_lists.h"
#include "guard/guard_source.h"
#include "guard/guard_synack.h"

#include <stdlib.h>

struct guard {
    struct guard_config config;
    const struct policy *policy;     // NULL until the first guard_policy
    const struct guard_lists *lists; // likewise
    // What the policy says, ready to use.
    uint16_t ports[SERVICES_MAX];
    unsigned services_count;
    struct guard_source_rate syn_rate;
    struct guard_connection_limits limits;
    // The last source that was classified: guard_admit looks it up, guard_syn or guard_ack for the
    // same packet asks again.
    struct addr last_source;
    enum guard_class last_class;

    struct guard_source sources;
    struct guard_connection connections;
    struct guard_ban bans;
    struct guard_cookie cookie;
};

// A key of its own for each use, so that none of them tells about another.
static struct siphash_key subkey(const struct siphash_key *key, uint32_t use)
{
    uint32_t label[2] = {use, 0};
    struct siphash_key derived;
    derived.word[0] = siphash(key, label, sizeof label);
    label[1] = 1;
    derived.word[1] = siphash(key, label, sizeof label);
    return derived;
}

enum key_use { KEY_SOURCE, KEY_CONNECTION, KEY_BAN, KEY_COOKIE, KEY_TIMESTAMP };

static int open_tables(struct guard *guard)
{
    const struct guard_config *c = &guard->config;
    struct siphash_key source = subkey(&c->key, KEY_SOURCE);
    struct siphash_key connection = subkey(&c->key, KEY_CONNECTION);
    struct siphash_key ban = subkey(&c->key, KEY_BAN);
    int error = guard_source_init(&guard->sources, c->sources, c->numa_node, &source);
    if (!error)
        error =
            guard_connection_init(&guard->connections, c->connections, c->numa_node, &connection);
    if (!error)
        error = guard_ban_init(&guard->bans, c->numa_node, &ban);
    return error;
}

struct guard *guard_open(const struct guard_config *config)
{
    CHECK(config->workers > 0 && config->worker < config->workers && config->counters);
    CHECK(config->mtu >= 1280 && config->receive_bytes > 0);
    struct guard *guard = calloc(1, sizeof *guard);
    if (!guard)
        return NULL;
    guard->config = *config;
    guard->cookie.mac_key = subkey(&config->key, KEY_COOKIE);
    guard->cookie.offset_key = subkey(&config->key, KEY_TIMESTAMP);
    if (open_tables(guard) == 0)
        return guard;
    guard_shut(guard);
    return NULL;
}

void guard_shut(struct guard *guard)
{
    if (!guard)
        return;
    guard_source_done(&guard->sources);
    guard_connection_done(&guard->connections);
    guard_ban_done(&guard->bans);
    explicit_bzero(guard, sizeof *guard);
    free(guard);
}

void guard_policy(struct guard *guard, const struct policy *policy, const struct guard_lists *lists)
{
    guard->policy = policy;
    guard->lists = lists;
    guard->last_source = (struct addr){0};
    guard->last_class = guard_lists_find(lists, &guard->last_source);
    guard->services_count = policy->services_count;
    for (unsigned i = 0; i < guard->services_count; i++)
        guard->ports[i] = policy->services[i].port;
    const uint64_t *limits = policy->limits;
    guard->syn_rate =
        guard_source_rate(limits[LIMIT_SYN_RATE_SOURCE], limits[LIMIT_SYN_BURST_SOURCE]);
    uint16_t workers = guard->config.workers;
    guard->limits = (struct guard_connection_limits){
        .total = guard_connection_share(limits[LIMIT_CONNECTIONS_TOTAL], workers),
        .service = guard_connection_share(limits[LIMIT_CONNECTIONS_SERVICE], workers),
        .source = guard_connection_share(limits[LIMIT_CONNECTIONS_SOURCE], 1),
    };
}

static enum guard_class classify(struct guard *guard, const struct addr *source)
{
    if (!guard->lists)
        return GUARD_CLASS_DEFAULT;
    if (!addr_equal(source, &guard->last_source)) {
        guard->last_class = guard_lists_find(guard->lists, source);
        guard->last_source = *source;
    }
    return guard->last_class;
}

enum reason guard_admit(struct guard *guard, const struct packet *packet, uint64_t now_us)
{
    switch (classify(guard, &packet->src)) {
    case GUARD_CLASS_ALLOW:
        return REASON_NONE;
    case GUARD_CLASS_DENY:
        return REASON_DENY_LIST;
    case GUARD_CLASS_DEFAULT:
        break;
    case GUARD_CLASS_COUNT:
    default:
        CHECK(!"a class");
    }
    bool banned = guard_ban_holds(&guard->bans, &packet->src, now_us);
    counter_set(guard->config.counters, COUNTER_SOURCES_BANNED, guard->bans.table.count);
    return banned ? REASON_BANNED : REASON_NONE;
}

int guard_service(const struct guard *guard, const struct packet *packet)
{
    if (packet->leg != LEG_OUTSIDE)
        return -1;
    for (unsigned i = 0; i < guard->services_count; i++)
        if (guard->ports[i] == packet->dst_port)
            return (int)i;
    return -1;
}

static bool syn_rate_conforms(struct guard *guard, const struct addr *source, uint64_t now_us)
{
    struct guard_source_slot slot = guard_source_locate(&guard->sources, source);
    return guard_source_take(&guard->sources, &slot, &guard->syn_rate, now_us);
}

enum reason guard_syn(struct guard *guard, struct rte_mbuf *m, const struct packet *packet,
                      uint64_t now_us)
{
    if (packet->payload_size > 0 || packet->src_port == 0)
        return REASON_SYN_MALFORMED;
    if (guard_service(guard, packet) < 0)
        return REASON_NO_SERVICE;
    counter_add(guard->config.counters, COUNTER_SYN_RECEIVED, 1);
    // The address is unproven: over the rate means no answer to this SYN, never more than that.
    if (classify(guard, &packet->src) != GUARD_CLASS_ALLOW &&
        !syn_rate_conforms(guard, &packet->src, now_us))
        return REASON_SYN_RATE_SOURCE;

    uint32_t window = guard->config.receive_bytes;
    struct guard_synack answer = {
        .cookie = guard_cookie_make(&guard->cookie, packet, now_us),
        .mss = (uint16_t)(guard->config.mtu - (addr_is_v4(&packet->src) ? 40 : 60)),
        .window = window > UINT16_MAX ? UINT16_MAX : (uint16_t)window,
    };
    if (!guard_synack_write(m, packet, &answer))
        return REASON_TCP_NO_BUFFER;
    counter_add(guard->config.counters, COUNTER_SYN_ANSWERED, 1);
    return REASON_NONE;
}

enum reason guard_ack(struct guard *guard, const struct packet *packet, uint64_t now_us,
                      struct tcp_handshake *ret_handshake)
{
    if ((packet->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
        return REASON_OUT_OF_STATE;
    int service = guard_service(guard, packet);
    if (service < 0)
        return REASON_NO_SERVICE;
    struct tcp_handshake handshake;
    if (!guard_cookie_check(&guard->cookie, packet, now_us, &handshake))
        return REASON_COOKIE_INVALID;
    bool allowed = classify(guard, &packet->src) == GUARD_CLASS_ALLOW;
    enum reason reason = guard_connection_opened(
        &guard->connections, &packet->src, (unsigned)service, allowed ? NULL : &guard->limits);
    if (reason != REASON_NONE)
        return reason;
    *ret_handshake = handshake;
    return REASON_NONE;
}

void guard_connection_closed(struct guard *guard, const struct addr *client, unsigned service)
{
    guard_connection_ended(&guard->connections, client, service);
}

bool guard_ban_add(struct guard *guard, const struct ban *ban, uint64_t now_us)
{
    return classify(guard, &ban->addr) != GUARD_CLASS_ALLOW &&
           guard_ban_set(&guard->bans, ban, now_us);
}

bool guard_ban_remove(struct guard *guard, const struct addr *addr)
{
    return guard_ban_lift(&guard->bans, addr);
}

void guard_ban_list(const struct guard *guard, uint32_t cursor, uint64_t now_us,
                    struct ban_page *ret_page)
{
    guard_ban_page(&guard->bans, cursor, now_us, ret_page);
}

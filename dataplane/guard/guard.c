// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard.h"

#include "guard/guard_answer.h"
#include "guard/guard_ban.h"
#include "guard/guard_conduct.h"
#include "guard/guard_connection.h"
#include "guard/guard_cookie.h"
#include "guard/guard_lists.h"
#include "guard/guard_login.h"
#include "guard/guard_quota.h"
#include "guard/guard_shadow.h"
#include "guard/guard_synack.h"
#include "guard/guard_syncache.h"

#include <stdlib.h>

enum { RETRANSMISSIONS_A_CALL = 256 };

struct pending { // SYNs that are to be answered at the end of the burst
    struct rte_mbuf *mbufs[GUARD_BURST];
    const struct packet *syns[GUARD_BURST];
    bool proven[GUARD_BURST];
    unsigned count;
};

struct guard {
    struct guard_config config;
    const struct policy *policy;     // NULL until the first guard_policy
    const struct guard_lists *lists; // NULL also when they are empty
    // What the policy says, ready to use.
    uint16_t ports[SERVICES_MAX];
    unsigned services_count;
    struct guard_answer_limits answer_limits[CLASSES_MAX];
    struct pending pending;

    struct guard_answer answer;
    struct guard_syncache syncache;
    struct guard_connection connections;
    struct guard_quota quota;
    struct guard_login logins;
    struct guard_peers alone; // of a single worker
    struct guard_ban bans;
    uint64_t bars; // bans and lists so far
    struct guard_conduct conduct;
    struct guard_shadow shadow;
    struct guard_cookie cookie;
    struct guard_synack synack;
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

enum key_use {
    KEY_ANSWER,
    KEY_CONNECTION,
    KEY_BAN,
    KEY_COOKIE,
    KEY_SYNCACHE,
    KEY_SHADOW,
    KEY_QUOTA,
    KEY_LOGIN
};

static int open_tables(struct guard *guard)
{
    const struct guard_config *c = &guard->config;
    struct guard_peers *peers = c->peers ? c->peers : &guard->alone;
    struct siphash_key answer = subkey(&c->key, KEY_ANSWER);
    struct siphash_key connection = subkey(&c->key, KEY_CONNECTION);
    struct siphash_key quota = subkey(&c->key, KEY_QUOTA);
    struct siphash_key login = subkey(&c->key, KEY_LOGIN);
    struct siphash_key ban = subkey(&c->key, KEY_BAN);
    struct siphash_key syncache = subkey(&c->key, KEY_SYNCACHE);
    struct siphash_key shadow = subkey(&c->key, KEY_SHADOW);
    int error = guard_answer_init(&guard->answer, c->sources, c->numa_node, &answer, peers,
                                  c->worker, c->workers);
    if (!error)
        error = guard_syncache_init(&guard->syncache, c->numa_node, &syncache);
    if (!error)
        error = guard_connection_init(&guard->connections, c->sessions, c->numa_node, &connection,
                                      peers, c->worker, c->workers);
    if (!error)
        error = guard_quota_init(&guard->quota, c->sessions * 2, c->numa_node, &quota, peers,
                                 c->worker, c->workers);
    if (!error)
        error = guard_login_init(&guard->logins, c->sessions, c->numa_node, &login, peers,
                                 c->worker, c->workers);
    if (!error)
        error = guard_ban_init(&guard->bans, c->numa_node, &ban);
    if (!error)
        error = guard_conduct_init(&guard->conduct, c->numa_node);
    if (!error)
        error = guard_shadow_init(&guard->shadow, c->numa_node, &shadow);
    return error;
}

struct guard *guard_open(const struct guard_config *config)
{
    CHECK(config->workers > 0 && config->worker < config->workers && config->counters);
    CHECK(config->peers || config->workers == 1);
    CHECK(config->mtu >= 1280 && config->receive_bytes > 0);
    struct guard *guard = aligned_alloc(64, (sizeof *guard + 63) / 64 * 64);
    if (!guard)
        return NULL;
    memset(guard, 0, sizeof *guard);
    guard->config = *config;
    struct siphash_key cookie = subkey(&config->key, KEY_COOKIE);
    guard_cookie_init(&guard->cookie, &cookie);
    uint32_t window = config->receive_bytes;
    guard_synack_init(&guard->synack, config->mtu,
                      window > UINT16_MAX ? UINT16_MAX : (uint16_t)window);
    if (open_tables(guard) == 0)
        return guard;
    guard_shut(guard);
    return NULL;
}

void guard_shut(struct guard *guard)
{
    if (!guard)
        return;
    guard_answer_done(&guard->answer);
    guard_syncache_done(&guard->syncache);
    guard_connection_done(&guard->connections);
    guard_quota_done(&guard->quota);
    guard_login_done(&guard->logins);
    guard_ban_done(&guard->bans);
    guard_conduct_done(&guard->conduct);
    guard_shadow_done(&guard->shadow);
    explicit_bzero(guard, sizeof *guard);
    free(guard);
}

static struct guard_answer_limits answer_limits(const struct guard *guard, unsigned class)
{
    const struct policy *p = guard->policy;
    uint64_t prefix = policy_limit(p, class, LIMIT_SYN_ANSWERS_PREFIX);
    uint64_t total = policy_limit(p, class, LIMIT_SYN_ANSWERS_TOTAL);
    return (struct guard_answer_limits){
        .source = {guard_rate_of(GUARD_RATE_SECOND_NS,
                                 policy_limit(p, class, LIMIT_SYN_RATE_SOURCE),
                                 policy_limit(p, class, LIMIT_SYN_BURST_SOURCE)),
                   policy_mode(p, class, LIMIT_SYN_RATE_SOURCE)},
        .prefix = {guard_rate_of(GUARD_RATE_SECOND_NS, prefix, prefix + 1),
                   policy_mode(p, class, LIMIT_SYN_ANSWERS_PREFIX)},
        .total = {guard_rate_of(GUARD_RATE_SECOND_NS, total, total / 10 + 1),
                  policy_mode(p, class, LIMIT_SYN_ANSWERS_TOTAL)},
    };
}

void guard_policy(struct guard *guard, const struct policy *policy, const struct guard_lists *lists)
{
    guard->policy = policy;
    guard->lists = policy->prefixes.count ? lists : NULL;
    guard->services_count = policy->services_count;
    for (unsigned i = 0; i < guard->services_count; i++)
        guard->ports[i] = policy->services[i].port;
    for (unsigned class = 0; class < CLASSES_MAX; class ++)
        guard->answer_limits[class] = answer_limits(guard, class);
    guard_answer_policy(&guard->answer, guard->answer_limits);
    guard_pressure_marks(&guard->answer.pressure, policy->limits[LIMIT_SYN_ATTACK_HIGH],
                         policy->limits[LIMIT_SYN_ATTACK_LOW]);
    guard_connection_policy(&guard->connections, policy);
    guard_quota_policy(&guard->quota, policy);
    guard_login_policy(&guard->logins, policy);
    guard->bars++;
    if (guard->config.worker == 0)
        counter_set(guard->config.counters, COUNTER_LISTS_BYTES,
                    lists ? guard_lists_bytes(lists) : 0);
}

static uint8_t classify(const struct guard *guard, const struct addr *source)
{
    return guard->lists ? guard_lists_class(guard->lists, source) : CLASS_DEFAULT;
}

static int service_of(const struct guard *guard, const struct packet *packet)
{
    if (packet->leg != LEG_OUTSIDE)
        return -1;
    for (unsigned i = 0; i < guard->services_count; i++)
        if (guard->ports[i] == packet->dst_port)
            return (int)i;
    return -1;
}

static void lists_locate(const struct guard *guard, const struct packet *packets, unsigned count,
                         struct guard_lists_burst *ret_listed)
{
    ret_listed->n = count;
    for (unsigned i = 0; i < count; i++)
        ret_listed->addrs[i] = &packets[i].src;
    guard_lists_locate(guard->lists, ret_listed);
}

static void lists_find(const struct guard *guard, struct guard_lists_burst *listed,
                       struct guard_look *looks)
{
    uint8_t classes[GUARD_BURST];
    guard_lists_find(guard->lists, listed, classes);
    for (unsigned i = 0; i < listed->n; i++)
        looks[i].class = classes[i];
}

void guard_look(struct guard *guard, const struct packet *packets, unsigned count,
                struct guard_look *ret_looks)
{
    CHECK(count <= GUARD_BURST && guard->pending.count == 0);
    struct guard_lists_burst listed;
    if (guard->lists) // the rest is done while memory comes
        lists_locate(guard, packets, count, &listed);
    for (unsigned i = 0; i < count; i++) {
        struct guard_look *look = &ret_looks[i];
        look->service = (int8_t)service_of(guard, &packets[i]);
        look->class = CLASS_DEFAULT;
        guard_answer_locate(&guard->answer, &packets[i], &look->place);
    }
    if (guard->lists)
        lists_find(guard, &listed, ret_looks);
}

enum reason guard_admit(struct guard *guard, const struct packet *packet,
                        const struct guard_look *look, uint64_t now_us)
{
    if (look->class == CLASS_ALLOW)
        return REASON_NONE;
    if (look->class == CLASS_DENY)
        return REASON_DENY_LIST;
    if (look->class == CLASS_MARTIAN)
        return REASON_MARTIAN_LIST;
    return guard_ban_holds(&guard->bans, &packet->src, now_us) ? REASON_BANNED : REASON_NONE;
}

bool guard_is_attacked(const struct guard *guard)
{
    return guard->answer.pressure.attack;
}

void guard_glance(struct guard *guard, const struct packet *packets, const struct guard_look *looks,
                  const uint8_t *which, unsigned count, uint64_t now_us, uint8_t *ret_reasons)
{
    unsigned refused = 0;
    bool any_banned = guard->bans.table.count > 0;
    for (unsigned k = 0; k < count; k++) {
        const struct packet *syn = &packets[which[k]];
        const struct guard_look *look = &looks[which[k]];
        enum reason reason = REASON_NONE;
        if (any_banned || look->class != CLASS_DEFAULT)
            reason = guard_admit(guard, syn, look, now_us);
        if (reason == REASON_NONE && look->class != CLASS_ALLOW && look->service >= 0 &&
            syn->src_port != 0) {
            reason = guard_answer_glance(&guard->answer, &guard->answer_limits[look->class], syn,
                                         &look->place, now_us);
            refused += reason != REASON_NONE;
        }
        ret_reasons[which[k]] = (uint8_t)reason;
    }
    guard_answer_glanced(&guard->answer, refused, now_us);
    counter_add(guard->config.counters, COUNTER_SYN_RECEIVED, refused);
}

static void shadow_count(struct guard *guard, uint64_t shadowed)
{
    for (; shadowed; shadowed &= shadowed - 1) {
        enum limit limit = (enum limit)__builtin_ctzll(shadowed);
        counter_shadow(guard->config.counters, limit_facts(limit)->reason);
    }
}

static void shadow_syn(struct guard *guard, const struct packet *syn, uint64_t shadowed,
                       uint64_t now_us)
{
    shadow_count(guard, shadowed);
    guard_shadow_note(&guard->shadow, syn, shadowed, now_us);
}

enum reason guard_syn(struct guard *guard, struct rte_mbuf *m, const struct packet *packet,
                      const struct guard_look *look, uint64_t now_us)
{
    struct counter_block *counters = guard->config.counters;
    if (packet->payload_size > 0 || packet->src_port == 0)
        return REASON_SYN_MALFORMED;
    if (look->service < 0)
        return REASON_NO_SERVICE;
    counter_add(counters, COUNTER_SYN_RECEIVED, 1);
    bool proven = look->class == CLASS_ALLOW;
    if (!proven) {
        struct guard_answer_verdict verdict = guard_answer_judge(
            &guard->answer, &guard->answer_limits[look->class], packet, &look->place, now_us);
        if (verdict.reason != REASON_NONE)
            return verdict.reason;
        if (verdict.shadowed)
            shadow_syn(guard, packet, verdict.shadowed, now_us);
        proven = verdict.proven;
        counter_add(counters, COUNTER_SYN_PROVEN, proven);
    }
    if (!guard_synack_fits(m))
        return REASON_TCP_NO_BUFFER;
    struct pending *pending = &guard->pending;
    CHECK(pending->count < GUARD_BURST);
    pending->mbufs[pending->count] = m;
    pending->syns[pending->count] = packet;
    pending->proven[pending->count++] = proven;
    return REASON_NONE;
}

static __attribute__((noinline)) void leave_out(struct pending *pending, uint32_t but)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < pending->count; i++) {
        if (but & UINT32_C(1) << i)
            continue;
        pending->mbufs[kept] = pending->mbufs[i];
        pending->syns[kept] = pending->syns[i];
        pending->proven[kept++] = pending->proven[i];
    }
    pending->count = kept;
}

unsigned guard_answer(struct guard *guard, uint32_t but, struct rte_mbuf *ret_synacks[GUARD_BURST],
                      uint64_t now_us)
{
    struct pending *pending = &guard->pending;
    if (but)
        leave_out(pending, but);
    unsigned count = pending->count;
    if (count == 0)
        return 0;
    struct guard_cookie_answer cookies[GUARD_BURST];
    guard_cookie_make(&guard->cookie, pending->syns, count, now_us, cookies);
    guard_synack_write(&guard->synack, pending->mbufs, pending->syns, cookies, count);
    for (unsigned i = 0; i < count && !guard->answer.pressure.attack; i++)
        guard_syncache_note(&guard->syncache, pending->syns[i], &cookies[i], pending->proven[i],
                            now_us);
    memcpy(ret_synacks, pending->mbufs, count * sizeof *ret_synacks);
    counter_add(guard->config.counters, COUNTER_SYN_ANSWERED, count);
    pending->count = 0;
    return count;
}

enum reason guard_ack(struct guard *guard, const struct packet *packet,
                      const struct guard_look *look, uint64_t now_us, bool known,
                      struct tcp_handshake *handshake)
{
    if (packet->tcp_flags & TCP_RST)
        guard_syncache_forget(&guard->syncache, packet);
    if ((packet->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
        return REASON_OUT_OF_STATE;
    if (look->service < 0)
        return REASON_NO_SERVICE;
    struct tcp_handshake found;
    if (known)
        found = *handshake;
    else if (!guard_cookie_check(&guard->cookie, packet, now_us, &found))
        return REASON_COOKIE_INVALID;
    guard_syncache_forget(&guard->syncache, packet);
    struct guard_proven_print print = guard_proven_of_ack(packet, &found, now_us);
    guard_proven_learn(&guard->answer.proven, &look->place.name, &print, now_us);
    *handshake = found;
    return REASON_NONE;
}

enum reason guard_connection_begun(struct guard *guard, const struct packet *packet,
                                   const struct guard_look *look, uint64_t now_us,
                                   struct tcp_handshake *handshake)
{
    enum reason reason =
        guard_connection_opened(&guard->connections, &packet->src, (unsigned)look->service,
                                look->class, now_us, &handshake->shadowed);
    if (reason != REASON_NONE)
        return reason;
    shadow_count(guard, handshake->shadowed);
    handshake->shadowed |= guard_shadow_of(&guard->shadow, packet, now_us);
    handshake->class = look->class;
    return REASON_NONE;
}

// Whether a SYN-ACK may be sent again.
static bool may_repeat(struct guard *guard, const struct packet *syn, bool proven, uint64_t now_us)
{
    uint8_t class = classify(guard, &syn->src);
    if (proven || class == CLASS_ALLOW)
        return true;
    uint64_t shadowed = 0;
    bool may = guard_answer_repeat(&guard->answer, &guard->answer_limits[class], &syn->src, now_us,
                                   &shadowed);
    shadow_count(guard, shadowed);
    counter_add(guard->config.counters, COUNTER_SYN_ACKS_WITHHELD, !may);
    return may;
}

// Bans of an operator are on every worker, and counted once.
static uint32_t bans_counted(const struct guard *guard)
{
    const struct guard_ban *bans = &guard->bans;
    return bans->table.count - (guard->config.worker > 0 ? bans->by_operator : 0);
}

void guard_advance(struct guard *guard, const struct guard_output *output, uint64_t now_us)
{
    guard_answer_advance(&guard->answer, now_us);
    guard_ban_advance(&guard->bans, now_us);
    counter_set(guard->config.counters, COUNTER_SOURCES_BANNED, bans_counted(guard));
    bool attack = guard->answer.pressure.attack;
    counter_set(guard->config.counters, COUNTER_ATTACK_MODE, attack);
    if (attack)
        guard_syncache_clear(&guard->syncache);
    struct packet syn;
    struct guard_cookie_answer cookie;
    bool proven;
    for (int i = 0; i < RETRANSMISSIONS_A_CALL; i++) {
        if (!guard_syncache_due(&guard->syncache, now_us, &syn, &cookie, &proven))
            return;
        if (!may_repeat(guard, &syn, proven, now_us))
            continue;
        struct rte_mbuf *m = output->take(output->context);
        if (!m)
            continue;                // the next time, or the client's own retransmission, must do
        CHECK(guard_synack_fits(m)); // an empty mbuf
        guard_synack_write(&guard->synack, &m, &(const struct packet *){&syn}, &cookie, 1);
        counter_add(guard->config.counters, COUNTER_SYN_ACKS_RETRANSMITTED, 1);
        output->send(output->context, m, (enum leg)syn.leg, now_us);
    }
}

enum reason guard_charge(struct guard *guard, enum charge charge, const struct addr *client,
                         struct span user, uint64_t now_us, uint64_t *shadowed)
{
    uint64_t now_shadowed;
    enum reason reason = guard_quota_charge(&guard->quota, charge, client, user,
                                            classify(guard, client), now_us, &now_shadowed);
    shadow_count(guard, now_shadowed);
    *shadowed |= now_shadowed;
    return reason;
}

enum reason guard_login(struct guard *guard, enum protocol protocol, const struct addr *client,
                        struct span user, uint64_t now_us, uint64_t *ret_ticket, uint64_t *shadowed)
{
    uint64_t ticket, now_shadowed;
    enum reason reason =
        guard_login_opened(&guard->logins, protocol, client, user, classify(guard, client), now_us,
                           &ticket, &now_shadowed);
    if (reason != REASON_NONE)
        return reason;
    reason = guard_charge(guard, CHARGE_LOGIN, client, user, now_us, shadowed);
    if (reason != REASON_NONE) {
        guard_logout(guard, client, ticket);
        return reason;
    }
    shadow_count(guard, now_shadowed);
    *shadowed |= now_shadowed;
    *ret_ticket = ticket;
    return REASON_NONE;
}

void guard_logout(struct guard *guard, const struct addr *client, uint64_t ticket)
{
    if (ticket)
        guard_login_ended(&guard->logins, client, ticket);
}

void guard_connection_closed(struct guard *guard, const struct addr *client, unsigned service)
{
    guard_connection_ended(&guard->connections, client, service);
}

bool guard_ban_add(struct guard *guard, const struct ban *ban, uint64_t now_us)
{
    bool taken =
        classify(guard, &ban->addr) != CLASS_ALLOW && guard_ban_set(&guard->bans, ban, now_us);
    guard->bars += taken;
    return taken;
}

bool guard_is_barred(struct guard *guard, const struct addr *addr, uint64_t now_us)
{
    uint8_t class = classify(guard, addr);
    if (class == CLASS_ALLOW)
        return false;
    return class == CLASS_DENY || class == CLASS_MARTIAN ||
           guard_ban_holds(&guard->bans, addr, now_us);
}

uint64_t guard_bars(const struct guard *guard)
{
    return guard->bars;
}

bool guard_ban_remove(struct guard *guard, const struct addr *addr)
{
    return guard_ban_lift(&guard->bans, addr);
}

static struct guard_name name_of(const struct guard *guard, const struct addr *addr)
{
    return guard_name_of(&guard->answer.name_key, addr);
}

bool guard_is_good(const struct guard *guard, const struct addr *client, uint64_t now_us)
{
    struct guard_name name = name_of(guard, client);
    return classify(guard, client) == CLASS_ALLOW ||
           guard_conduct_is_good(&guard->conduct, &name, now_us);
}

void guard_praise(struct guard *guard, const struct addr *client, uint64_t now_us)
{
    struct guard_name name = name_of(guard, client);
    uint64_t keep_us = guard->policy->limits[LIMIT_GOOD_HISTORY_SECONDS] * UINT64_C(1000000);
    if (keep_us > 0)
        guard_conduct_praise(&guard->conduct, &name, now_us + keep_us, now_us);
}

bool guard_offend(struct guard *guard, const struct addr *client, enum reason reason,
                  uint64_t now_us)
{
    const struct policy *p = guard->policy;
    unsigned class = classify(guard, client);
    enum limit_mode mode = policy_mode(p, class, LIMIT_OFFENCES_SOURCE);
    struct guard_name name = name_of(guard, client);
    if (class == CLASS_ALLOW || mode == MODE_OFF || policy_may_relay(p, client) ||
        !guard_conduct_offend(&guard->conduct, &name, reason,
                              policy_limit(p, class, LIMIT_OFFENCES_SOURCE), now_us))
        return false;
    if (mode == MODE_SHADOW) {
        counter_shadow(guard->config.counters, REASON_OFFENCES_SOURCE);
        return false;
    }
    struct ban ban = {.addr = *client,
                      .seconds = (uint32_t)p->limits[LIMIT_BAN_SECONDS],
                      .reason = (uint16_t)reason};
    bool banned = guard_ban_set(&guard->bans, &ban, now_us);
    guard->bars += banned;
    return banned;
}

void guard_ban_list(const struct guard *guard, uint32_t cursor, uint64_t now_us,
                    struct ban_page *ret_page)
{
    guard_ban_page(&guard->bans, cursor, now_us, ret_page);
}

void guard_explain(const struct guard *guard, const struct addr *addr, uint64_t now_us,
                   struct explain_answer *answer)
{
    struct ban ban;
    if (guard_ban_find(&guard->bans, addr, now_us, &ban)) {
        answer->ban_seconds = ban.seconds;
        answer->ban_reason = ban.reason;
    }
    struct guard_name name = name_of(guard, addr);
    answer->is_proven = guard_proven_knows(&guard->answer.proven, &name, now_us, &answer->proven_s);
    answer->attack = guard->answer.pressure.attack;
    answer->connections = guard_connection_of(&guard->connections, addr);
    struct guard_source_slot slot = guard_source_locate(&guard->answer.sources, &name);
    struct guard_source_entry known =
        guard_source_find(&guard->answer.sources, &slot, now_us * 1000);
    answer->debt_us = guard_source_debt(&known) / 1000;
    uint8_t class = classify(guard, addr);
    answer->is_good = guard_conduct_is_good(&guard->conduct, &name, now_us);
    answer->points_most =
        guard->policy ? (uint32_t)policy_limit(guard->policy, class, LIMIT_OFFENCES_SOURCE) : 1;
    answer->points = guard_conduct_debt(&guard->conduct, &name, answer->points_most, now_us);
    const struct guard_answer_limit *source = &guard->answer_limits[class].source;
    bool holds = class != CLASS_ALLOW && source->mode == MODE_ENFORCE;
    answer->tolerance_us = holds ? source->rate.tolerance / 1000 : UINT64_MAX;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "worker/worker.h"

#include "base/memory_left.h"
#include "guard/guard_conduct.h"
#include "worker/worker_internal.h"

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    TCP_SEND_BYTES = 393216, // 100 Mbit/s over 20 ms, and half as much in the bottleneck's queue
    TCP_RECEIVE_BYTES = 393216,
    IDLE_TURNS_BEFORE_SLEEP = 16,
    MBUFS_RESERVE_PART = 16
};

static void emit_packet(void *worker, struct rte_mbuf *m, enum leg leg) // from tcp
{
    struct worker *w = worker;
    net_output(w->net, &m, 1, leg, w->now_us);
}

static const struct addr *backend_local(void *worker, const struct addr *backend)
{
    struct worker *w = worker;
    return net_local(w->net, LEG_INSIDE, backend);
}

static void client_gone(void *worker, const struct addr *client, unsigned service)
{
    struct worker *w = worker;
    guard_connection_closed(w->guard, client, service);
}

static enum reason charge(void *worker, enum charge charge, const struct addr *client,
                          struct span user, uint64_t *shadowed)
{
    struct worker *w = worker;
    return guard_charge(w->guard, charge, client, user, w->now_us, shadowed);
}

static enum reason login(void *worker, enum protocol protocol, const struct addr *client,
                         struct span user, uint64_t *ret_ticket, uint64_t *shadowed)
{
    struct worker *w = worker;
    return guard_login(w->guard, protocol, client, user, w->now_us, ret_ticket, shadowed);
}

static void logout(void *worker, const struct addr *client, uint64_t ticket)
{
    struct worker *w = worker;
    guard_logout(w->guard, client, ticket);
}

static bool is_barred(void *worker, const struct addr *client)
{
    struct worker *w = worker;
    return guard_is_barred(w->guard, client, w->now_us);
}

static bool note(void *worker, const struct addr *client, enum reason reason)
{
    struct worker *w = worker;
    if (reason == REASON_NONE)
        guard_praise(w->guard, client, w->now_us);
    if (guard_conduct_points(reason) == 0)
        return false;
    if (guard_offend(w->guard, client, reason, w->now_us))
        counter_refuse(w->counters, REASON_OFFENCES_SOURCE);
    return true;
}

static bool is_known(void *worker, const struct addr *client)
{
    struct worker *w = worker;
    return guard_is_good(w->guard, client, w->now_us);
}

static const char *open_stations(struct worker *w)
{
    const struct worker_config *c = &w->config;
    const struct policy_boot *boot = c->boot;
    struct net_config net = {.boot = boot,
                             .listens_only = c->index > 0,
                             .mbufs = c->mbufs,
                             .counters = w->counters,
                             .transmit = worker_tx_transmit,
                             .context = w};
    for (int leg = 0; leg < LEG_COUNT; leg++)
        memcpy(net.mac[leg], c->ports[leg]->mac, sizeof net.mac[leg]);
    if (!(w->net = net_open(&net)))
        return "no memory for the neighbour cache";

    struct guard_config guard = {.sources = boot->sources,
                                 .sessions = boot->sessions,
                                 .worker = c->index,
                                 .workers = boot->workers,
                                 .peers = c->peers,
                                 .numa_node = (int)rte_lcore_to_socket_id(boot->lcores[c->index]),
                                 .mtu = boot->legs[LEG_OUTSIDE].mtu,
                                 .receive_bytes = TCP_RECEIVE_BYTES,
                                 .key = c->guard_key,
                                 .counters = w->counters};
    if (!(w->guard = guard_open(&guard)))
        return "no memory for the guard's tables: boot.sources or boot.sessions is too large";
    if (guard_heavy_init(&w->heavy, guard.numa_node, &c->guard_key) < 0)
        return "no memory for the heavy hitters";

    struct tcp_config tcp = {.connections = boot->connections,
                             .numa_node = guard.numa_node,
                             .send_bytes = TCP_SEND_BYTES,
                             .receive_bytes = TCP_RECEIVE_BYTES,
                             .worker = c->index,
                             .workers = boot->workers,
                             .key = c->tcp_key,
                             .mbufs = c->mbufs,
                             .counters = w->counters,
                             .emit = emit_packet,
                             .context = w};
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        tcp.mtu[leg] = boot->legs[leg].mtu;
        tcp.port_sums[leg] = c->ports[leg]->completes_tcp;
    }
    if (!(w->tcp = tcp_open(&tcp)))
        return "no memory for the connection table: boot.connections is too large";

    struct sessions_config sessions = {.sessions = boot->sessions,
                                       .worker = c->index,
                                       .tcp = w->tcp,
                                       .counters = w->counters,
                                       .key = c->sessions_key,
                                       .local = backend_local,
                                       .ask = worker_link_ask,
                                       .report = worker_link_report,
                                       .client_gone = client_gone,
                                       .charge = charge,
                                       .login = login,
                                       .logout = logout,
                                       .is_barred = is_barred,
                                       .note = note,
                                       .is_known = is_known,
                                       .context = w};
    if (!(w->sessions = sessions_open(&sessions)))
        return "no memory for the session table: boot.sessions is too large";
    return NULL;
}

/* The tables of connections and sessions take memory only as they fill, and then it must be there:
 * that of this worker, and of those that were opened before it, which are as large. */
static bool has_room(const struct worker *w)
{
    uint64_t bytes = tcp_memory(w->tcp) + sessions_memory(w->sessions);
    return memory_has_room(bytes * (w->config.index + 1u));
}

struct worker *worker_open(const struct worker_config *config, const char **ret_what)
{
    struct worker *w = aligned_alloc(64, (sizeof *w + 63) / 64 * 64);
    if (!w) {
        *ret_what = "no memory for a worker";
        return NULL;
    }
    memset(w, 0, sizeof *w);
    w->config = *config;
    w->counters = config->counters;
    w->cycles = config->clock_start;
    w->us_per_cycle = 1e6 / (double)rte_get_tsc_hz();
    w->now_us = (uint64_t)((double)(rte_rdtsc() - config->clock_start) * w->us_per_cycle);
    w->snapshot_next = config->snapshot;
    w->mbufs_reserve = config->mbufs->size / MBUFS_RESERVE_PART;
    const char *what = open_stations(w);
    if (!what && !has_room(w))
        what = "no memory for as many as boot.connections and boot.sessions say";
    if (what) {
        worker_close(w);
        *ret_what = what;
        return NULL;
    }
    return w;
}

void worker_close(struct worker *w)
{
    if (w->sessions)
        sessions_shut(w->sessions);
    if (w->tcp)
        tcp_shut(w->tcp);
    if (w->guard)
        guard_shut(w->guard);
    guard_heavy_done(&w->heavy);
    if (w->net)
        net_shut(w->net);
    for (int leg = 0; leg < LEG_COUNT; leg++)
        rte_pktmbuf_free_bulk(w->tx[leg].frames, w->tx[leg].count);
    free(w);
}

void worker_stop(struct worker *w)
{
    __atomic_store_n(&w->stopping, true, __ATOMIC_RELEASE);
}

void worker_want_drain(struct worker *w)
{
    __atomic_store_n(&w->drain_wanted, true, __ATOMIC_RELEASE);
}

void worker_drain(struct worker *w, bool drain, uint32_t seconds)
{
    uint64_t all = seconds;
    if (seconds == UINT32_MAX)
        all = w->snapshot ? w->snapshot->policy->limits[LIMIT_DRAIN_SECONDS] : 0;
    w->draining = drain;
    sessions_drain(w->sessions, drain, w->now_us + all * 1000000);
    counter_set(w->counters, COUNTER_DRAINING, drain);
}

int worker_run(void *worker)
{
    struct worker *w = worker;
    uint16_t sleep_us = w->config.boot->idle_sleep_us;
    unsigned idle_turns = 0;
    while (!__atomic_load_n(&w->stopping, __ATOMIC_ACQUIRE)) {
        if (worker_turn(w)) {
            idle_turns = 0;
        } else if (sleep_us && ++idle_turns > IDLE_TURNS_BEFORE_SLEEP) {
            usleep(sleep_us);
        }
    }
    return 0;
}

void worker_set_snapshot(struct worker *w, struct snapshot *snapshot)
{
    __atomic_store_n(&w->snapshot_next, snapshot, __ATOMIC_RELEASE);
}

void worker_set_link(struct worker *w, enum attach_role role, struct worker_link *link)
{
    __atomic_store_n(&w->links_next[role], link, __ATOMIC_RELEASE);
}

bool worker_has_adopted(const struct worker *w)
{
    if (__atomic_load_n(&w->snapshot, __ATOMIC_ACQUIRE) != w->snapshot_next)
        return false;
    for (int role = 0; role < ROLE_COUNT; role++)
        if (__atomic_load_n(&w->links[role], __ATOMIC_ACQUIRE) != w->links_next[role])
            return false;
    return true;
}

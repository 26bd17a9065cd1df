// SPDX-License-Identifier: BSD-3-Clause
/* A packet's way, in order: rx, net, guard, tcp, session (tls, protocols, pump), tx; then answers
 * of the control plane, timers, and once in a while the gauges. Every step has a budget, so a turn
 * has a bounded worst case. */
#include "worker/worker_internal.h"

#include <rte_cycles.h>
#include <time.h>

enum {
    EVENTS_A_TURN = 512,
    SLOW_US = 10000, // gauges, neighbours
    LOAD_US = 1000000,
};

static unsigned events(struct worker *w)
{
    struct tcp_event event;
    unsigned count = 0;
    while (count < EVENTS_A_TURN && tcp_event_next(w->tcp, &event)) {
        sessions_event(w->sessions, &event, w->now_us);
        count++;
    }
    return count;
}

static void adopt_snapshot(struct worker *w)
{
    struct snapshot *next = __atomic_load_n(&w->snapshot_next, __ATOMIC_ACQUIRE);
    if (next == w->snapshot)
        return;
    net_policy(w->net, next->policy);
    guard_policy(w->guard, next->policy, next->lists);
    sessions_snapshot(w->sessions, next, w->now_us);
    counter_add(w->counters, COUNTER_POLICY_SWAPS, 1);
    __atomic_store_n(&w->snapshot, next, __ATOMIC_RELEASE);
}

// Bans and lists that came in this turn end the sessions of their sources.
static void end_barred(struct worker *w)
{
    if (likely(w->bars == guard_bars(w->guard)))
        return;
    w->bars = guard_bars(w->guard);
    sessions_bar(w->sessions);
}

static struct rte_mbuf *synack_take(void *worker)
{
    struct worker *w = worker;
    return rte_pktmbuf_alloc(w->config.mbufs);
}

static void synack_send(void *worker, struct rte_mbuf *m, enum leg leg, uint64_t now_us)
{
    struct worker *w = worker;
    net_output(w->net, &m, 1, leg, now_us);
}

// The cycle counter's rate is known to 0.2 % only, and the system's clock may be set.
static int64_t unix_us_offset(uint64_t now_us)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - (int64_t)now_us;
}

static void measure_load(struct worker *w)
{
    uint64_t us = w->now_us - w->load_us, busy_us = w->counters->counters[COUNTER_BUSY_US];
    if (us < LOAD_US)
        return;
    uint64_t permille = (busy_us - w->load_busy_us) * 1000 / us;
    counter_set(w->counters, COUNTER_BUSY_PERMILLE, RTE_MIN(permille, 1000u));
    w->load_us = w->now_us;
    w->load_busy_us = busy_us;
}

static void slow(struct worker *w)
{
    w->slow_us = w->now_us + SLOW_US;
    sessions_clock(w->sessions, unix_us_offset(w->now_us));
    if (__atomic_load_n(&w->drain_wanted, __ATOMIC_ACQUIRE) && !w->drain_taken) {
        w->drain_taken = true;
        worker_drain(w, true, UINT32_MAX);
    }
    net_advance(w->net, w->now_us);
    struct guard_output output = {synack_take, synack_send, w};
    guard_advance(w->guard, &output, w->now_us);
    guard_heavy_advance(&w->heavy, w->now_us);
    measure_load(w);
    counter_set(w->counters, COUNTER_SESSIONS_OPEN, sessions_count(w->sessions));
    counter_set(w->counters, COUNTER_CONNECTIONS_OPEN, tcp_connections(w->tcp));
}

static void measure(struct worker *w, uint64_t cycles)
{
    uint64_t spent = rte_rdtsc() - cycles;
    uint64_t spent_us = (uint64_t)((double)spent * w->us_per_cycle);
    w->busy_cycles += spent; // most turns take a few microseconds: none is cut off
    counter_add(w->counters, COUNTER_TURNS_BUSY, 1);
    counter_set(w->counters, COUNTER_BUSY_US, (uint64_t)((double)w->busy_cycles * w->us_per_cycle));
    if (likely(spent_us <= 100))
        return;
    counter_add(w->counters, COUNTER_TURNS_OVER_100_US, 1);
    counter_add(w->counters, COUNTER_TURNS_OVER_500_US, spent_us > 500);
    if (spent_us > w->counters->counters[COUNTER_TURN_WORST_US])
        counter_set(w->counters, COUNTER_TURN_WORST_US, spent_us);
}

// By the pool alone: going over all lcores' caches takes too long for every turn.
static bool mbufs_are_low(const struct worker *w)
{
    const struct rte_mempool *pool = w->config.mbufs;
    return rte_mempool_get_ops(pool->ops_index)->get_count(pool) < w->mbufs_reserve;
}

static bool turn(struct worker *w, uint64_t cycles, uint64_t now_us)
{
    w->now_us = now_us;
    w->mbufs_low = mbufs_are_low(w);
    adopt_snapshot(w);
    worker_link_adopt(w);

    unsigned work = worker_receive(w, LEG_OUTSIDE);
    if (w->config.ports[LEG_INSIDE] != w->config.ports[LEG_OUTSIDE])
        work += worker_receive(w, LEG_INSIDE);
    if (w->config.boot->workers > 1)
        work += worker_receive_steered(w);
    work += events(w);
    work += worker_link_serve(w);
    end_barred(w);
    sessions_advance(w->sessions, w->now_us);
    tcp_advance(w->tcp, w->now_us);
    if (w->now_us >= w->slow_us)
        slow(w);
    work += worker_tx_flush(w); // timers have frames to send, too
    worker_link_ring(w);

    counter_add(w->counters, COUNTER_TURNS, 1);
    if (work)
        measure(w, cycles);
    return work > 0;
}

bool worker_turn(struct worker *w)
{
    uint64_t cycles = rte_rdtsc();
    // Set back, as that of a virtual machine that was moved may be: time goes on from where it was.
    if (unlikely(cycles < w->cycles))
        w->config.clock_start -= w->cycles - cycles;
    w->cycles = cycles;
    return turn(w, cycles, (uint64_t)((double)(cycles - w->config.clock_start) * w->us_per_cycle));
}

bool worker_turn_at(struct worker *w, uint64_t now_us)
{
    return turn(w, rte_rdtsc(), now_us);
}

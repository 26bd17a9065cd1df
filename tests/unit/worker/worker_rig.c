// SPDX-License-Identifier: BSD-3-Clause
#include "worker_rig.h"

#include "rules/rules.h"
#include "support/eal_fixture.h"
#include "support/link_sim_packet.h"

#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    ETHERNET_SIZE = 14,
    ETHER_IPV4 = 0x0800,
    ETHER_ARP = 0x0806,
    PATIENCE_TURNS = 50,
    MBUFS = 2047,
};

static struct rte_mempool *pool;
static struct rte_ring *to_worker[LEG_COUNT], *from_worker[LEG_COUNT];
static struct port ports[LEG_COUNT];

static const uint8_t neighbor_mac[6] = {2, 0, 0, 0, 0, 9};

static struct rte_ring *wire(const char *name)
{
    struct rte_ring *ring =
        rte_ring_create(name, WIRE_SLOTS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    assert_non_null(ring);
    return ring;
}

static void port_make(enum leg leg)
{
    char name[3][16];
    snprintf(name[0], sizeof name[0], "in%d", leg);
    snprintf(name[1], sizeof name[1], "out%d", leg);
    snprintf(name[2], sizeof name[2], "wire%d", leg);
    to_worker[leg] = wire(name[0]);
    from_worker[leg] = wire(name[1]);
    int id = rte_eth_from_rings(name[2], &to_worker[leg], 1, &from_worker[leg], 1, 0);
    assert_true(id >= 0);
    struct rte_eth_conf none = {0};
    assert_int_equal(rte_eth_dev_configure((uint16_t)id, 1, 1, &none), 0);
    assert_int_equal(rte_eth_rx_queue_setup((uint16_t)id, 0, 64, 0, NULL, pool), 0);
    assert_int_equal(rte_eth_tx_queue_setup((uint16_t)id, 0, 64, 0, NULL), 0);
    assert_int_equal(rte_eth_dev_start((uint16_t)id), 0);
    ports[leg] = (struct port){.id = (uint16_t)id,
                               .rx_queues = 1,
                               .tx_queues = 1,
                               .mac = {2, 0, 0, 0, 0, (uint8_t)(1 + leg)}};
}

void worker_rig_start(void)
{
    if (pool)
        return;
    eal_fixture_start();
    pool = eal_fixture_pool("wires", MBUFS);
    for (int leg = 0; leg < LEG_COUNT; leg++)
        port_make((enum leg)leg);
}

struct rte_mempool *worker_rig_pool(void)
{
    return pool;
}

static struct policy *rig_policy(void)
{
    struct policy *p = calloc(1, sizeof *p);
    *p = (struct policy){.magic = POLICY_MAGIC,
                         .version = contract_version,
                         .size = sizeof *p,
                         .generation = 1,
                         .services_count = 1,
                         .backends_count = 1};
    for (int i = 0; i < LIMIT_COUNT; i++)
        p->limits[i] = limit_facts((enum limit)i)->value;
    p->limits[LIMIT_BACKEND_CHECK_SECONDS] = p->limits[LIMIT_BACKEND_SPARES] = 0;
    static const char *const addrs[LEG_COUNT][FAMILY_COUNT] = {{"198.51.100.1", "2001:db8:51::1"},
                                                               {"203.0.113.1", "2001:db8:113::1"}};
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        struct policy_interface *i = &p->boot.legs[leg];
        snprintf(i->device, sizeof i->device, "wire%d", leg);
        i->mtu = 1500;
        for (int family = 0; family < FAMILY_COUNT; family++)
            assert_true(addr_parse(addrs[leg][family], &i->addr[family]));
        i->bits[FAMILY_V4] = ADDR_V4_BITS + 24;
        i->bits[FAMILY_V6] = 64;
    }
    p->boot.workers = 1;
    p->boot.mbufs = p->boot.connections = p->boot.sessions = p->boot.sources = 1024;
    policy_verdicts_default(&p->smtp);
    p->limits[LIMIT_GREETING_DELAY_MS] = 0;
    snprintf(p->smtp.host_name, sizeof p->smtp.host_name, "mail.example.net");
    p->services[0] = (struct policy_service){.name = "smtp", .port = 25};
    p->backends[0] = (struct policy_backend){
        .name = "postfix", .servers_count = 1, .servers = {{.port = 25, .weight = 1}}};
    assert_true(addr_parse("203.0.113.10", &p->backends[0].servers[0].addr));
    struct policy_range *ranges[] = {&p->domains, &p->relay_networks, &p->prefixes, &p->rules,
                                     &p->rules_database};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        ranges[i]->offset = sizeof *p;
    const char *what = "";
    assert_true(policy_is_sound(p, p->size, &what));
    return p;
}

void worker_rig_open(struct worker_rig *rig)
{
    const char *what = "";
    worker_rig_start();
    memset(rig, 0, sizeof *rig);
    assert_true(addr_parse("198.51.100.10", &rig->client));
    assert_true(addr_parse("198.51.100.1", &rig->shield));
    rig->policy = rig_policy();
    rig->snapshot.policy = rig->policy;
    rig->snapshot.rules = rules_build(rig->policy, &what);
    rig->snapshot.uses[0].scratch = rules_scratch_open(rig->snapshot.rules);
    rig->snapshot.lists = guard_lists_build(rig->policy, &what);
    struct worker_config config = {.boot = &rig->policy->boot,
                                   .mbufs = pool,
                                   .counters = &rig->counters,
                                   .clock_start = rte_rdtsc() - rte_get_tsc_hz(),
                                   .guard_key = {{1, 2}},
                                   .tcp_key = {{3, 4}},
                                   .snapshot = &rig->snapshot};
    for (int leg = 0; leg < LEG_COUNT; leg++)
        config.ports[leg] = &ports[leg];
    rig->worker = worker_open(&config, &what);
    assert_non_null(rig->worker);
}

void worker_rig_close(struct worker_rig *rig)
{
    worker_close(rig->worker);
    rules_scratch_close(rig->snapshot.uses[0].scratch);
    rules_free(rig->snapshot.rules);
    guard_lists_free(rig->snapshot.lists);
    free(rig->policy);
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        void *m;
        while (rte_ring_dequeue(from_worker[leg], &m) == 0 ||
               rte_ring_dequeue(to_worker[leg], &m) == 0)
            rte_pktmbuf_free(m);
    }
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

int worker_rig_setup(void **state)
{
    static struct worker_rig rig;
    worker_rig_open(&rig);
    *state = &rig;
    return 0;
}

int worker_rig_teardown(void **state)
{
    worker_rig_close(*state);
    return 0;
}

void worker_rig_give(struct rte_mbuf *m, uint16_t ether_type, enum leg leg)
{
    uint8_t *at = (uint8_t *)rte_pktmbuf_prepend(m, ETHERNET_SIZE);
    assert_non_null(at);
    memcpy(at, ports[leg].mac, 6);
    memcpy(at + 6, neighbor_mac, 6);
    at[12] = (uint8_t)(ether_type >> 8);
    at[13] = (uint8_t)ether_type;
    if (rte_ring_enqueue(to_worker[leg], m) < 0)
        rte_pktmbuf_free(m); // the wire is full
}

void worker_rig_frame(struct span frame, enum leg leg)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
    assert_non_null(m);
    uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)frame.size);
    assert_non_null(at);
    memcpy(at, frame.at, frame.size);
    assert_int_equal(rte_ring_enqueue(to_worker[leg], m), 0);
}

struct rte_mbuf *worker_rig_sent(enum leg leg)
{
    void *m;
    return rte_ring_dequeue(from_worker[leg], &m) == 0 ? m : NULL;
}

void worker_rig_turns(struct worker_rig *rig, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++)
        worker_turn(rig->worker);
}

// The neighbour that was asked for answers: its question with sender and target turned round.
static void answer_arp(const struct rte_mbuf *question, enum leg leg)
{
    struct rte_mbuf *m = rte_pktmbuf_copy(question, pool, ETHERNET_SIZE, UINT32_MAX);
    uint8_t *arp = rte_pktmbuf_mtod(m, uint8_t *);
    uint8_t asker[10];
    memcpy(asker, arp + 8, 10);
    memcpy(arp + 14, arp + 24, 4);
    memcpy(arp + 8, neighbor_mac, 6);
    memcpy(arp + 18, asker, 10);
    arp[7] = 2;
    worker_rig_give(m, ETHER_ARP, leg);
}

struct rte_mbuf *worker_rig_take(struct worker_rig *rig, enum leg leg, struct packet *ret_packet)
{
    for (unsigned turn = 0; turn < PATIENCE_TURNS; turn++) {
        void *object;
        while (rte_ring_dequeue(from_worker[leg], &object) == 0) {
            struct rte_mbuf *m = object;
            const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
            bool arp = at[12] == ETHER_ARP >> 8 && at[13] == (ETHER_ARP & 0xff);
            if (arp) {
                answer_arp(m, leg);
                rte_pktmbuf_free(m);
                continue;
            }
            rte_pktmbuf_adj(m, ETHERNET_SIZE);
            assert_true(link_sim_packet_parse(m, leg, ret_packet));
            return m;
        }
        worker_rig_turns(rig, 1);
    }
    return NULL;
}

unsigned worker_rig_wire_count(enum leg leg)
{
    return rte_ring_count(from_worker[leg]);
}

void worker_rig_segment(struct worker_rig *rig, struct packet packet)
{
    packet.src = rig->client;
    packet.dst = rig->shield;
    packet.window = 65535;
    packet.ttl = 64;
    struct rte_mbuf *m = link_sim_packet_make(pool, &packet, span_of(NULL, 0));
    worker_rig_give(m, ETHER_IPV4, LEG_OUTSIDE);
}

uint64_t worker_rig_refusals(const struct worker_rig *rig)
{
    uint64_t sum = 0;
    for (int i = 0; i < REASON_COUNT; i++)
        sum += rig->counters.reasons[i];
    return sum;
}

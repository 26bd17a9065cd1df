// SPDX-License-Identifier: BSD-3-Clause
#include "link/port.h"

#include "support/eal_fixture.h"
#include "support/link_sim_packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct policy_boot boot;
static struct rte_mempool *mbufs;
static struct port port;
static const char *what;

static int start(void **state)
{
    boot = (struct policy_boot){.workers = 1, .mbufs = 4096};
    for (int leg = 0; leg < LEG_COUNT; leg++)
        boot.legs[leg].mtu = 1500;
    if (!mbufs)
        mbufs = eal_fixture_pool("port", 4095);
    what = "";
    port = (struct port){0};
    return 0;
}

static void name(enum leg leg, const char *device)
{
    snprintf(boot.legs[leg].device, sizeof boot.legs[leg].device, "%s", device);
}

static void assert_cannot_open(const char *device, const char *hint)
{
    name(LEG_OUTSIDE, device);
    assert_true(port_open(&port, &boot, LEG_OUTSIDE, mbufs, &what) < 0);
    assert_non_null(strstr(what, device));
    assert_non_null(strstr(what, hint));
}

static void a_device_that_does_not_exist_is_named(void **state)
{
    assert_cannot_open("net_nonsense0", "no DPDK driver");
    assert_cannot_open("net_af_packet0,iface=no-such-if", "refused its arguments");
    assert_cannot_open("0000:ff:1f.7", "no such PCI device");
}

static void a_name_that_is_taken_is_refused(void **state)
{
    struct port first;
    name(LEG_INSIDE, "net_null7");
    assert_int_equal(port_open(&first, &boot, LEG_INSIDE, mbufs, &what), 0);
    assert_cannot_open("net_null7,size=100", "there already");
    port_close(&first);
}

static void fewer_transmit_queues_than_workers_are_refused(void **state)
{
    boot.workers = 32;
    assert_cannot_open("net_ring3", "fewer transmit queues");
    boot.workers = 1; // and nothing is left behind
    assert_int_equal(port_open(&port, &boot, LEG_OUTSIDE, mbufs, &what), 0);
    port_close(&port);
}

static void closing_twice_or_what_never_opened_is_harmless(void **state)
{
    port_close(&port);
    name(LEG_OUTSIDE, "net_null1");
    assert_int_equal(port_open(&port, &boot, LEG_OUTSIDE, mbufs, &what), 0);
    port_close(&port);
    port_close(&port);
}

static void a_worker_has_its_queue_of_each_kind(void **state)
{
    boot.workers = 4;
    name(LEG_OUTSIDE, "net_null2");
    assert_int_equal(port_open(&port, &boot, LEG_OUTSIDE, mbufs, &what), 0);
    assert_int_equal(port.rx_queues, 4);
    assert_int_equal(port.tx_queues, 4);
    port_close(&port);
}

static void one_device_for_both_legs_is_one_port(void **state)
{
    struct port other;
    name(LEG_OUTSIDE, "net_ring4");
    name(LEG_INSIDE, "net_ring4");
    assert_int_equal(port_open(&port, &boot, LEG_OUTSIDE, mbufs, &what), 0);
    assert_int_equal(port_open(&other, &boot, LEG_INSIDE, mbufs, &what), 0);
    assert_int_equal(port.id, other.id);
    assert_memory_equal(port.mac, other.mac, sizeof port.mac);
    port_close(&port);
    struct rte_mbuf *m = rte_pktmbuf_alloc(mbufs); // the other leg still works
    assert_non_null(m);
    assert_int_equal(port_transmit(&other, 0, &m, 1), 1);
    assert_int_equal(port_receive(&other, 0, &m, 1), 1);
    rte_pktmbuf_free(m);
    port_close(&other);
}

static void frames_go_out_and_come_in_and_those_not_taken_are_freed(void **state)
{
    enum { MANY = 3000 }; // more than a ring of the device holds
    static struct rte_mbuf *frames[MANY];
    name(LEG_OUTSIDE, "net_ring5");
    assert_int_equal(port_open(&port, &boot, LEG_OUTSIDE, mbufs, &what), 0);
    unsigned before = rte_mempool_in_use_count(mbufs);
    assert_int_equal(rte_pktmbuf_alloc_bulk(mbufs, frames, MANY), 0);
    uint16_t sent = port_transmit(&port, 0, frames, MANY);
    assert_in_range(sent, 1, MANY - 1);
    assert_int_equal(rte_mempool_in_use_count(mbufs), before + sent);
    uint16_t received = 0;
    for (unsigned i = 0; i < MANY / 32; i++) {
        uint16_t count = port_receive(&port, 0, frames, 32);
        rte_pktmbuf_free_bulk(frames, count);
        received = (uint16_t)(received + count);
    }
    assert_int_equal(received, sent);
    assert_int_equal(rte_mempool_in_use_count(mbufs), before);
    struct port_losses losses = {.missed = 1};
    port_losses_add(&port, &losses); // of all ports: they add up
    assert_int_equal(losses.missed, 1);
    assert_int_equal(losses.no_mbuf, 0);
    assert_int_equal(losses.errors, 0);
    assert_int_equal(losses.further, 0);
    port_close(&port);
}

static void a_closed_device_can_be_opened_again(void **state)
{
    name(LEG_OUTSIDE, "net_ring6");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(port_open(&port, &boot, LEG_OUTSIDE, mbufs, &what), 0);
        port_close(&port);
    }
}

// A segment in a frame of an unknown MAC, with its checksum left to the port, and complete in
// `whole`.
static struct rte_mbuf *frame_left_to_port(const char *from, const char *to, struct span *whole)
{
    static uint8_t bytes[2048];
    struct packet p = {.src_port = 25, .dst_port = 1, .tcp_flags = TCP_ACK, .seq = 3, .ack = 4};
    assert_true(addr_parse(from, &p.src) && addr_parse(to, &p.dst));
    bool v4 = addr_is_v4(&p.src);
    struct rte_mbuf *m = link_sim_packet_make(mbufs, &p, span_text("an odd number of octets"));
    struct rte_ether_hdr *ether = (void *)rte_pktmbuf_prepend(m, sizeof *ether);
    memset(ether, 2, sizeof *ether);
    ether->ether_type = htons(v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
    memcpy(bytes, ether, m->data_len);
    *whole = span_of(bytes, m->data_len);
    m->l2_len = sizeof *ether;
    m->l3_len = v4 ? 20 : 40;
    m->l4_len = 20;
    m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | (v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
    uint16_t sum = v4 ? rte_ipv4_phdr_cksum((void *)(ether + 1), 0)
                      : rte_ipv6_phdr_cksum((void *)(ether + 1), 0);
    memcpy((uint8_t *)(ether + 1) + m->l3_len + 16, &sum, sizeof sum);
    return m;
}

static void a_port_that_completes_checksums_is_let(void **state)
{
    name(LEG_OUTSIDE, "net_null8"); // which does not
    assert_int_equal(port_open(&port, &boot, LEG_OUTSIDE, mbufs, &what), 0);
    assert_false(port.completes_tcp);
    port_close(&port);

    if (unshare(CLONE_NEWNET) < 0)
        skip();
    name(LEG_OUTSIDE, "net_tap9,iface=unit-tap");
    assert_int_equal(port_open(&port, &boot, LEG_OUTSIDE, mbufs, &what), 0);
    assert_true(port.completes_tcp);
    int fd = socket(AF_PACKET, SOCK_RAW, htons(0x0003)); // ETH_P_ALL
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(0x0003),
                             .sll_ifindex = (int)if_nametoindex("unit-tap")};
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    static const char *const ways[][2] = {{"192.0.2.1", "192.0.2.2"},
                                          {"2001:db8::1", "2001:db8::2"}};
    for (unsigned i = 0; i < 2; i++) {
        struct span whole;
        struct rte_mbuf *m = frame_left_to_port(ways[i][0], ways[i][1], &whole);
        assert_int_equal(port_transmit(&port, 0, &m, 1), 1);
        uint8_t got[2048];
        ssize_t size;
        do // what the kernel sends there of itself is not ours
            size = recv(fd, got, sizeof got, 0);
        while (size > 0 && got[6] != 2);
        assert_int_equal(size, whole.size);
        assert_memory_equal(got, whole.at, whole.size);
    }
    close(fd);
    port_close(&port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_device_that_does_not_exist_is_named, start),
        cmocka_unit_test_setup(a_name_that_is_taken_is_refused, start),
        cmocka_unit_test_setup(fewer_transmit_queues_than_workers_are_refused, start),
        cmocka_unit_test_setup(closing_twice_or_what_never_opened_is_harmless, start),
        cmocka_unit_test_setup(a_worker_has_its_queue_of_each_kind, start),
        cmocka_unit_test_setup(one_device_for_both_legs_is_one_port, start),
        cmocka_unit_test_setup(frames_go_out_and_come_in_and_those_not_taken_are_freed, start),
        cmocka_unit_test_setup(a_closed_device_can_be_opened_again, start),
        cmocka_unit_test_setup(a_port_that_completes_checksums_is_let, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

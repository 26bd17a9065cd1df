// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Ethernet devices: EAL, ports, queues, offloads. The only place, beside main, that knows ethdev.
 *
 * port_eal_init starts EAL from the boot part: huge pages when the machine has enough of them, else
 * --no-huge, and says which. port_open makes a vdev or finds a PCI device, gives it one rx and one
 * tx queue a worker where it can (RSS by source address with a secret key where the port has it),
 * one rx queue otherwise. Offloads are used where offered, and none is needed: what a port
 * says of received checksums saves net/ to verify them, and tcp/ leaves those of its segments to a
 * port that completes_tcp. SYN-ACKs, ICMP and ND are summed in software always.
 *
 * Known of drivers: net_af_packet has the kernel reassemble IPv4 fragments before we see them, and
 * cuts what is longer than its framesz; a queue pair a worker is asked for (qpairs) unless the
 * device string says otherwise. net_af_xdp has as many queues as its interface (queue_count).
 */

#include "base/check.h"
#include "base/packet.h"
#include "contract/counter.h"
#include "contract/policy.h"

struct rte_mbuf;
struct rte_mempool;

struct port {
    uint16_t id;        // ethdev port
    uint16_t rx_queues; // 1, or workers
    uint16_t tx_queues; // workers
    uint8_t mac[6];
    bool completes_tcp;         // checksums of segments sent that ask for it
    bool spreads[FAMILY_COUNT]; // by source address (IPv6: its first 64 bits) over the queues
    char device[128];
};

/* 0 or -errno; *ret_what is a text for the operator that names the device or the option.
 *
 * Worker i runs on the EAL lcore with the id boot->lcores[i], which is its CPU; the caller is the
 * main lcore afterwards, pinned to boot->main_lcore, whose id differs when a worker has that CPU.
 */
int port_eal_init(const struct policy_boot *boot, const char **ret_what) MUST_CHECK;
// A device that both legs name is opened once: the second call returns the same port, the last
// port_close closes it. -ENOTSUP: fewer transmit queues than workers. Main lcore only.
int port_open(struct port *port, const struct policy_boot *boot, enum leg leg,
              struct rte_mempool *mbufs, const char **ret_what) MUST_CHECK;
void port_close(struct port *port);

uint16_t port_receive(const struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                      uint16_t most);
// Takes all of them; those that the port did not take are freed. Returns how many it took.
uint16_t port_transmit(const struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                       uint16_t count);

// What got lost at the port. Main lcore only: some devices take long to say it.
struct port_losses {
    uint64_t missed;              // frames that found the receive rings full
    uint64_t no_mbuf;             // frames that there was no buffer for
    uint64_t errors;              // bad ones, received or to be sent
    uint64_t further;             // in the driver's own statistics, by their names
    uint64_t queues[WORKERS_MAX]; // of each receive queue, where the driver tells
};
void port_losses_add(const struct port *port, struct port_losses *losses);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Ethernet, VLAN, IPv4, IPv6, ARP, neighbour discovery and ICMP of one worker: from a frame to a
 * checked packet, and from an IP packet to a frame with its next hop's address.
 *
 * RFC 1122, 8200 (IPv6), 826 (ARP), 4861 (ND), 792 and 4443 (ICMP). No clock, no ethdev: frames
 * come as mbufs and leave through `transmit`. Every frame that is not passed up is answered or
 * refused with a named reason that the caller counts.
 *
 * Neighbours: a bounded cache, asked for when needed, refreshed by use; announcements are believed
 * for addresses that were asked for, or when they confirm what is known. Each worker has its own
 * cache; the caller gives every worker a copy of a frame that net_is_neighbor_frame names.
 */

#include "base/packet.h"
#include "contract/counter.h"
#include "contract/policy.h"

struct rte_mbuf;
struct rte_mempool;
struct net;

struct net_config {
    const struct policy_boot *boot; // addresses, prefixes, MTU, VLAN; outlives net
    uint8_t mac[LEG_COUNT][6];
    bool listens_only;         // another worker answers ARP and ND for us, this one only learns
    struct rte_mempool *mbufs; // for ARP and ND of our own
    struct counter_block *counters;
    // Complete frames for that leg's port; the callee takes them.
    void (*transmit)(void *context, struct rte_mbuf *const *frames, unsigned count, enum leg leg);
    void *context;
};

struct net *net_open(const struct net_config *config) MUST_CHECK; // NULL: no memory
void net_shut(struct net *net);
void net_policy(struct net *net, const struct policy *policy); // routes

enum net_kind {
    NET_REFUSED,    // *ret_reason says why, ret_packet->src from where as far as an IP header was
                    // sound, else zeros; the caller frees m
    NET_DONE,       // answered or learnt; m was taken
    NET_TCP,        // m starts at the IP header, *ret_packet is filled
    NET_ICMP_ECHO,  // as NET_TCP without ports: an echo request to us; net_echo answers it
    NET_ICMP_ERROR, // *ret_packet is the quoted TCP segment (src ours), *ret_icmp the error; the
                    // caller frees m
};
struct net_icmp {
    uint16_t next_mtu; // 0: not a size error
    bool hard;         // port, protocol or administratively unreachable
};

// `leg` by the port, and by VLAN or destination address where one port serves both legs. m may come
// in segments and with its VLAN tag stripped. *ret_packet (but for src and leg) and *ret_icmp are
// unspecified unless the kind says that they are filled.
enum net_kind net_input(struct net *net, struct rte_mbuf *m, enum leg leg, uint64_t now_us,
                        struct packet *ret_packet, struct net_icmp *ret_icmp,
                        enum reason *ret_reason);

// True: by its headers m is a SYN without data to an address of ours, and net_input would find no
// fault but a wrong checksum or options that make no sense. *ret_packet has its addresses,
// ports, sequence number, flags and leg; all else in it is unspecified. m is as it was.
bool net_glance(const struct net *net, const struct rte_mbuf *m, enum leg leg,
                struct packet *ret_packet) MUST_CHECK;

// Turns the echo request into its reply and sends it, within the ICMP rate. Takes m.
void net_echo(struct net *net, struct rte_mbuf *m, const struct packet *packet, uint64_t now_us);

// IP packets of ours (from their IP headers on), at most NET_BURST: finds each one's next hop,
// prepends the link header, transmits or waits for the neighbour's answer, a bounded number a
// neighbour. Takes them; packets of one neighbour stay in order.
enum { NET_BURST = 32 };
void net_output(struct net *net, struct rte_mbuf *const *mbufs, unsigned count, enum leg leg,
                uint64_t now_us);

// Retries and ages neighbours. Bounded work; call it every few milliseconds.
void net_advance(struct net *net, uint64_t now_us);

// Our source address towards an address of that family; NULL when the leg has none.
const struct addr *net_local(const struct net *net, enum leg leg, const struct addr *towards);

// For several workers: true when the frame is ARP or ND, so that every worker should see a copy.
bool net_is_neighbor_frame(const struct rte_mbuf *m);

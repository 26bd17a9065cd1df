// SPDX-License-Identifier: BSD-3-Clause
#include "net/arp.h"

#include "net/ether.h"

enum { ARP_SIZE = 28, ARP_REQUEST = 1, ARP_REPLY = 2 };
enum { AT_OPERATION = 6, AT_SENDER_MAC = 8, AT_SENDER = 14, AT_TARGET_MAC = 18, AT_TARGET = 24 };

// Hardware Ethernet, protocol IPv4, addresses of 6 and 4 bytes.
static const uint8_t kind[AT_OPERATION] = {0, 1, 8, 0, 6, 4};

static bool is_sane(const uint8_t *arp);
static bool is_ours(struct input *in, uint32_t target);
static void transmit(struct net *net, enum leg leg, uint16_t operation, const uint8_t to[6],
                     const uint8_t target_mac[6], const uint8_t target[4]);

enum reason arp_input(struct input *in)
{
    const uint8_t *arp = in->ip.at;
    if (in->ip.size < ARP_SIZE)
        return REASON_FRAME_TOO_SHORT;
    if (!is_sane(arp))
        return REASON_ARP_BAD;
    struct net *net = in->net;
    uint32_t sender, target;
    memcpy(&sender, arp + AT_SENDER, sizeof sender);
    memcpy(&target, arp + AT_TARGET, sizeof target);
    bool for_us = is_ours(in, target);
    bool announcement = sender == target;
    if (!for_us && !announcement)
        return REASON_FRAME_NOT_OURS;
    if (sender && sender == net->legs[in->leg].local_v4)
        return REASON_NEIGHBOR_SPOOFED; // somebody claims our own address

    bool request = load_u16(arp + AT_OPERATION) == ARP_REQUEST;
    enum reason reason = REASON_NONE;
    if (sender) { // none in an RFC 5227 probe
        struct addr addr = addr_from_v4(&sender);
        bool answer = !request && for_us && !in->group;
        reason = neighbor_hear(net, in->leg, &addr, arp + AT_SENDER_MAC, answer, in->now_us);
    }
    if (request && for_us && !net->config.listens_only)
        transmit(net, in->leg, ARP_REPLY, arp + AT_SENDER_MAC, arp + AT_SENDER_MAC,
                 arp + AT_SENDER);
    if (reason == REASON_NONE)
        rte_pktmbuf_free(in->m);
    return reason;
}

static bool is_sane(const uint8_t *arp)
{
    static const uint8_t no_mac[6];
    uint16_t operation = load_u16(arp + AT_OPERATION);
    uint32_t sender = load_u32(arp + AT_SENDER);
    const uint8_t *mac = arp + AT_SENDER_MAC;
    return memcmp(arp, kind, sizeof kind) == 0 &&
           (operation == ARP_REQUEST || operation == ARP_REPLY) && !(mac[0] & 1) &&
           memcmp(mac, no_mac, sizeof no_mac) != 0 && sender >> 24 != 127 && sender >> 28 < 0xe &&
           (sender != 0 || operation == ARP_REQUEST);
}

static bool is_ours(struct input *in, uint32_t target)
{
    const struct net *net = in->net;
    if (!target)
        return false;
    if (net->shared_by_address && target != net->legs[in->leg].local_v4)
        in->leg = in->leg == LEG_OUTSIDE ? LEG_INSIDE : LEG_OUTSIDE;
    return target == net->legs[in->leg].local_v4;
}

void arp_ask(struct net *net, enum leg leg, const struct addr *target, const uint8_t *to)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t unknown[6];
    transmit(net, leg, ARP_REQUEST, to ? to : broadcast, to ? to : unknown, target->bytes + 12);
}

static void transmit(struct net *net, enum leg leg, uint16_t operation, const uint8_t to[6],
                     const uint8_t target_mac[6], const uint8_t target[4])
{
    const struct net_leg *own = &net->legs[leg];
    struct rte_mbuf *m = rte_pktmbuf_alloc(net->config.mbufs);
    uint8_t *arp = m ? (uint8_t *)rte_pktmbuf_append(m, ARP_SIZE) : NULL;
    if (!arp) {
        net_drop(net, m, REASON_NO_MBUF);
        return;
    }
    memcpy(arp, kind, sizeof kind);
    store_u16(arp + AT_OPERATION, operation);
    memcpy(arp + AT_SENDER_MAC, own->mac, 6);
    memcpy(arp + AT_SENDER, own->local[FAMILY_V4].bytes + 12, 4);
    memcpy(arp + AT_TARGET_MAC, target_mac, 6);
    memcpy(arp + AT_TARGET, target, 4);
    ether_send(net, m, leg, to, ETHER_TYPE_ARP);
}

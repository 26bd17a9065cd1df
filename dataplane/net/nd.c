// SPDX-License-Identifier: BSD-3-Clause
#include "net/nd.h"

#include "net/checksum.h"
#include "net/ether.h"
#include "net/ip6.h"

enum {
    ND_SIZE = 24, // type, code, checksum, flags, target
    AT_FLAGS = 4,
    AT_TARGET = 8,
    OPTION_SOURCE_MAC = 1,
    OPTION_TARGET_MAC = 2,
    OPTION_MAC_SIZE = 8,
    OPTIONS_MAX = 16, // that a message may have
    FLAG_SOLICITED = 0x40,
    FLAG_OVERRIDE = 0x20,
};

static const struct addr all_nodes = {.bytes = {0xff, 0x02, [15] = 1}};

static enum reason solicitation(struct input *in, const struct addr *target, const uint8_t *mac);
static enum reason advertisement(struct input *in, const struct addr *target, const uint8_t *mac,
                                 uint8_t flags);
static bool find_mac(struct span options, uint8_t type, const uint8_t **ret_mac);
static struct addr group_of(const struct addr *addr);
static void transmit(struct net *net, enum leg leg, const uint8_t *to_mac, const struct addr *from,
                     const struct addr *to, const uint8_t message[ND_SIZE]);

enum reason nd_input(struct input *in, struct span icmp)
{
    if (icmp.size < ND_SIZE || icmp.at[1] != 0 || in->packet->ttl != ND_HOP_LIMIT)
        return REASON_ND_BAD;
    bool asked = icmp.at[0] == ND_SOLICITATION;
    struct addr target = addr_from_v6(icmp.at + AT_TARGET);
    const uint8_t *mac = NULL;
    if (target.bytes[0] == 0xff || addr_is_zero(&target) || addr_is_v4(&target) ||
        !find_mac(span_skip(icmp, ND_SIZE), asked ? OPTION_SOURCE_MAC : OPTION_TARGET_MAC, &mac))
        return REASON_ND_BAD;
    enum reason reason =
        asked ? solicitation(in, &target, mac) : advertisement(in, &target, mac, icmp.at[AT_FLAGS]);
    if (reason == REASON_NONE)
        rte_pktmbuf_free(in->m);
    return reason;
}

static bool is_own(const struct net_leg *leg, const struct addr *addr)
{
    return addr_equal(addr, &leg->local[FAMILY_V6]) || addr_equal(addr, &leg->link_local);
}

static enum reason solicitation(struct input *in, const struct addr *target, const uint8_t *mac)
{
    struct net *net = in->net;
    const struct packet *p = in->packet;
    bool probe = addr_is_zero(&p->src); // somebody's duplicate address detection
    struct addr group = group_of(target);
    if (probe && (mac || !addr_equal(&p->dst, &group))) // section 7.1.1
        return REASON_ND_BAD;
    if (net->shared_by_address && !is_own(&net->legs[in->leg], target))
        in->leg = in->leg == LEG_OUTSIDE ? LEG_INSIDE : LEG_OUTSIDE;
    const struct net_leg *own = &net->legs[in->leg];
    if (!is_own(own, target))
        return REASON_FRAME_NOT_OURS;

    enum reason reason = REASON_NONE;
    if (!probe && mac)
        reason = neighbor_hear(net, in->leg, &p->src, mac, false, in->now_us);
    if (!net->config.listens_only) {
        uint8_t answer[ND_SIZE] = {[0] = ND_ADVERTISEMENT};
        answer[AT_FLAGS] = probe ? FLAG_OVERRIDE : FLAG_SOLICITED | FLAG_OVERRIDE;
        memcpy(answer + AT_TARGET, target->bytes, 16);
        const uint8_t *to = probe ? NULL : mac ? mac : input_source_mac(in);
        transmit(net, in->leg, to, target, probe ? &all_nodes : &p->src, answer);
    }
    return reason;
}

static enum reason advertisement(struct input *in, const struct addr *target, const uint8_t *mac,
                                 uint8_t flags)
{
    const struct net_leg *own = &in->net->legs[in->leg];
    bool solicited = flags & FLAG_SOLICITED;
    if (solicited && in->packet->dst.bytes[0] == 0xff) // section 7.1.2
        return REASON_ND_BAD;
    if (is_own(own, target))
        return REASON_NEIGHBOR_SPOOFED; // somebody claims our own address
    if (mac)
        return neighbor_hear(in->net, in->leg, target, mac, solicited, in->now_us);
    if (solicited) // an answer to a unicast question may leave the option out (section 7.2.4)
        neighbor_confirm(in->net, in->leg, target, in->now_us);
    return REASON_NONE;
}

// False when an option's length is impossible. *ret_mac stays when there is no such option.
static bool find_mac(struct span options, uint8_t type, const uint8_t **ret_mac)
{
    for (unsigned i = 0; options.size; i++) {
        if (i == OPTIONS_MAX || options.size < 2)
            return false;
        size_t size = options.at[1] * 8u;
        if (size == 0 || size > options.size)
            return false;
        if (options.at[0] == type) {
            if (size != OPTION_MAC_SIZE || options.at[2] & 1)
                return false;
            *ret_mac = options.at + 2;
        }
        options = span_skip(options, size);
    }
    return true;
}

static struct addr group_of(const struct addr *addr) // solicited-node, RFC 4291, section 2.7.1
{
    struct addr group = {.bytes = {0xff, 0x02, [11] = 1, [12] = 0xff}};
    memcpy(group.bytes + 13, addr->bytes + 13, 3);
    return group;
}

bool nd_is_group(const struct net *net, enum leg leg, const struct addr *to)
{
    struct addr group = group_of(&net->legs[leg].local[FAMILY_V6]);
    struct addr link_local_group = group_of(&net->legs[leg].link_local);
    return addr_equal(to, &group) || addr_equal(to, &link_local_group) ||
           addr_equal(to, &all_nodes);
}

struct addr nd_link_local(const uint8_t mac[6])
{
    return (struct addr){.bytes = {0xfe, 0x80, [8] = mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3],
                                   mac[4], mac[5]}};
}

void nd_ask(struct net *net, enum leg leg, const struct addr *target, const uint8_t *to)
{
    const struct net_leg *own = &net->legs[leg];
    bool near = target->bytes[0] == 0xfe && (target->bytes[1] & 0xc0) == 0x80;
    struct addr group = group_of(target);
    uint8_t question[ND_SIZE] = {[0] = ND_SOLICITATION};
    memcpy(question + AT_TARGET, target->bytes, 16);
    transmit(net, leg, to, near ? &own->link_local : &own->local[FAMILY_V6], to ? target : &group,
             question);
}

// With our own link address as the option that goes with the type. No `to_mac`: to the group.
static void transmit(struct net *net, enum leg leg, const uint8_t *to_mac, const struct addr *from,
                     const struct addr *to, const uint8_t message[ND_SIZE])
{
    enum { MESSAGE_SIZE = ND_SIZE + OPTION_MAC_SIZE };
    struct rte_mbuf *m = rte_pktmbuf_alloc(net->config.mbufs);
    uint8_t *ip = m ? (uint8_t *)rte_pktmbuf_append(m, IP6_HEADER_SIZE + MESSAGE_SIZE) : NULL;
    if (!ip) {
        net_drop(net, m, REASON_NO_MBUF);
        return;
    }
    ip6_write(ip, from, to, MESSAGE_SIZE, ND_HOP_LIMIT);
    uint8_t *icmp = ip + IP6_HEADER_SIZE;
    memcpy(icmp, message, ND_SIZE);
    icmp[ND_SIZE] = message[0] == ND_SOLICITATION ? OPTION_SOURCE_MAC : OPTION_TARGET_MAC;
    icmp[ND_SIZE + 1] = 1; // in units of 8 bytes
    memcpy(icmp + ND_SIZE + 2, net->legs[leg].mac, 6);
    uint64_t sum = checksum_add_v6(ip, IP_PROTOCOL_ICMP6, span_of(icmp, MESSAGE_SIZE));
    uint16_t checksum = (uint16_t)~checksum_fold(sum);
    memcpy(icmp + 2, &checksum, sizeof checksum);

    uint8_t group_mac[6] = {0x33, 0x33, to->bytes[12], to->bytes[13], to->bytes[14], to->bytes[15]};
    ether_send(net, m, leg, to_mac ? to_mac : group_mac, ETHER_TYPE_IPV6);
}

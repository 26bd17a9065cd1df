// SPDX-License-Identifier: BSD-3-Clause
#include "net/ether.h"

enum { VLAN_ID_MASK = 0x0fff };

static enum reason choose_leg(struct input *in, uint16_t vlan);

enum reason ether_parse(struct input *in, uint16_t *ret_type)
{
    struct rte_mbuf *m = in->m;
    if (unlikely(m->nb_segs > 1) && rte_pktmbuf_linearize(m) < 0)
        return REASON_FRAME_SCATTERED;
    size_t size = rte_pktmbuf_data_len(m);
    if (size < ETHER_HEADER_SIZE)
        return REASON_FRAME_TOO_SHORT;
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    uint16_t type = load_u16(frame + 12);
    uint16_t vlan = 0;
    size_t header = ETHER_HEADER_SIZE;
    if (type == ETHER_TYPE_VLAN) {
        header += ETHER_VLAN_SIZE;
        if (size < header)
            return REASON_FRAME_TOO_SHORT;
        vlan = load_u16(frame + 14) & VLAN_ID_MASK;
        type = load_u16(frame + 16);
    } else if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
        vlan = m->vlan_tci & VLAN_ID_MASK;
    }

    enum reason reason = choose_leg(in, vlan);
    if (reason != REASON_NONE)
        return reason;
    in->group = frame[0] & 1;
    if (!in->group && memcmp(frame, in->net->legs[in->leg].mac, 6) != 0)
        return REASON_FRAME_NOT_OURS;
    in->frame = frame;
    in->ip = span_of(frame + header, size - header);
    *ret_type = type;
    return REASON_NONE;
}

// Tag 0 is a priority tag: the frame counts as untagged (802.1Q, section 6.9).
static enum reason choose_leg(struct input *in, uint16_t vlan)
{
    const struct net *net = in->net;
    if (net->shared_by_vlan && net->legs[in->leg].vlan != vlan)
        in->leg = in->leg == LEG_OUTSIDE ? LEG_INSIDE : LEG_OUTSIDE;
    return net->legs[in->leg].vlan == vlan ? REASON_NONE : REASON_FRAME_WRONG_VLAN;
}

struct ether_header ether_header_make(const struct net *net, enum leg leg, const uint8_t to[6],
                                      uint16_t type)
{
    const struct net_leg *own = &net->legs[leg];
    struct ether_header header = {.size = ETHER_HEADER_SIZE};
    memcpy(header.bytes, to, 6);
    memcpy(header.bytes + 6, own->mac, 6);
    if (own->vlan) {
        header.size += ETHER_VLAN_SIZE;
        store_u16(header.bytes + 12, ETHER_TYPE_VLAN);
        store_u16(header.bytes + 14, own->vlan);
    }
    store_u16(header.bytes + header.size - 2, type);
    return header;
}

void ether_send(struct net *net, struct rte_mbuf *m, enum leg leg, const uint8_t to[6],
                uint16_t type)
{
    struct ether_header header = ether_header_make(net, leg, to, type);
    if (ether_prepend(net, &header, m))
        net->config.transmit(net->config.context, &m, 1, leg);
}

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* An ICMP message of any bytes in a frame that is right around it, its checksum included. */

#include "base/span.h"
#include "support/net_rig.h"

enum { ICMP_LEAST = 4 }; // frame_icmp writes type, code and checksum

static inline struct frame icmp_wrap(enum leg leg, const char *from, const char *to, uint8_t hops,
                                     struct span icmp)
{
    uint8_t head[ICMP_LEAST] = {0};
    memcpy(head, icmp.at, icmp.size < ICMP_LEAST ? icmp.size : ICMP_LEAST);
    struct span body = span_skip(icmp, icmp.size < ICMP_LEAST ? icmp.size : ICMP_LEAST);
    struct frame f = frame_icmp(leg, from, to, head[0], head[1], body.at, body.size);
    bool v6 = f.at[AT_IP] >> 4 == 6;
    f.at[AT_IP + (v6 ? 7 : 8)] = hops;
    if (!v6)
        frame_fix(&f);
    if (v6 && f.at[AT_IP + 24] == 0xff) { // a group's
        f.at[0] = f.at[1] = 0x33;
        memcpy(f.at + 2, f.at + AT_IP + 36, 4);
    }
    return f;
}

// The outside peers, of both families, are asked for and answer.
static inline void icmp_wrap_know_peers(struct rig *rig)
{
    struct frame out = frame_tcp(LEG_OUTSIDE, "198.51.100.1", "198.51.100.10", TCP_ACK);
    rig_output(rig, &out, LEG_OUTSIDE);
    out = frame_arp(2, peer_mac, "198.51.100.10", "198.51.100.1", rig_mac[LEG_OUTSIDE]);
    CHECK(rig_give(rig, &out, LEG_OUTSIDE) == NET_DONE);
    out = frame_tcp(LEG_OUTSIDE, "2001:db8:51::1", "2001:db8:51::10", TCP_ACK);
    rig_output(rig, &out, LEG_OUTSIDE);
    out = frame_nd(136, "2001:db8:51::10", "2001:db8:51::1", "2001:db8:51::10", peer_mac, 0x60);
    CHECK(rig_give(rig, &out, LEG_OUTSIDE) == NET_DONE);
    rig_forget(rig);
}

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A net station between two fake wires: frames are made here, given to it, and what it sends is
 * kept. The addresses are the lab's. rig_close fails a CHECK when an mbuf was lost.
 */

#include "net/net.h"

enum {
    FRAME_MAX = 2000,
    RIG_SENT_MAX = 256, // frames kept; later ones are dropped
    AT_IP = 14,
    AT_L4 = AT_IP + 20,    // IPv4
    AT_L4_V6 = AT_IP + 40, // IPv6
};

struct frame {
    uint8_t at[FRAME_MAX];
    size_t size;
};

struct rig {
    struct policy policy;
    struct net_config config; // of the net that is open
    struct net *net;
    struct counter_block counters;
    uint64_t now_us;
    unsigned mbufs_free; // at the start
    // What the last rig_give gave:
    struct packet packet;
    bool glanced; // net_glance told of the frame given last, this
    struct packet seen;
    struct net_icmp icmp;
    enum reason reason;
    struct frame taken; // what a NET_TCP mbuf holds
    uint64_t ol_flags;  // set on the mbufs of rig_give
    uint16_t vlan_tci;
    bool split; // rig_give hands the frame over in two segments
    // What was sent since rig_forget:
    unsigned sent_count;
    enum leg sent_leg[RIG_SENT_MAX];
    struct frame sent[RIG_SENT_MAX];
};

extern const uint8_t rig_mac[LEG_COUNT][6]; // ours
extern const uint8_t peer_mac[6], other_mac[6], broadcast_mac[6];

struct rte_mempool *rig_pool(void);

// The lab's policy; change it before rig_open.
void rig_init(struct rig *rig);
void rig_open(struct rig *rig);
void rig_close(struct rig *rig);
void rig_forget(struct rig *rig); // what was sent
// An echo request is answered, an error or a segment is copied to `taken`.
enum net_kind rig_give(struct rig *rig, const struct frame *frame, enum leg leg);
void rig_output(struct rig *rig, const struct frame *frame, enum leg leg); // its IP packet
void rig_output_burst(struct rig *rig, const struct frame *frames, unsigned count, enum leg leg);
void rig_run(struct rig *rig, uint64_t us); // net_advance every 5 ms for that long

uint16_t frame_u16(const struct frame *frame, size_t at);
void frame_put_u16(struct frame *frame, size_t at, uint16_t value);
bool frame_sums_are_right(const struct frame *frame); // IP, TCP, ICMP

// Addresses as texts; both of one family. From the peer's MAC to ours on that leg.
struct frame frame_tcp(enum leg leg, const char *from, const char *to, uint8_t flags);
struct frame frame_icmp(enum leg leg, const char *from, const char *to, uint8_t type, uint8_t code,
                        const void *body, size_t size); // the body begins behind the checksum
struct frame frame_arp(uint16_t operation, const uint8_t sender_mac[6], const char *sender,
                       const char *target, const uint8_t to[6]);
// `mac`: the link address option, or NULL.
struct frame frame_nd(uint8_t type, const char *from, const char *to, const char *target,
                      const uint8_t *mac, uint8_t flags);
void frame_tag(struct frame *frame, uint16_t vlan);
void frame_fix(struct frame *frame); // lengths and checksums, after a change

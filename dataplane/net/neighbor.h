// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The neighbour cache: which link address a next hop has, for ARP and ND alike.
 *
 * Only our own wish to send makes an entry; what others announce never does. A table of keyed
 * buckets, so a stranger cannot aim at one; entries that wait for a first answer may be half of it
 * at the most, so a flood from made-up on-link sources (RFC 6583) leaves the known ones alone. An
 * entry that is neither pinned nor used of late gives way. Next hops of routes and backends are
 * pinned: never replaced, asked for ahead and for ever.
 *
 * Belief: an entry that waits takes the first answer. A known one is only confirmed by others; an
 * announcement of another link address is refused (NEIGHBOR_SPOOFED) and makes us ask the known one
 * by unicast. Only when that stays silent NEIGHBOR_ASKS times is everybody asked again.
 *
 * Bounds: NEIGHBOR_WAITING mbufs an entry, the newest kept; NEIGHBOR_WAITING_ALL in all;
 * NEIGHBOR_SWEEP slots looked at by a neighbor_advance.
 */

#include "base/packet.h"
#include "base/siphash.h"
#include "contract/reason.h"
#include "net/pace.h"

struct ether_header;
struct net;
struct rte_mbuf;

enum {
    NEIGHBOR_BUCKETS = 128,
    NEIGHBOR_WAYS = 8,
    NEIGHBORS_MAX = NEIGHBOR_BUCKETS * NEIGHBOR_WAYS,
    NEIGHBORS_ASKED_MAX = NEIGHBORS_MAX / 2,
    NEIGHBOR_WAITING = 4,
    NEIGHBOR_WAITING_ALL = 256,
    NEIGHBOR_ASKS = 3,                // RFC 4861, section 10: MAX_MULTICAST_SOLICIT
    NEIGHBOR_ASK_US = 1000000,        // RetransTimer
    NEIGHBOR_REACHABLE_US = 30000000, // ReachableTime
    NEIGHBOR_UNUSED_US = 600000000,   // a stale entry is forgotten after that
    NEIGHBOR_KEEP_US = 10000000,      // a known entry used within that is not replaced
    NEIGHBOR_PACE_US = 1000,          // between asks for neighbours that are not pinned
    NEIGHBOR_PACE_BURST = 100,
    NEIGHBOR_SWEEP = 64,
};

enum neighbor_state {
#define NEIGHBOR_STATE(name, usable, next) NEIGHBOR_##name,
#include "net/neighbor_state.def"
#undef NEIGHBOR_STATE
    NEIGHBOR_STATE_COUNT,
};

struct neighbor {
    struct addr addr;
    uint64_t due_us;                            // when neighbor_advance has something to do
    uint64_t used_us;                           // last packet for it
    struct rte_mbuf *waiting[NEIGHBOR_WAITING]; // oldest first
    uint8_t mac[6];
    uint8_t state;     // enum neighbor_state, written by neighbor_enter alone
    uint8_t link, leg; // broadcast domain; leg whose address asks
    uint8_t asks;      // sent since the state was entered
    uint8_t waiting_count;
    bool pinned;
};

struct neighbor_table {
    struct siphash_key key;
    struct pace ask_pace;
    uint32_t asked;   // entries in NEIGHBOR_ASKED that are not pinned
    uint32_t waiting; // mbufs
    uint32_t sweep;   // slot that the next neighbor_advance begins with
    struct neighbor slots[NEIGHBORS_MAX];
};

int neighbor_init(struct neighbor_table *table) MUST_CHECK; // 0 or -errno: no entropy
void neighbor_done(struct net *net);                        // frees what waits

// The entry for `addr`, made and asked for when there is none. NULL: no slot gives way.
struct neighbor *neighbor_want(struct net *net, enum leg leg, const struct addr *addr,
                               uint64_t now_us);

// Pins of the last policy are dropped first; a pinned entry stays where it is until then. It is
// asked for by the next neighbor_advance that comes by. NULL: its bucket is full of pinned ones.
void neighbor_unpin_all(struct net *net);
struct neighbor *neighbor_pin(struct net *net, enum leg leg, const struct addr *addr);

// Packets are for it now, by that leg. True: its link address is known, to be sent to; false: they
// have to wait.
bool neighbor_use(struct net *net, struct neighbor *neighbor, enum leg leg, uint64_t now_us);
struct ether_header neighbor_header(const struct net *net, const struct neighbor *neighbor);
void neighbor_wait(struct net *net, struct neighbor *neighbor, struct rte_mbuf *m); // takes m

// Somebody says that `addr` is at `mac`; `answer`: to us, as an answer to a question.
// REASON_NONE or NEIGHBOR_SPOOFED.
enum reason neighbor_hear(struct net *net, enum leg leg, const struct addr *addr,
                          const uint8_t mac[6], bool answer, uint64_t now_us);
// As neighbor_hear, for an answer that carries no link address: it confirms what is known.
void neighbor_confirm(struct net *net, enum leg leg, const struct addr *addr, uint64_t now_us);

void neighbor_advance(struct net *net, uint64_t now_us);

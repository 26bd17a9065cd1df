// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One direction of a simulated link: packets go in with a time and come out later, damaged as the
 * seeded dice say. The same seed and the same inputs give the same outputs; what the dice say of
 * the nth packet depends on seed and chances alone. No clock inside.
 */

#include "base/rng.h"

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

struct link_sim_config {
    uint64_t delay_us;
    uint64_t jitter_us;                         // 0 … jitter more, order kept
    uint32_t loss, duplicate, reorder, corrupt; // chances in 10,000
    uint64_t reorder_us;                        // how much later a reordered packet comes
    uint64_t rate_bps;                          // 0: no limit
    uint32_t queue_bytes;                       // of the rate limiter; more is dropped
    uint32_t mtu;                               // bytes of a packet; longer is dropped
    uint32_t mtu_later;                         // 0: it stays
    uint64_t mtu_later_us;                      // from when on that holds
    uint64_t cut_from_us, cut_until_us;         // nothing passes meanwhile
};

enum { LINK_SIM_PACKETS = 8192 };

struct link_sim_entry {
    uint64_t at_us, order;
    struct rte_mbuf *m;
};

struct link_sim {
    struct link_sim_config config;
    struct rng rng;
    uint64_t order, free_us, last_us; // free_us: when the limiter has sent all it holds
    unsigned count;
    struct link_sim_entry heap[LINK_SIM_PACKETS];
    uint64_t sent, lost, too_big;
};

void link_sim_init(struct link_sim *link, const struct link_sim_config *config, uint64_t seed);
void link_sim_done(struct link_sim *link); // frees what is under way
// Takes m. False: it was longer than the link's MTU (freed too).
bool link_sim_send(struct link_sim *link, struct rte_mbuf *m, uint64_t now_us);
uint32_t link_sim_mtu(const struct link_sim *link, uint64_t now_us);
struct rte_mbuf *link_sim_take(struct link_sim *link, uint64_t now_us); // NULL: none is due
uint64_t link_sim_next_us(const struct link_sim *link);                 // UINT64_MAX: empty

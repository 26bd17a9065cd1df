// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_shadow.h"

#include "guard/guard_memory.h"

#include <errno.h>

struct guard_shadow_cell {
    uint64_t tag, limits, until_us;
};

static const size_t size = GUARD_SHADOW_CELLS * sizeof(struct guard_shadow_cell);

int guard_shadow_init(struct guard_shadow *shadow, int numa_node, const struct siphash_key *key)
{
    *shadow = (struct guard_shadow){.key = *key};
    shadow->cells = guard_memory_take(size, numa_node);
    return shadow->cells ? 0 : -ENOMEM;
}

void guard_shadow_done(struct guard_shadow *shadow)
{
    guard_memory_give(shadow->cells, size);
    memset(shadow, 0, sizeof *shadow);
}

// `seq` of the SYN; *ret_tag what stands in its cell.
static struct guard_shadow_cell *cell_of(struct guard_shadow *shadow, const struct packet *packet,
                                         uint32_t seq, uint64_t *ret_tag)
{
    struct {
        struct addr src;
        uint16_t src_port, dst_port;
        uint32_t seq;
    } tuple = {packet->src, packet->src_port, packet->dst_port, seq};
    *ret_tag = siphash(&shadow->key, &tuple, sizeof tuple);
    return &shadow->cells[*ret_tag % GUARD_SHADOW_CELLS];
}

void guard_shadow_note(struct guard_shadow *shadow, const struct packet *syn, uint64_t limits,
                       uint64_t now_us)
{
    uint64_t tag;
    struct guard_shadow_cell *cell = cell_of(shadow, syn, syn->seq, &tag);
    *cell = (struct guard_shadow_cell){tag, limits, now_us + GUARD_SHADOW_KEEP_US};
}

uint64_t guard_shadow_of(struct guard_shadow *shadow, const struct packet *ack, uint64_t now_us)
{
    uint64_t tag;
    struct guard_shadow_cell *cell = cell_of(shadow, ack, ack->seq - 1, &tag);
    uint64_t limits = cell->tag == tag && now_us < cell->until_us ? cell->limits : 0;
    if (limits)
        cell->limits = 0;
    return limits;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "sim/tcp_hostile.h"

static uint32_t near_or_far(struct rng *rng, uint32_t value)
{
    switch (rng_below(rng, 4)) {
    case 0:
        return value + (uint32_t)rng_below(rng, 5) - 2;
    case 1:
        return value + (uint32_t)rng_below(rng, 200000) - 100000;
    case 2:
        return value + (1u << 31) + (uint32_t)rng_below(rng, 5) - 2;
    default:
        return (uint32_t)rng_next(rng);
    }
}

static void lie_about_sack(struct rng *rng, struct packet *p)
{
    struct tcp_option *o = &p->options;
    o->sack_count = (uint8_t)rng_below(rng, TCP_SACK_BLOCKS_MAX + 1);
    for (uint8_t i = 0; i < o->sack_count; i++) {
        o->sack[i].left = near_or_far(rng, p->ack);
        o->sack[i].right = near_or_far(rng, rng_below(rng, 2) ? o->sack[i].left : p->ack);
    }
}

void tcp_hostile_lie(struct rng *rng, struct packet *p)
{
    switch (rng_below(rng, 8)) {
    case 0:
        p->window = (uint16_t)(rng_below(rng, 2) ? 0 : rng_next(rng));
        return;
    case 1:
        p->ack = near_or_far(rng, p->ack);
        return;
    case 2:
        p->seq = near_or_far(rng, p->seq);
        return;
    case 3:
        p->options.ts_value = near_or_far(rng, p->options.ts_value);
        return;
    case 4:
        p->options.ts_echo = near_or_far(rng, p->options.ts_echo);
        return;
    case 5:
        p->tcp_flags ^= (uint8_t)(1u << rng_below(rng, 6));
        return;
    case 6: // optimistic: all that may be on the way has come
        p->ack += (uint32_t)rng_below(rng, 20000);
        return;
    default:
        lie_about_sack(rng, p);
        return;
    }
}

struct packet tcp_hostile_forge(struct rng *rng, const struct packet *packet, uint32_t next)
{
    static const uint8_t kinds[] = {TCP_RST, TCP_RST | TCP_ACK, TCP_SYN, TCP_SYN | TCP_ACK};
    struct packet p = *packet;
    p.options = (struct tcp_option){0};
    p.payload_size = (uint16_t)(rng_below(rng, 3) ? 0 : rng_below(rng, 500));
    p.tcp_flags = kinds[rng_below(rng, sizeof kinds)];
    p.seq = near_or_far(rng, next);
    p.ack = near_or_far(rng, p.ack);
    p.window = (uint16_t)rng_next(rng);
    if (p.seq == next)
        p.seq++;
    return p;
}

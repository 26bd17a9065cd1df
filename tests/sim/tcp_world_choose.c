// SPDX-License-Identifier: BSD-3-Clause
#include "tcp_world_internal.h"

#include "base/check.h"

static void choose_link(struct world *w, struct link_sim_config *l)
{
    static const uint64_t delays[] = {50, 500, 5000, 20000, 100000, 300000};
    *l = (struct link_sim_config){.delay_us = delays[world_dice(w, 0, 5)], .mtu = w->mtu};
    l->jitter_us = world_one_in(w, 2) ? world_dice(w, 0, l->delay_us) : 0;
    l->reorder_us = world_dice(w, 1, l->delay_us * 2);
    static const uint32_t losses[] = {0, 0, 50, 100, 300, 500, 1000, 2000};
    l->loss = losses[world_dice(w, 0, 7)];
    l->duplicate = world_one_in(w, 3) ? (uint32_t)world_dice(w, 1, 500) : 0;
    l->reorder = world_one_in(w, 3) ? (uint32_t)world_dice(w, 1, 1500) : 0;
    l->corrupt = world_one_in(w, 3) ? (uint32_t)world_dice(w, 1, 300) : 0;
    if (world_one_in(w, 2)) {
        l->rate_bps = UINT64_C(1000000) * world_dice(w, 1, 200);
        l->queue_bytes = (uint32_t)world_dice(w, 8000, 200000);
    }
    if (world_one_in(w, 8)) {
        l->cut_from_us = w->start_us + world_dice(w, 0, 3000000);
        l->cut_until_us = l->cut_from_us + world_dice(w, 1000, 20000000);
    }
    if (world_one_in(w, 6)) // without ICMP a black hole
        l->mtu = w->mtu - (uint32_t)world_dice(w, 1, (uint32_t)w->mtu - 1280);
    if (world_one_in(w, 6) && w->icmp) {
        l->mtu_later = l->mtu - (uint32_t)world_dice(w, 0, l->mtu - 1280);
        l->mtu_later_us = w->start_us + world_dice(w, 0, 5000000);
    }
}

static void choose_flow(struct world *w, struct flow *f)
{
    static const uint64_t sizes[] = {0, 1, 100, 3000, 20000, 100000, 400000};
    f->kind = (enum kind)(world_one_in(w, 2) ? BULK : world_dice(w, 0, KIND_COUNT - 1));
    f->start_us = w->start_us + (world_one_in(w, 2) ? 0 : world_dice(w, 0, 5000000));
    f->turn_bytes = (uint32_t)world_dice(w, 1, 3000);
    for (int s = 0; s < 2; s++) {
        struct end *e = &f->end[s];
        e->to_send = world_dice(w, 0, sizes[world_dice(w, 0, 6)]);
        e->abort_at = e->release_at = UINT64_MAX;
        if (world_one_in(w, 4)) {
            e->read_us = world_dice(w, 1, 2000000);
            e->read_most = world_dice(w, 1000, 100000);
        }
    }
    struct end *e = &f->end[world_dice(w, 0, 1)];
    if (f->kind == TALK) {
        uint64_t turns = world_dice(w, 1, 30);
        f->end[0].to_send = f->end[1].to_send = turns * f->turn_bytes;
    } else if (f->kind == ABORT) {
        e->abort_at = world_dice(w, 0, f->end[0].to_send + f->end[1].to_send);
    } else if (f->kind == RELEASE) {
        e->release_at = world_dice(w, 0, 50000);
    } else if (f->kind == VANISH) {
        uint64_t at = f->start_us + world_dice(w, 0, 2000000);
        for (int s = 0; s < 2; s++) {
            w->links[s].config.cut_from_us = at;
            w->links[s].config.cut_until_us = UINT64_MAX;
        }
    }
}

void world_choose(struct world *w)
{
    w->start_us = w->now_us = world_dice(w, 1, UINT64_C(1) << 43);
    w->limit_us = w->now_us + UINT64_C(7200) * 1000000;
    bool v4 = world_one_in(w, 2);
    for (int s = 0; s < 2; s++) {
        uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)(s + 1)};
        uint8_t four[4] = {192, 0, 2, (uint8_t)(s + 1)};
        w->addrs[s] = v4 ? addr_from_v4(four) : addr_from_v6(bytes);
    }
    w->mtu = 1500;
    w->sack = !world_one_in(w, 4);
    w->timestamps = !world_one_in(w, 4);
    w->scaling = !world_one_in(w, 4);
    w->icmp = !world_one_in(w, 4);
    bool perfect = world_one_in(w, 10);
    w->starved = world_one_in(w, 8);
    if (world_one_in(w, 10)) {
        w->jump_at_us = w->now_us + world_dice(w, 0, 5000000);
        w->jump_us = world_dice(w, 1, UINT64_C(8) * 3600 * 1000000);
        w->limit_us += w->jump_us;
    }
    for (int s = 0; s < 2; s++) {
        struct link_sim_config link;
        choose_link(w, &link);
        if (perfect)
            link = (struct link_sim_config){
                .delay_us = link.delay_us, .jitter_us = link.jitter_us, .mtu = w->mtu};
        link.duplicate = w->starved ? 0 : link.duplicate; // a copy needs a buffer
        link_sim_init(&w->links[s], &link, rng_next(&w->rng));
    }
    static const uint32_t windows[] = {2000, 4096, 16384, 65535, 262144, 1048576};
    for (int s = 0; s < 2; s++) {
        struct side *side = &w->sides[s];
        *side = (struct side){.world = w, .index = s, .out = &w->links[s]};
        struct tcp_config config = {
            .connections = FLOWS_MAX * 2,
            .send_bytes = windows[world_dice(w, 0, 5)],
            .receive_bytes = windows[world_dice(w, 0, 5)],
            .mtu = {w->mtu, w->mtu},
            .worker = (uint16_t)world_dice(w, 0, 3),
            .workers = 4,
            .key = {{rng_next(&w->rng), rng_next(&w->rng)}},
            .mbufs = w->starved ? w->few : w->mbufs,
            .counters = &side->counters,
            .emit = world_emit,
            .context = side,
        };
        side->tcp = tcp_open(&config);
        CHECK(side->tcp != NULL);
        tcp_advance(side->tcp, w->now_us);
    }
    w->flow_count = (unsigned)(world_one_in(w, 2) ? 1 : world_dice(w, 1, FLOWS_MAX));
    for (unsigned i = 0; i < w->flow_count; i++)
        choose_flow(w, &w->flows[i]);
    w->stranger = world_one_in(w, 6);
    w->lies = world_one_in(w, 6) ? LIES : world_one_in(w, 6) ? LIES_OF_WINDOWS : HONEST;
    w->victim = (int)world_dice(w, CLIENT, SERVER);
}

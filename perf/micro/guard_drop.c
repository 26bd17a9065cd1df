// SPDX-License-Identifier: BSD-3-Clause

/* guard.drop: millions of SYNs a second and core that a worker receives, parses, classifies,
 * tracks, refuses, counts and frees, against what only receives and frees them (flood_rig.h). The
 * time that the bench itself takes to write the SYNs is taken off both; the raw times stand on
 * standard error.
 *
 * Attack mode is on. `16M`: SYNs from 16 M sources, for all of which the table has room; the rates
 * of each and of its prefix are judged for every SYN, and charged for the few that pass: nearly all
 * are over their prefix's, the refusal that reads most. `128K`: the same with a table that the
 * CPU's caches hold; the difference is what memory and its page tables cost. `random flood`: every
 * SYN is from another of 2^30 sources, with the default limits, where nearly all are over the
 * budget in all. What was refused for what stands on standard error.
 *
 * Usage: bench_guard_drop [--smoke | CASE]
 */

#include "flood_rig.h"

#include <stdio.h>
#include <string.h>

static const uint64_t narrow[LIMIT_COUNT] = {
    [LIMIT_SYN_RATE_SOURCE] = 1,
    [LIMIT_SYN_BURST_SOURCE] = 1,
    [LIMIT_SYN_ANSWERS_PREFIX] = 1,
    [LIMIT_SYN_ANSWERS_TOTAL] = 1000000,
};
static const uint64_t defaults[LIMIT_COUNT];

static void run(const struct flood_config *config, uint64_t frames)
{
    struct flood *flood = flood_open(config);
    struct flood_times t = flood_run(flood, frames);
    struct flood_turn worst = flood_worst_turn(flood, frames / 64);
    const struct counter_block *c = flood_counters(flood);
    uint64_t refused = 0;
    for (int i = 0; i < REASON_COUNT; i++) {
        refused += c->reasons[i];
        if (c->reasons[i])
            fprintf(stderr, "guard.drop %s: %s %lu\n", config->name, reason_name((enum reason)i),
                    (unsigned long)c->reasons[i]);
    }
    fprintf(stderr,
            "guard.drop %s: %.1f%% of %lu refused; %.1f ns a frame, peer %.1f, the bench's own "
            "filling %.1f of both; worst turn %.0f us, with %ld switches and %ld page faults\n",
            config->name, 100 * (double)refused / (double)c->counters[COUNTER_RX_PACKETS],
            (unsigned long)c->counters[COUNTER_RX_PACKETS], t.ours, t.peer, t.fill, worst.us,
            worst.switches, worst.faults);
    double ours = 1000 / (t.ours - t.fill), peer = 1000 / (t.peer - t.fill);
    printf("{\"bench\":\"guard.drop\",\"case\":\"%s\",\"value\":%.2f,\"unit\":\"Mpps\","
           "\"peer\":\"rxonly loop on the same port\",\"peer_value\":%.2f,\"ratio\":%.3f}\n",
           config->name, ours, peer, ours / peer);
    printf("{\"bench\":\"guard.drop\",\"case\":\"%s worst turn\",\"value\":%.1f,\"unit\":\"us\","
           "\"peer\":\"longest pause of an empty loop\",\"peer_value\":%.1f,\"ratio\":%.2f}\n",
           config->name, worst.us, worst.pause_us, worst.us / worst.pause_us);
    fflush(stdout);
    flood_close(flood);
}

int main(int argc, char **argv)
{
    static const struct flood_config smoke[] = {
        {"ipv4 16K", true, false, 14, 14, narrow},
        {"ipv6 16K", false, true, 14, 14, narrow},
    };
    static const struct flood_config full[] = {
        {"ipv4 128K", true, false, 17, 17, narrow},
        {"ipv4 16M", true, false, 24, 24, narrow},
        {"ipv4 16M with options", true, true, 24, 24, narrow},
        {"ipv4 16M random flood", true, false, 30, 24, defaults},
        {"ipv6 16M", false, false, 24, 24, narrow},
        {"ipv6 16M random flood", false, false, 30, 24, defaults},
    };
    bool is_smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
    const char *only = argc > 1 && !is_smoke ? argv[1] : NULL;
    flood_start(is_smoke);
    const struct flood_config *configs = is_smoke ? smoke : full;
    unsigned count = is_smoke ? sizeof smoke / sizeof smoke[0] : sizeof full / sizeof full[0];
    for (unsigned i = 0; i < count; i++)
        if (!only || strcmp(only, configs[i].name) == 0)
            run(&configs[i], is_smoke ? 1 << 18 : 1 << 23);
    return 0;
}

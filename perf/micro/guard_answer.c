// SPDX-License-Identifier: BSD-3-Clause

/* guard.answer: millions of SYNs a second and core that become SYN-ACKs: received, parsed,
 * classified, tracked, answered with a cookie and sent to the gateway, under attack, with limits
 * that refuse none. The peer receives and frees the same frames (flood_rig.h); the time that the
 * bench itself takes to write the SYNs is taken off both.
 *
 * Usage: bench_guard_answer [--smoke | CASE]
 */

#include "flood_rig.h"

#include <stdio.h>
#include <string.h>

static const uint64_t wide[LIMIT_COUNT] = {
    [LIMIT_SYN_RATE_SOURCE] = 1000000,
    [LIMIT_SYN_BURST_SOURCE] = 1000000,
    [LIMIT_SYN_ANSWERS_PREFIX] = 1000000,
    [LIMIT_SYN_ANSWERS_TOTAL] = 100000000,
};

static void run(const struct flood_config *config, uint64_t frames)
{
    struct flood *flood = flood_open(config);
    struct flood_times t = flood_run(flood, frames);
    const struct counter_block *c = flood_counters(flood);
    uint64_t received = c->counters[COUNTER_RX_PACKETS];
    double answered = (double)c->counters[COUNTER_SYN_ANSWERED] / (double)received;
    fprintf(stderr,
            "guard.answer %s: %.2f%% of %lu answered; %.1f ns a frame, peer %.1f, the bench's own "
            "filling %.1f of both\n",
            config->name, 100 * answered, (unsigned long)received, t.ours, t.peer, t.fill);
    double ours = 1000 / (t.ours - t.fill) * answered, peer = 1000 / (t.peer - t.fill);
    printf("{\"bench\":\"guard.answer\",\"case\":\"%s\",\"value\":%.2f,\"unit\":\"M/s\","
           "\"peer\":\"rxonly loop on the same port\",\"peer_value\":%.2f,\"ratio\":%.3f}\n",
           config->name, ours, peer, ours / peer);
    fflush(stdout);
    flood_close(flood);
}

int main(int argc, char **argv)
{
    static const struct flood_config smoke[] = {
        {"ipv4 16K", true, false, 14, 14, wide},
        {"ipv6 16K", false, true, 14, 14, wide},
    };
    static const struct flood_config full[] = {
        {"ipv4 16M", true, false, 24, 24, wide},
        {"ipv4 16M with options", true, true, 24, 24, wide},
        {"ipv6 16M", false, false, 24, 24, wide},
        {"ipv6 16M with options", false, true, 24, 24, wide},
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

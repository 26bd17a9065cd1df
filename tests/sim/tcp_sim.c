// SPDX-License-Identifier: BSD-3-Clause

/* tcp_sim [--seeds N] [--first S] [--trace]: runs the simulated worlds of N seeds. A failing seed
 * is run again with its packets written to tcp_sim-SEED.pcap, printed with its last segments and
 * the stories of its connections, and ends the program with 1.
 */

#include "support/eal_fixture.h"
#include "tcp_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 100, first = 1;
    bool trace = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = number(argv[++i]);
        else if (strcmp(argv[i], "--first") == 0)
            first = number(argv[++i]);
        else if (strcmp(argv[i], "--trace") == 0)
            trace = true;
        else
            return fprintf(stderr, "usage: tcp_sim [--seeds N] [--first S] [--trace]\n"), 2;
    }
    struct world_pools pools = {eal_fixture_pool("sim", 16383), eal_fixture_pool("few", 255)};

    struct world_result total = {0};
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        struct world_result result = tcp_world_run(seed, &pools, trace, NULL);
        if (result.failed) {
            char path[64];
            snprintf(path, sizeof path, "tcp_sim-%lu.pcap", (unsigned long)seed);
            tcp_world_run(seed, &pools, false, path);
            printf(
                "seed %lu failed after %.3f s: %s\nagain: tcp_sim --first %lu --seeds 1 --trace; "
                "packets: %s\n",
                (unsigned long)seed, (double)result.simulated_us / 1e6, result.what,
                (unsigned long)seed, path);
            return 1;
        }
        total.segments += result.segments;
        total.retransmitted += result.retransmitted;
        total.simulated_us += result.simulated_us;
        if (result.burst > total.burst)
            total.burst = result.burst;
    }
    printf("%lu seeds from %lu: %lu segments, %lu retransmitted, %u in a burst, %lu s simulated\n",
           (unsigned long)seeds, (unsigned long)first, (unsigned long)total.segments,
           (unsigned long)total.retransmitted, total.burst,
           (unsigned long)(total.simulated_us / 1000000));
    return 0;
}

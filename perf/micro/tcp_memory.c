// SPDX-License-Identifier: BSD-3-Clause

/* tcp.memory: bytes of the process's resident memory that an idle, established connection costs,
 * half of what a pair of ends takes. What a stack has in reserve and never wrote to, as the ring
 * of TIME-WAIT records, is not resident and not in it.
 *
 * Usage: bench_tcp_memory [--smoke]
 */

#include "tcp_pair.h"

#include <stdlib.h>
#include <unistd.h>

static struct tcp_pair pair;

static double resident_bytes(void)
{
    unsigned long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file && fscanf(file, "%lu %lu", &all, &resident) == 2);
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void measure(uint32_t connections, const char *name)
{
    // The packet buffers are not a connection's: they are all in use once, before.
    struct tcp_pair_config config = {.connections = 2000, .queue_bytes = 65536, .v4 = true};
    tcp_pair_open(&pair, &config);
    free(tcp_pair_establish(&pair, 2000));
    tcp_pair_shut(&pair);
    config.connections = connections;

    double before = resident_bytes();
    tcp_pair_open(&pair, &config);
    free(tcp_pair_establish(&pair, connections)); // the handles' memory goes back to the system
    double each = (resident_bytes() - before) / connections / 2;
    tcp_pair_report("tcp.memory", name, each, "bytes");
    tcp_pair_shut(&pair);
}

int main(int argc, char **argv)
{
    if (tcp_pair_main(argc, argv))
        measure(100000, "ipv4 100K");
    else
        measure(1000000, "ipv4 1M");
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Open client connections of one worker: in all, by service, by source. Opened and closed in pairs;
 * what is counted here is proven (a handshake was completed), so the table cannot be filled from
 * forged addresses. It is bounded: a source that finds it full is refused as if all were taken.
 *
 * A limit of several workers is dealt in equal shares, at least 1 each: together they never pass
 * the limit unless it is smaller than the number of workers. A source lives on one worker and has
 * its limit whole.
 */

#include "base/limits.h"
#include "contract/reason.h"
#include "guard/guard_table.h"

struct guard_connection_limits { // of this worker
    uint32_t total, service, source;
};
uint32_t guard_connection_share(uint64_t limit, uint16_t workers);

struct guard_connection {
    struct guard_table sources; // value: open connections
    uint32_t total;
    uint32_t services[SERVICES_MAX];
};

int guard_connection_init(struct guard_connection *counts, uint32_t most, int numa_node,
                          const struct siphash_key *key) MUST_CHECK; // 0 or -ENOMEM
void guard_connection_done(struct guard_connection *counts);

// REASON_NONE: counted. `limits` NULL: counted without limits, as far as the table goes.
enum reason guard_connection_opened(struct guard_connection *counts, const struct addr *client,
                                    unsigned service, const struct guard_connection_limits *limits);
void guard_connection_ended(struct guard_connection *counts, const struct addr *client,
                            unsigned service);
uint32_t guard_connection_of(const struct guard_connection *counts, const struct addr *client);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A peer that lies: rewrites what it shares with us, as the seed has it. */

#include "base/rng.h"
#include "contract/spsc.h"

/* One touch of a channel's memory. Mostly messages that are well published and wrong inside, since
 * the first impossible index ends a channel; now and then bytes of any slot, a word anywhere, or an
 * index, near or far. `end` is whose indices are right to move when it publishes. */
void hostile_touch(struct spsc_channel_memory *memory, enum spsc_end end, struct rng *rng);

// Sends one record of a random kind, size, content and number of descriptors (of `fd`).
void hostile_record(int socket, int fd, struct rng *rng);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Who wants to harm a connection, as the seed has it: a peer that lies, and a stranger who knows
 * addresses and ports but sees nothing of the stream.
 */

#include "base/packet.h"
#include "base/rng.h"

// The peer's segment with something in it that is not true. Its data is no longer to be trusted.
void tcp_hostile_lie(struct rng *rng, struct packet *packet);

// A forged segment of `packet`'s connection and direction; its payload_size is what it claims. Its
// numbers are anywhere but `next`, the one that would be right for it.
struct packet tcp_hostile_forge(struct rng *rng, const struct packet *packet, uint32_t next);

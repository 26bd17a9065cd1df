// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The TCP header of a received packet (RFC 9293, section 3.1): checked and read, not acted upon. */

#include "net/net_state.h"

// `l4` is the segment; in->packet has its addresses and offsets. Sets NET_TCP.
enum reason segment_input(struct input *in, struct span l4);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* IPv4 (RFC 791, 1122): the header's checks, then TCP or ICMP. */

#include "net/net_state.h"

enum reason ip4_input(struct input *in);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A segment's way through RFC 9293, section 3.10.7, one helper per step, in its order. */

#include "tcp/tcp_conn.h"

// Takes m. The connection may be gone after this call.
void tcp_input_segment(struct tcp *tcp, struct tcp_conn *c, struct rte_mbuf *m,
                       const struct packet *packet);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What the owner is told, as a list of connections with bits; tcp_event_next (tcp.h) reads it. */

#include "tcp/tcp_conn.h"

// Nothing happens for a released connection.
void tcp_event_raise(struct tcp *tcp, struct tcp_conn *c, uint8_t bits);

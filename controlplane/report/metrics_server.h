// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* GET /metrics over HTTP, by libmicrohttpd driven from the loop through its epoll descriptor: no
 * thread, so what it reads cannot be unmapped under it. At most METRICS_CONNECTIONS_MAX clients,
 * each for METRICS_SECONDS without progress.
 */

#include "base/check.h"

#include <stdint.h>
#include <stdio.h>
#include <uv.h>

enum { METRICS_CONNECTIONS_MAX = 16, METRICS_SECONDS = 5 };

struct metrics_server;

typedef void metrics_server_write(void *context, FILE *out);

// `address` is ADDRESS:PORT or [ADDRESS]:PORT; port 0 takes any. 0 or -errno.
int metrics_server_open(struct metrics_server **ret_server, uv_loop_t *loop, const char *address,
                        metrics_server_write *write, void *context) MUST_CHECK;
uint16_t metrics_server_port(const struct metrics_server *server);
void metrics_server_close(struct metrics_server *server); // NULL is fine; memory goes in the loop

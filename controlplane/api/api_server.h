// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The control API: a unix stream socket (mode 0600) on which each line is a JSON object.
 *
 *   {"command": "limits set", "name": "connections_source", "value": 20}
 *   {"ok": true, ...}     or     {"ok": false, "error": "what was wrong"}
 *
 * A client's requests are answered one after the other; while one is under way its further bytes
 * are not read, so a client costs at most one request and one response. A line beyond
 * API_LINE_MAX, a response not taken within API_SECONDS and a client idle for API_IDLE_SECONDS end
 * the connection. Commands: api_command.def. Runs in the loop, which no client can hold up.
 */

#include "loop/plane.h"

enum {
    API_CLIENTS_MAX = 64,
    API_LINE_MAX = 65536,
    API_SECONDS = 30,
    API_IDLE_SECONDS = 300,
};

struct api_server;

// 0 or -errno: -EADDRINUSE when somebody listens there; an old socket of nobody is replaced.
int api_server_open(struct api_server **ret_server, struct plane *plane,
                    const char *path) MUST_CHECK;
void api_server_close(struct api_server *server); // removes the socket; memory goes in the loop

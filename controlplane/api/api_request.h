// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One request on its way: its command function answers it exactly once, now or later, and the
 * request is gone with that call. The client may have left in the meantime; then the answer is
 * dropped. */

#include "loop/plane.h"

#include <jansson.h>

struct api_client;

struct api_request {
    struct plane *plane;
    struct api_client *client; // NULL: it has left
    json_t *body;              // an object
};

// The request is gone after either call. `response` is taken over and gets "ok": true.
void api_request_ok(struct api_request *request, json_t *response);
void api_request_error(struct api_request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Arguments. NULL or false after having answered with an error that names the argument and what was
 * expected; the request is gone then. */
const char *api_request_text(struct api_request *request, const char *name);
bool api_request_number(struct api_request *request, const char *name, uint64_t least,
                        uint64_t most, uint64_t *ret_value);
bool api_request_has(const struct api_request *request, const char *name);

void api_command_run(struct api_request *request); // finds its command and starts it

// The transport's side: sends one response line to the client, which may read on then.
void api_server_send(struct api_client *client, const json_t *response);

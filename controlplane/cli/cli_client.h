// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* weirctl's side of the control API: one request, one response (api/api_server.h). Blocking, with
 * deadlines. */

#include "base/check.h"

#include <jansson.h>

enum { CLI_CLIENT_SECONDS = 60, CLI_RESPONSE_MAX = 1 << 28 };

// 0 and the response (the caller's); -errno after one line on standard error.
int cli_client_ask(const char *socket_path, const json_t *request,
                   json_t **ret_response) MUST_CHECK;

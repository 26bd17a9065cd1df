// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The functions of api_command.def; each answers its request exactly once (api_request.h).

#include "api/api_request.h"

#define COMMAND(words, function) void function(struct api_request *request);
#include "api/api_command.def"
#undef COMMAND

enum { LIMIT_NAME_SIZE = 48 };
const char *api_limit_name(enum limit limit, char name[LIMIT_NAME_SIZE]); // lower case

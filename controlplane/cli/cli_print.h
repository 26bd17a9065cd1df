// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Responses of the control API as text for people. `all` is weirctl's --all.

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef void cli_print(FILE *out, const json_t *response, bool all);

cli_print cli_print_status;
cli_print cli_print_stats; // all: zeros too, and each worker
cli_print cli_print_bans;
cli_print cli_print_lists;
cli_print cli_print_list_test;
cli_print cli_print_limits;
cli_print cli_print_limit;
cli_print cli_print_sessions;
cli_print cli_print_backends;
cli_print cli_print_change; // of the policy
cli_print cli_print_order;  // to the workers
cli_print cli_print_check;
cli_print cli_print_top;
cli_print cli_print_explain;
cli_print cli_print_trace;

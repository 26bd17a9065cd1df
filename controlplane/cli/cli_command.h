// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What weirctl takes: commands of one or two words, their arguments and what prints the response.
 * Words go to the API as they are typed, arguments under their names. */

#include "cli/cli_print.h"

enum { CLI_ARGUMENTS_MAX = 3 };

struct cli_argument {
    const char *name; // in the request; NULL: none
    bool number;      // what is none goes as text, and is refused with what it may be
};

struct cli_command {
    const char *words;
    const char *synopsis; // of the arguments
    const char *help;
    struct cli_argument arguments[CLI_ARGUMENTS_MAX];
    int needed; // arguments that must be given
    cli_print *print;
    bool live; // shown again each second on a terminal
};

// The command that argv begins with, and how many words it took; NULL: none such.
const struct cli_command *cli_command_find(int argc, char **argv, int *ret_words);

// The request, the caller's; NULL after a line on standard error.
json_t *cli_command_request(const struct cli_command *command, int argc, char **argv);

void cli_command_help(FILE *out);

// SPDX-License-Identifier: BSD-3-Clause
/* weirctl: one command to the control plane, its answer as a table or as JSON. */
#include "cli/cli_client.h"
#include "cli/cli_command.h"

#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2 };

struct options {
    const char *socket;
    bool json, all, prefixes, once;
};

// 0; 1: help was asked for; -1 after a line on standard error. Options may stand anywhere.
static int options_read(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"all", no_argument, NULL, 'a'},
        {"prefixes", no_argument, NULL, 'p'},
        {"once", no_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "s:japoh", known, NULL)) != -1) {
        switch (option) {
        case 's':
            options->socket = optarg;
            break;
        case 'j':
            options->json = true;
            break;
        case 'a':
            options->all = true;
            break;
        case 'p':
            options->prefixes = true;
            break;
        case 'o':
            options->once = true;
            break;
        case 'h':
            return 1;
        default:
            return -1;
        }
    }
    return 0;
}

// getopt would take "-5" for an option and say so; no number here is below 0.
static bool has_negative(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-' && argv[i][1] >= '0' && argv[i][1] <= '9') {
            fprintf(stderr, "weirctl: %s: expected a number of at least 0\n", argv[i]);
            return true;
        }
    return false;
}

static int response_print(const json_t *response, const struct cli_command *command,
                          const struct options *options)
{
    bool done = json_is_true(json_object_get(response, "ok"));
    const char *error = json_string_value(json_object_get(response, "error"));
    if (options->json) {
        json_dumpf(response, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (done) {
        command->print(stdout, response, options->all);
    } else {
        fprintf(stderr, "weirctl: %s\n", error ? error : "refused");
    }
    return done ? 0 : EXIT_REFUSED;
}

// The exit code.
static int ask(const struct cli_command *command, const json_t *request,
               const struct options *options)
{
    json_t *response;
    if (cli_client_ask(options->socket, request, &response) != 0)
        return EXIT_REFUSED;
    int code = response_print(response, command, options);
    json_decref(response);
    return code;
}

// Until somebody interrupts it, or the control plane is gone.
static int watch(const struct cli_command *command, const json_t *request,
                 const struct options *options)
{
    int code = 0;
    while (code == 0) {
        fputs("\033[H\033[J", stdout); // home, and clear below
        code = ask(command, request, options);
        fflush(stdout);
        if (code == 0)
            sleep(1);
    }
    return code;
}

int main(int argc, char **argv)
{
    const char *environment = getenv("WEIR_SOCKET");
    struct options options = {.socket = environment ? environment : "/run/weir/control.sock"};
    if (has_negative(argc, argv))
        return EXIT_USAGE;
    int outcome = options_read(argc, argv, &options);
    if (outcome > 0) {
        cli_command_help(stdout);
        return 0;
    }
    int words = 0;
    argc -= optind;
    argv += optind;
    const struct cli_command *command = outcome == 0 ? cli_command_find(argc, argv, &words) : NULL;
    if (!command) {
        cli_command_help(stderr);
        return EXIT_USAGE;
    }
    json_t *request = cli_command_request(command, argc - words, argv + words);
    if (!request)
        return EXIT_USAGE;
    if (options.prefixes)
        json_object_set_new(request, "prefixes", json_true());
    bool live = command->live && !options.once && !options.json && isatty(STDOUT_FILENO);
    int code = (live ? watch : ask)(command, request, &options);
    json_decref(request);
    return code;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "cli/cli_command.h"

#include "base/span.h"

#include <string.h>

static const struct cli_command commands[] = {
    {"status",
     "",
     "both planes, the children, the policy and the services",
     {{0}},
     0,
     cli_print_status},
    {"stats",
     "[--all]",
     "counters and refusals that are not zero; --all: all, by worker",
     {{0}},
     0,
     cli_print_stats},
    {"top",
     "[BY] [ROWS] [--prefixes] [--once]",
     "who causes most packets, syns, connections or refusals now",
     {{"by", false}, {"rows", true}},
     0,
     cli_print_top,
     .live = true},
    {"explain",
     "ADDRESS",
     "what is known of a source, and what happens to it",
     {{"address", false}},
     1,
     cli_print_explain},
    {"bans list", "", "banned sources, the time left and why", {{0}}, 0, cli_print_bans},
    {"bans add",
     "ADDRESS [SECONDS]",
     "ban a source (IPv6: its /64), for an hour unless said",
     {{"address", false}, {"seconds", true}},
     1,
     cli_print_order},
    {"bans remove", "ADDRESS", "lift a ban", {{"address", false}}, 1, cli_print_order},
    {"lists list",
     "",
     "allowed and denied prefixes, and those of classes",
     {{0}},
     0,
     cli_print_lists},
    {"lists reload",
     "",
     "read the list files again; a bad one changes nothing",
     {{0}},
     0,
     cli_print_change},
    {"lists test",
     "ADDRESS",
     "which class a source has, and by which prefix",
     {{"address", false}},
     1,
     cli_print_list_test},
    {"lists add",
     "CLASS PREFIX",
     "add a prefix to allow, deny, martian or a class until the configuration is read again",
     {{"list", false}, {"prefix", false}},
     2,
     cli_print_change},
    {"lists remove",
     "CLASS PREFIX",
     "remove a prefix, likewise",
     {{"list", false}, {"prefix", false}},
     2,
     cli_print_change},
    {"limits list",
     "[CLASS]",
     "limits with their values, modes and ranges",
     {{"class", false}},
     0,
     cli_print_limits},
    {"limits get",
     "NAME [CLASS]",
     "one limit's value, and what it would refuse",
     {{"name", false}, {"class", false}},
     1,
     cli_print_limit},
    {"limits set",
     "NAME VALUE [CLASS]",
     "change a limit until the configuration is read again",
     {{"name", false}, {"value", true}, {"class", false}},
     2,
     cli_print_change},
    {"limits mode",
     "NAME MODE [CLASS]",
     "enforce, shadow (count only) or off, likewise",
     {{"name", false}, {"mode", false}, {"class", false}},
     2,
     cli_print_change},
    {"sessions list", "", "mail sessions that are open", {{0}}, 0, cli_print_sessions},
    {"sessions kill", "ID", "end a session", {{"id", true}}, 1, cli_print_order},
    {"trace",
     "[ID]",
     "what became of a session's TCP connections, or of all that ended ill",
     {{"id", true}},
     0,
     cli_print_trace},
    {"backends list",
     "",
     "servers of the backends as each worker sees them",
     {{0}},
     0,
     cli_print_backends},
    {"backends drain",
     "NAME[/ADDRESS:PORT]",
     "give a backend's server, or all of them, no new connections; sessions there end",
     {{"server", false}},
     1,
     cli_print_order},
    {"backends enable",
     "NAME[/ADDRESS:PORT]",
     "give them some again",
     {{"server", false}},
     1,
     cli_print_order},
    {"drain start",
     "[SECONDS]",
     "take no new connections, and end sessions between two commands, at the latest then",
     {{"seconds", true}},
     0,
     cli_print_order},
    {"drain stop",
     "",
     "take connections again, and let the sessions be that are left",
     {{0}},
     0,
     cli_print_order},
    {"config check",
     "",
     "read the configuration file and say what is wrong in it",
     {{0}},
     0,
     cli_print_check},
    {"config reload",
     "",
     "read it and put it into effect; sessions go on",
     {{0}},
     0,
     cli_print_change},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

const struct cli_command *cli_command_find(int argc, char **argv, int *ret_words)
{
    char words[64];
    if (argc < 1)
        return NULL;
    // "bans" alone is "bans list".
    snprintf(words, sizeof words, "%s %s", argv[0], argc > 1 ? argv[1] : "list");
    for (int i = 0; i < COMMANDS; i++) {
        bool two = strcmp(commands[i].words, words) == 0;
        if (!two && strcmp(commands[i].words, argv[0]) != 0)
            continue;
        *ret_words = two && argc > 1 ? 2 : 1;
        return &commands[i];
    }
    return NULL;
}

json_t *cli_command_request(const struct cli_command *command, int argc, char **argv)
{
    int most = 0;
    while (most < CLI_ARGUMENTS_MAX && command->arguments[most].name)
        most++;
    if (argc < command->needed || argc > most) {
        fprintf(stderr, "usage: weirctl %s %s\n", command->words, command->synopsis);
        return NULL;
    }
    json_t *request = json_pack("{s:s}", "command", command->words);
    for (int i = 0; i < argc; i++) {
        const struct cli_argument *argument = &command->arguments[i];
        uint64_t value = 0;
        // What is no number goes as it is: the control plane knows which it takes, and says so.
        bool number = argument->number && span_to_u64(span_text(argv[i]), INT64_MAX, &value);
        json_t *given = number ? json_integer((json_int_t)value) : json_string(argv[i]);
        if (!given) {
            fprintf(stderr, "weirctl: %s: expected UTF-8 text\n", argument->name);
            json_decref(request);
            return NULL;
        }
        json_object_set_new(request, argument->name, given);
    }
    return request;
}

void cli_command_help(FILE *out)
{
    fputs("usage: weirctl [--socket PATH] [--json] COMMAND\n\n", out);
    for (int i = 0; i < COMMANDS; i++) {
        char line[64];
        snprintf(line, sizeof line, "%s %s", commands[i].words, commands[i].synopsis);
        fprintf(out, "  %-32s  %s\n", line, commands[i].help);
    }
    fputs("\n"
          "  --socket PATH  the control plane's socket; else $WEIR_SOCKET, else\n"
          "                 /run/weir/control.sock\n"
          "  --json         print the response as it came, one line\n"
          "\n"
          "A noun alone lists: `weirctl bans`. Exit: 0 done, 1 refused or not reached, 2 usage.\n",
          out);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "cli/cli_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 8 };

// What a line asks for, as weirctl's main has it: command, words taken, request (NULL: refused).
static struct asked {
    const struct cli_command *command;
    int words;
    json_t *request;
} asked;

static void ask(const char *line)
{
    char copy[256], *argv[WORDS_MAX], *rest = copy;
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strsep(&rest, " "); word && argc < WORDS_MAX; word = strsep(&rest, " "))
        if (*word)
            argv[argc++] = word;
    json_decref(asked.request);
    asked = (struct asked){0};
    asked.command = cli_command_find(argc, argv, &asked.words);
    if (asked.command)
        asked.request = cli_command_request(asked.command, argc - asked.words, argv + asked.words);
}

static int request_free(void **state)
{
    json_decref(asked.request);
    asked.request = NULL;
    return 0;
}

static void assert_request(const char *line, const char *want)
{
    ask(line);
    char *text = json_dumps(asked.request, JSON_COMPACT);
    assert_non_null(text);
    assert_string_equal(text, want);
    free(text);
}

static void what_is_no_command_is_not_found(void **state)
{
    static const char *const lines[] = {"",     "dance", "bans dance", "ban",         "bansx list",
                                        "list", "add",   "lists",      "config bans", "--all"};
    char long_word[300];
    memset(long_word, 'w', sizeof long_word);
    long_word[sizeof long_word - 1] = '\0';
    char *argv[] = {long_word, long_word};
    int words;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ask(lines[i]);
        assert_int_equal(asked.command != NULL, strcmp(lines[i], "lists") == 0);
    }
    assert_null(cli_command_find(2, argv, &words));
}

static void arguments_too_few_or_too_many_are_refused(void **state)
{
    static const char *const lines[] = {
        "status now",
        "bans add",
        "bans add 192.0.2.1 60 70",
        "lists add deny",
        "limits get",
        "limits mode connections_source",
        "sessions kill",
        "lists add \xff 192.0.2.0/24",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ask(lines[i]);
        assert_non_null(asked.command);
        if (asked.request)
            fail_msg("taken: %s", lines[i]);
    }
}

static void what_is_no_number_goes_as_text(void **state)
{
    ask("limits set x 9223372036854775808");
    assert_true(json_is_string(json_object_get(asked.request, "value")));
    ask("limits set x 9223372036854775807");
    assert_true(json_is_integer(json_object_get(asked.request, "value")));
}

static void noun_alone_lists(void **state)
{
    static const char *const nouns[] = {"bans", "lists", "limits", "sessions"};
    for (size_t i = 0; i < sizeof nouns / sizeof nouns[0]; i++) {
        char want[64];
        snprintf(want, sizeof want, "{\"command\":\"%s list\"}", nouns[i]);
        assert_request(nouns[i], want);
        assert_int_equal(asked.words, 1);
    }
}

static void arguments_go_under_their_names(void **state)
{
    assert_request("status", "{\"command\":\"status\"}");
    assert_request("bans add 192.0.2.1", "{\"command\":\"bans add\",\"address\":\"192.0.2.1\"}");
    assert_request("bans add ::1 0",
                   "{\"command\":\"bans add\",\"address\":\"::1\",\"seconds\":0}");
    assert_request("top", "{\"command\":\"top\"}");
    assert_request("top syns 5", "{\"command\":\"top\",\"by\":\"syns\",\"rows\":5}");
    assert_request("explain ::1", "{\"command\":\"explain\",\"address\":\"::1\"}");
    assert_request("sessions kill 9223372036854775807",
                   "{\"command\":\"sessions kill\",\"id\":9223372036854775807}");
    assert_request("trace", "{\"command\":\"trace\"}");
    assert_request("trace 7", "{\"command\":\"trace\",\"id\":7}");
    assert_request("limits set 5 6", "{\"command\":\"limits set\",\"name\":\"5\",\"value\":6}");
    assert_int_equal(asked.words, 2);
}

static void every_command_has_a_line_of_help_and_a_printer(void **state)
{
    static const char *const words[] = {
#define COMMAND(words, function) words,
#include "api/api_command.def"
#undef COMMAND
    };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    cli_command_help(out);
    fclose(out);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "\n  %s ", words[i]);
        assert_non_null(strstr(text, line));
        ask(words[i]);
        assert_non_null(asked.command);
        assert_string_equal(asked.command->words, words[i]);
        assert_non_null(asked.command->print);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_no_command_is_not_found, request_free),
        cmocka_unit_test_teardown(arguments_too_few_or_too_many_are_refused, request_free),
        cmocka_unit_test_teardown(what_is_no_number_goes_as_text, request_free),
        cmocka_unit_test_teardown(noun_alone_lists, request_free),
        cmocka_unit_test_teardown(arguments_go_under_their_names, request_free),
        cmocka_unit_test_teardown(every_command_has_a_line_of_help_and_a_printer, request_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

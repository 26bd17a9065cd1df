// SPDX-License-Identifier: BSD-3-Clause
#include "cli/cli_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct cli_column columns[] = {
    {.title = "NAME", .key = "name"},
    {.title = "COUNT", .key = "count", .right = true},
    {.title = "NOTE", .key = "note"},
    {0},
};

static void assert_table(const char *rows_json, const char *want)
{
    char *text = NULL;
    size_t size;
    json_error_t error;
    json_t *rows = json_loads(rows_json, 0, &error);
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    cli_table_print(out, rows, columns);
    fclose(out);
    json_decref(rows);
    assert_string_equal(text, want);
    free(text);
}

static void assert_cell(void (*format)(const json_t *, char *, size_t), json_t *value,
                        const char *want)
{
    char cell[32];
    format(value, cell, sizeof cell);
    json_decref(value);
    assert_string_equal(cell, want);
}

static void what_is_missing_or_no_scalar_is_a_dash(void **state)
{
    assert_table("[{}, {\"name\":null,\"count\":[1],\"note\":{}}, 5]", "NAME  COUNT  NOTE\n"
                                                                       "-         -  -\n"
                                                                       "-         -  -\n"
                                                                       "-         -  -\n");
    assert_cell(cli_table_duration, json_null(), "-");
    assert_cell(cli_table_seconds, json_string("soon"), "soon");
}

static void no_rows_are_the_titles_alone(void **state)
{
    assert_table("[]", "NAME  COUNT  NOTE\n");
    assert_table("{}", "NAME  COUNT  NOTE\n");
}

static void control_characters_cannot_drive_the_terminal(void **state)
{
    assert_table("[{\"name\":\"a\\u001b[2Jb\",\"note\":\"x\\ny\\u007f\"}]",
                 "NAME    COUNT  NOTE\n"
                 "a?[2Jb      -  x?y?\n");
    assert_table("[{\"name\":\"\\u009b1m\",\"note\":\"\\u00a0\"}]", // C1's CSI, and the first after
                 "NAME  COUNT  NOTE\n"
                 "\?\?1m      -  \xc2\xa0\n");
}

static void long_cell_is_cut(void **state)
{
    char *text = NULL;
    size_t size;
    char name[2 * CLI_TABLE_CELL_MAX];
    memset(name, 'n', sizeof name);
    json_t *rows = json_pack("[{s:s%}]", "name", name, sizeof name);
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    cli_table_print(out, rows, columns);
    fclose(out);
    json_decref(rows);
    assert_int_equal(strspn(strchr(text, '\n') + 1, "n"), CLI_TABLE_CELL_MAX - 1);
    free(text);
}

static void columns_are_as_wide_as_their_widest_character_count(void **state)
{
    assert_table("[{\"name\":\"f\\u00fcr\",\"count\":1234567,\"note\":true},"
                 "{\"name\":\"longer\",\"count\":-1,\"note\":\"x\"}]",
                 "NAME      COUNT  NOTE\n"
                 "f\xc3\xbcr     1234567  yes\n"
                 "longer       -1  x\n");
}

static void durations_name_two_units(void **state)
{
    static const struct {
        json_int_t seconds;
        const char *want;
    } rows[] = {
        {0, "0 s"},
        {59, "59 s"},
        {60, "1 min 0 s"},
        {3599, "59 min 59 s"},
        {3600, "1 h 0 min"},
        {86399, "23 h 59 min"},
        {86400, "1 d 0 h"},
        {90000, "1 d 1 h"},
        {31622400, "366 d 0 h"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_cell(cli_table_seconds, json_integer(rows[i].seconds), rows[i].want);
        assert_cell(cli_table_duration, json_integer(rows[i].seconds * 1000 + 999), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_or_no_scalar_is_a_dash),
        cmocka_unit_test(no_rows_are_the_titles_alone),
        cmocka_unit_test(control_characters_cannot_drive_the_terminal),
        cmocka_unit_test(long_cell_is_cut),
        cmocka_unit_test(columns_are_as_wide_as_their_widest_character_count),
        cmocka_unit_test(durations_name_two_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "cli/cli_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// Control characters of ASCII and (as UTF-8) of C1.
static void make_harmless(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f;
        if (*c < 0x20 || *c == 0x7f)
            *c = '?';
        else if (c1)
            c[0] = c[1] = '?';
    }
}

// Characters of UTF-8 text: bytes that do not continue one.
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void cli_table_value(const json_t *value, char *cell, size_t size)
{
    if (json_is_string(value))
        snprintf(cell, size, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(cell, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_boolean(value))
        snprintf(cell, size, "%s", json_is_true(value) ? "yes" : "no");
    else
        snprintf(cell, size, "-");
}

static void duration_print(uint64_t s, char *cell, size_t size)
{
    if (s < 60)
        snprintf(cell, size, "%" PRIu64 " s", s);
    else if (s < 3600)
        snprintf(cell, size, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(cell, size, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
    else
        snprintf(cell, size, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s % 86400 / 3600);
}

void cli_table_duration(const json_t *value, char *cell, size_t size)
{
    if (json_is_integer(value))
        duration_print((uint64_t)json_integer_value(value) / 1000, cell, size);
    else
        cli_table_value(value, cell, size);
}

void cli_table_seconds(const json_t *value, char *cell, size_t size)
{
    if (json_is_integer(value))
        duration_print((uint64_t)json_integer_value(value), cell, size);
    else
        cli_table_value(value, cell, size);
}

static void cell_make(const json_t *row, const struct cli_column *column, char *cell)
{
    const json_t *value = json_object_get(row, column->key);
    if (column->format)
        column->format(value, cell, CLI_TABLE_CELL_MAX);
    else
        cli_table_value(value, cell, CLI_TABLE_CELL_MAX);
    make_harmless(cell);
}

static void cell_print(FILE *out, const char *text, const struct cli_column *column, size_t width)
{
    bool last = column[1].title == NULL;
    int fill = (int)(width - width_of(text));
    if (column->right)
        fprintf(out, "%*s%s%s", fill, "", text, last ? "\n" : "  ");
    else if (last)
        fprintf(out, "%s\n", text);
    else
        fprintf(out, "%s%*s  ", text, fill, "");
}

void cli_table_print(FILE *out, const json_t *rows, const struct cli_column *columns)
{
    size_t widths[CLI_TABLE_COLUMNS_MAX] = {0};
    char cell[CLI_TABLE_CELL_MAX];
    for (int c = 0; columns[c].title; c++) {
        widths[c] = width_of(columns[c].title);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            cell_make(json_array_get(rows, i), &columns[c], cell);
            if (width_of(cell) > widths[c])
                widths[c] = width_of(cell);
        }
    }
    for (int c = 0; columns[c].title; c++)
        cell_print(out, columns[c].title, &columns[c], widths[c]);
    for (size_t i = 0; i < json_array_size(rows); i++)
        for (int c = 0; columns[c].title; c++) {
            cell_make(json_array_get(rows, i), &columns[c], cell);
            cell_print(out, cell, &columns[c], widths[c]);
        }
}

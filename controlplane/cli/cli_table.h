// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Rows of JSON objects as a table for people. Texts may be foreign (logins, HELO names): control
 * characters, which could drive the terminal, are printed as '?'. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CLI_TABLE_COLUMNS_MAX = 12, CLI_TABLE_CELL_MAX = 256 };

struct cli_column {
    const char *title; // NULL ends the columns
    const char *key;
    bool right; // aligned: numbers
    // The cell's text when the value alone will not do; NULL: the value.
    void (*format)(const json_t *value, char *cell, size_t size);
};

void cli_table_print(FILE *out, const json_t *rows, const struct cli_column *columns);

void cli_table_value(const json_t *value, char *cell, size_t size);    // any scalar; null: "-"
void cli_table_duration(const json_t *value, char *cell, size_t size); // ms: "1 h 2 min"
void cli_table_seconds(const json_t *value, char *cell, size_t size);  // likewise from s

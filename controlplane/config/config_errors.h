// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What is wrong with a configuration, one line each:
 *   FILE:LINE:COLUMN: key.path: what was expected
 * The first CONFIG_ERRORS_SHOWN are kept as text, all are counted. Text of the file's own is passed
 * through span_to_text, so the lines may go to a log or a terminal.
 */

#include <stddef.h>

enum { CONFIG_ERRORS_SIZE = 8192, CONFIG_ERRORS_SHOWN = 20 };

struct config_errors {
    unsigned count;
    size_t size; // bytes of text, its NUL not counted
    char text[CONFIG_ERRORS_SIZE];
};

struct config_place {
    const char *file;
    size_t line, column; // from 1; line 0: the file as a whole
    const char *path;    // of keys; "": none
};

void config_errors_add(struct config_errors *errors, const struct config_place *place,
                       const char *format, ...) __attribute__((format(printf, 3, 4)));

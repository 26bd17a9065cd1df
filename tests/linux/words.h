// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Commands on standard input: a line of words with spaces between, most of them NAME=VALUE. A word
 * that nobody knows ends the program: a test must not run as something else than it says.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct words {
    char *rest;
    char *word; // the one that is to be understood; NUL ends it
};

bool words_read(char *line, size_t size); // the next line without its end; false: no more
struct words words_of(char *line);        // cuts it into words
bool words_next(struct words *words);

// Whether the word is `name` itself; NAME=TEXT; NAME=NUMBER, which is put into *ret_value.
bool words_flag(const struct words *words, const char *name, bool *ret_value);
bool words_text(const struct words *words, const char *name, const char **ret_value);
bool words_number(const struct words *words, const char *name, uint64_t *ret_value);
bool words_number32(const struct words *words, const char *name, uint32_t *ret_value);
_Noreturn void words_refuse(const struct words *words);

// SPDX-License-Identifier: BSD-3-Clause
#include "linux/words.h"

#include "base/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// By bytes: what a buffered read took ahead, poll would not tell of.
bool words_read(char *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (read(STDIN_FILENO, &line[i], 1) != 1)
            return false;
        if (line[i] == '\n') {
            line[i] = 0;
            return true;
        }
    }
    return false;
}

struct words words_of(char *line)
{
    return (struct words){.rest = line};
}

bool words_next(struct words *words)
{
    do
        words->word = strsep(&words->rest, " ");
    while (words->word && !*words->word);
    return words->word != NULL;
}

bool words_flag(const struct words *words, const char *name, bool *ret_value)
{
    if (strcmp(words->word, name) != 0)
        return false;
    *ret_value = true;
    return true;
}

bool words_text(const struct words *words, const char *name, const char **ret_value)
{
    size_t size = strlen(name);
    if (strncmp(words->word, name, size) != 0 || words->word[size] != '=')
        return false;
    *ret_value = words->word + size + 1;
    return true;
}

bool words_number(const struct words *words, const char *name, uint64_t *ret_value)
{
    const char *text;
    if (!words_text(words, name, &text))
        return false;
    if (!span_to_u64(span_text(text), UINT64_MAX, ret_value))
        words_refuse(words);
    return true;
}

bool words_number32(const struct words *words, const char *name, uint32_t *ret_value)
{
    uint64_t value = 0;
    if (!words_number(words, name, &value))
        return false;
    if (value > UINT32_MAX)
        words_refuse(words);
    *ret_value = (uint32_t)value;
    return true;
}

void words_refuse(const struct words *words)
{
    fprintf(stderr, "not understood: %s\n", words->word);
    exit(2);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "config/list_file.h"

#include "config/whole_file.h"

#include <errno.h>
#include <stdlib.h>

struct list_prefixes *list_file_share(struct list_prefixes *prefixes)
{
    prefixes->references++;
    return prefixes;
}

void list_file_give(struct list_prefixes *prefixes)
{
    if (!prefixes)
        return;
    CHECK(prefixes->references > 0);
    if (--prefixes->references > 0)
        return;
    free(prefixes->items);
    free(prefixes);
}

static void append(struct list_prefixes *prefixes, const struct prefix *prefix)
{
    if (prefixes->count == prefixes->room) {
        prefixes->room = prefixes->room ? prefixes->room * 2 : 1024;
        prefixes->items = realloc(prefixes->items, prefixes->room * sizeof *prefixes->items);
        CHECK(prefixes->items);
    }
    prefixes->items[prefixes->count++] = *prefix;
    prefixes->ipv4 += prefix->bits >= ADDR_V4_BITS && addr_is_v4(&prefix->addr);
}

static struct span without_comment(struct span line)
{
    line = span_head(line, span_find(line, '#'));
    line = span_head(line, span_find(line, ';'));
    if (line.size > 0 && line.at[line.size - 1] == '\r')
        line.size--;
    return span_trim(line);
}

static bool line_parse(struct span line, struct prefix *ret_prefix)
{
    char text[PREFIX_TEXT_SIZE];
    if (line.size >= sizeof text)
        return false;
    span_to_text(line, text, sizeof text);
    return prefix_parse(text, ret_prefix);
}

int list_file_parse(const char *file, struct span text, struct list_prefixes **ret_prefixes,
                    struct config_errors *errors)
{
    struct list_prefixes *prefixes = calloc(1, sizeof *prefixes);
    CHECK(prefixes);
    prefixes->references = 1;
    struct config_place place = {.file = file, .column = 1, .path = ""};
    int error = 0;
    while (text.size > 0 && error != -E2BIG) {
        size_t end = span_find(text, '\n');
        struct span line = without_comment(span_head(text, end));
        struct prefix prefix;
        place.line++;
        text = span_skip(text, end + 1);
        if (line.size == 0)
            continue;
        if (!line_parse(line, &prefix)) {
            char found[PREFIX_TEXT_SIZE];
            span_to_text(line, found, sizeof found);
            config_errors_add(errors, &place,
                              "expected a prefix such as 192.0.2.0/24 or 2001:db8::/32, host bits "
                              "zero, not \"%s\"",
                              found);
            error = -EINVAL;
        } else if (prefixes->count == LIST_FILE_PREFIXES_MAX) {
            config_errors_add(errors, &place, "more than %d prefixes", LIST_FILE_PREFIXES_MAX);
            error = -E2BIG;
        } else if (!error) {
            append(prefixes, &prefix);
        }
    }
    if (error)
        list_file_give(prefixes);
    else
        *ret_prefixes = prefixes;
    return error;
}

int list_file_read(const char *file, struct list_prefixes **ret_prefixes,
                   struct config_errors *errors)
{
    uint8_t *text;
    size_t size;
    int error = whole_file_read(file, LIST_FILE_MB_MAX, &text, &size, errors);
    if (error)
        return error;
    error = list_file_parse(file, span_of(text, size), ret_prefixes, errors);
    free(text);
    return error;
}

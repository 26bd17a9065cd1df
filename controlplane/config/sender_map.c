// SPDX-License-Identifier: BSD-3-Clause
#include "config/sender_map.h"

#include "config/whole_file.h"
#include "contract/policy_sender.h"

#include <errno.h>
#include <stdlib.h>

struct sender_map *sender_map_share(struct sender_map *map)
{
    if (map)
        map->references++;
    return map;
}

void sender_map_give(struct sender_map *map)
{
    if (!map)
        return;
    CHECK(map->references > 0);
    if (--map->references > 0)
        return;
    free(map->entries);
    free(map->texts);
    free(map);
}

static void text_add(struct sender_map *map, struct span text)
{
    if (map->texts_room - map->texts_size < text.size) {
        map->texts_room = 2 * map->texts_room + 4096;
        map->texts = realloc(map->texts, map->texts_room);
        CHECK(map->texts);
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        map->texts[map->texts_size++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
}

static void entry_add(struct sender_map *map, struct span sender, struct span login)
{
    if (map->count == map->room) {
        map->room = 2 * map->room + 256;
        map->entries = realloc(map->entries, map->room * sizeof *map->entries);
        CHECK(map->entries);
    }
    map->entries[map->count++] = (struct policy_sender){.text = (uint32_t)map->texts_size,
                                                        .sender_size = (uint16_t)sender.size,
                                                        .login_size = (uint16_t)login.size};
    text_add(map, sender);
    text_add(map, login);
}

static bool is_graphic(struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] <= ' ' || text.at[i] == 0x7f)
            return false;
    return text.size > 0;
}

static bool is_sender(struct span text)
{
    size_t at = span_find(text, '@');
    struct span domain = span_skip(text, at + 1);
    return is_graphic(text) && text.size <= MAIL_ADDRESS_MAX && domain.size > 0 &&
           span_find(domain, '@') == domain.size && span_find(text, '"') == text.size;
}

// NULL, or what was expected.
static const char *line_take(struct sender_map *map, struct span line, enum sender_map_kind kind)
{
    size_t size = span_find(line, ':');
    struct span sender = span_trim(span_head(line, size)), logins = span_skip(line, size + 1);
    if (size == line.size)
        return kind == MAP_SENDERS ? "ADDRESS: LOGIN, ..." : "LOGIN: BACKEND, ...";
    if (kind == MAP_SENDERS && !is_sender(sender))
        return "an address or @DOMAIN before the colon";
    if (!is_graphic(sender) || sender.size > MAIL_ADDRESS_MAX)
        return "a login or @DOMAIN before the colon";
    for (bool more = true; more;) { // ends: each turn takes a comma, or is the last
        size_t end = span_find(logins, ',');
        struct span login = span_trim(span_head(logins, end));
        more = end < logins.size;
        logins = span_skip(logins, end + 1);
        if (!is_graphic(login) || login.size > USER_NAME_MAX)
            return kind == MAP_SENDERS ? "logins, separated by commas, behind the colon"
                                       : "backends, separated by commas, behind the colon";
        if (map->count == POLICY_SENDERS_MAX)
            return "no more entries";
        entry_add(map, sender, login);
    }
    return NULL;
}

static struct span part(const struct sender_map *map, const struct policy_sender *e, bool login)
{
    return span_of(map->texts + e->text + (login ? e->sender_size : 0),
                   login ? e->login_size : e->sender_size);
}

static int order(const void *a, const void *b, void *context)
{
    const struct sender_map *map = context;
    return policy_sender_compare(part(map, a, false), part(map, a, true), part(map, b, false),
                                 part(map, b, true));
}

static void sort(struct sender_map *map)
{
    uint32_t kept = 0;
    if (map->count)
        qsort_r(map->entries, map->count, sizeof *map->entries, order, map);
    for (uint32_t i = 0; i < map->count; i++)
        if (i == 0 || order(&map->entries[kept - 1], &map->entries[i], map) != 0)
            map->entries[kept++] = map->entries[i];
    map->count = kept;
}

int sender_map_parse(const char *file, struct span text, enum sender_map_kind kind,
                     struct sender_map **ret_map, struct config_errors *errors)
{
    struct sender_map *map = calloc(1, sizeof *map);
    CHECK(map);
    map->references = 1;
    struct config_place place = {.file = file, .column = 1, .path = ""};
    int error = 0;
    while (text.size > 0) {
        size_t end = span_find(text, '\n');
        struct span line = span_head(text, end);
        if (line.size && line.at[line.size - 1] == '\r')
            line.size--;
        line = span_trim(line);
        place.line++;
        text = span_skip(text, end + 1);
        if (line.size == 0 || line.at[0] == '#')
            continue;
        const char *wanted = line_take(map, line, kind);
        if (wanted) {
            char found[64];
            span_to_text(line, found, sizeof found);
            config_errors_add(errors, &place, "expected %s, not \"%s\"", wanted, found);
            error = -EINVAL;
        }
    }
    if (error) {
        sender_map_give(map);
        return error;
    }
    sort(map);
    *ret_map = map;
    return 0;
}

int sender_map_read(const char *file, enum sender_map_kind kind, struct sender_map **ret_map,
                    struct config_errors *errors)
{
    uint8_t *text;
    size_t size;
    int error = whole_file_read(file, SENDER_MAP_MB_MAX, &text, &size, errors);
    if (error)
        return error;
    error = sender_map_parse(file, span_of(text, size), kind, ret_map, errors);
    free(text);
    return error;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool clean_byte(uint8_t c, char *ret)
{
    if (c >= 'A' && c <= 'Z')
        c |= 0x20;
    *ret = (char)c;
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool tls_names_clean(struct span text, bool wildcard, char ret_name[HOST_NAME_MAX_DNS + 1])
{
    if (text.size && text.at[text.size - 1] == '.')
        text.size--;
    if (text.size == 0 || text.size > HOST_NAME_MAX_DNS)
        return false;
    size_t label = 0;
    for (size_t i = 0; i < text.size; i++) {
        bool star = wildcard && i == 0 && text.at[i] == '*' && text.size > 2 && text.at[1] == '.';
        if (star)
            ret_name[i] = '*';
        else if (!clean_byte(text.at[i], &ret_name[i]))
            return false;
        label = ret_name[i] == '.' ? 0 : label + 1;
        if ((label == 0 && (i == 0 || ret_name[i - 1] == '.')) || label > 63)
            return false;
    }
    ret_name[text.size] = '\0';
    return true;
}

int tls_names_add(struct tls_names *names, struct span text, unsigned group)
{
    struct tls_name name = {.group = group};
    if (!tls_names_clean(text, true, name.text))
        return 0;
    if (names->count == names->size) {
        size_t size = names->size ? 2 * names->size : 16;
        struct tls_name *list = reallocarray(names->list, size, sizeof *list);
        if (!list)
            return -ENOMEM;
        names->list = list;
        names->size = size;
    }
    names->list[names->count++] = name;
    return 0;
}

static int compare(const void *left, const void *right)
{
    const struct tls_name *a = left, *b = right;
    int order = strcmp(a->text, b->text);
    return order ? order : (a->group > b->group) - (a->group < b->group);
}

void tls_names_sort(struct tls_names *names)
{
    if (names->count)
        qsort(names->list, names->count, sizeof *names->list, compare);
}

static bool find_exact(const struct tls_names *names, const char *text, unsigned *ret_group)
{
    size_t low = 0, high = names->count;
    while (low < high) { // the first that is not before `text`
        size_t middle = low + (high - low) / 2;
        if (strcmp(names->list[middle].text, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == names->count || strcmp(names->list[low].text, text) != 0)
        return false;
    *ret_group = names->list[low].group;
    return true;
}

bool tls_names_find(const struct tls_names *names, const char *name, unsigned *ret_group)
{
    if (find_exact(names, name, ret_group))
        return true;
    const char *dot = strchr(name, '.');
    char wild[HOST_NAME_MAX_DNS + 2];
    if (!dot || dot == name)
        return false;
    snprintf(wild, sizeof wild, "*%s", dot);
    return find_exact(names, wild, ret_group);
}

void tls_names_done(struct tls_names *names)
{
    free(names->list);
    *names = (struct tls_names){0};
}

// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_lists.h"

int config_lists_reload(struct config *config, struct config_errors *errors)
{
    struct list_prefixes *read[CONFIG_LIST_FILES_MAX] = {0};
    int error = 0;
    for (uint32_t i = 0; i < config->list_files_count; i++) { // all, so that all is told at once
        int one = list_file_read(config->list_files[i].file, &read[i], errors);
        error = error ? error : one;
    }
    for (uint32_t i = 0; i < config->list_files_count; i++) {
        struct list_prefixes *gone = error ? read[i] : config->list_files[i].prefixes;
        if (!error)
            config->list_files[i].prefixes = read[i];
        list_file_give(gone);
    }
    return error;
}

uint64_t config_lists_count(const struct config *config)
{
    uint64_t count = 0;
    for (int class = 0; class < CLASSES_MAX; class ++)
        count += config_lists_count_of(config, class);
    return count;
}

uint64_t config_lists_count_of(const struct config *config, int class)
{
    uint64_t count = config->lists[class].count;
    for (uint32_t i = 0; i < config->list_files_count; i++)
        if (config->list_files[i].class == class)
            count += config->list_files[i].prefixes->count;
    return count;
}

static bool better(const struct config_lists_match *match, const struct prefix *prefix, int class)
{
    return match->class == CLASS_DEFAULT || prefix->bits > match->prefix.bits ||
           (prefix->bits == match->prefix.bits && class > match->class);
}

static void look(struct config_lists_match *match, const struct addr *addr,
                 const struct prefix *prefixes, uint32_t count,
                 const struct config_lists_match *found)
{
    for (uint32_t i = 0; i < count; i++)
        if (prefix_contains(&prefixes[i], addr) && better(match, &prefixes[i], found->class)) {
            *match = *found;
            match->prefix = prefixes[i];
        }
}

bool config_lists_find(const struct config *config, const struct addr *addr,
                       struct config_lists_match *ret_match)
{
    struct config_lists_match match = {.class = CLASS_DEFAULT};
    for (int class = CLASS_MARTIAN; class < CLASSES_MAX; class ++) {
        const struct config_prefixes *list = &config->lists[class];
        look(&match, addr, list->items, list->count, &(struct config_lists_match){.class = class});
    }
    for (uint32_t i = 0; i < config->list_files_count; i++) {
        const struct config_list_file *file = &config->list_files[i];
        look(&match, addr, file->prefixes->items, file->prefixes->count,
             &(struct config_lists_match){.class = file->class, .file = file});
    }
    if (match.class != CLASS_DEFAULT)
        *ret_match = match;
    return match.class != CLASS_DEFAULT;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "policy/policy_compile.h"

#include "config/config_lists.h"

#include <errno.h>
#include <stdlib.h>

enum { PARTS_MAX = 10 };

struct part {
    struct policy_range *range;
    const void *from;        // NULL: written one by one
    uint64_t count, element; // bytes of one
};

static uint64_t round_up(uint64_t size)
{
    return (size + 7) & ~7ull;
}

static struct policy_class_prefix *
list_write(struct policy_class_prefix *at, const struct prefix *prefixes, uint32_t count, int class)
{
    for (uint32_t i = 0; i < count; i++)
        *at++ = (struct policy_class_prefix){prefixes[i], (uint8_t) class};
    return at;
}

static void lists_write(const struct config *config, struct policy_class_prefix *at)
{
    for (int class = 0; class < CLASSES_MAX; class ++)
        at = list_write(at, config->lists[class].items, config->lists[class].count, class);
    for (uint32_t i = 0; i < config->list_files_count; i++) {
        const struct config_list_file *file = &config->list_files[i];
        at = list_write(at, file->prefixes->items, file->prefixes->count, file->class);
    }
}

int policy_compile(const struct config *config, const struct rules_compiled *rules,
                   uint64_t generation, struct policy **ret_policy, const char **ret_what)
{
    static const struct sender_map nobody;
    const struct sender_map *senders = config->senders ? config->senders : &nobody;
    const struct sender_map *mailboxes = config->mailboxes ? config->mailboxes : &nobody;
    struct policy head = config->head;
    const struct part parts[PARTS_MAX] = {
        {&head.domains, config->domains, config->domains_count, sizeof *config->domains},
        {&head.relay_networks, config->relay_networks.items, config->relay_networks.count,
         sizeof(struct prefix)},
        {&head.lenient_networks, config->lenient_networks.items, config->lenient_networks.count,
         sizeof(struct prefix)},
        {&head.prefixes, NULL, config_lists_count(config), sizeof(struct policy_class_prefix)},
        {&head.senders, senders->entries, senders->count, sizeof *senders->entries},
        {&head.sender_texts, senders->texts, senders->texts_size, 1},
        {&head.mailboxes, mailboxes->entries, mailboxes->count, sizeof *mailboxes->entries},
        {&head.mailbox_texts, mailboxes->texts, mailboxes->texts_size, 1},
        {&head.rules, rules->rules, rules->count, sizeof *rules->rules},
        {&head.rules_database, rules->database, rules->size, 1},
    };
    uint64_t size = round_up(sizeof head);
    if (config_lists_count(config) > POLICY_PREFIXES_MAX) {
        *ret_what = "lists";
        return -E2BIG;
    }
    for (int i = 0; i < PARTS_MAX; i++) {
        *parts[i].range = (struct policy_range){size, (uint32_t)parts[i].count, 0};
        size += round_up(parts[i].count * parts[i].element);
        if (size > POLICY_SIZE_MAX)
            return -E2BIG;
    }
    head.magic = POLICY_MAGIC;
    head.version = contract_version;
    head.size = size;
    head.generation = generation;
    uint8_t *buffer = calloc(1, size);
    CHECK(buffer);
    memcpy(buffer, &head, sizeof head);
    for (int i = 0; i < PARTS_MAX; i++)
        if (parts[i].from && parts[i].count)
            memcpy(buffer + parts[i].range->offset, parts[i].from,
                   parts[i].count * parts[i].element);
    lists_write(config, (struct policy_class_prefix *)(void *)(buffer + head.prefixes.offset));
    struct policy *policy = (struct policy *)(void *)buffer;
    if (!policy_is_sound(policy, size, ret_what)) {
        free(buffer);
        return -EINVAL;
    }
    *ret_policy = policy;
    return 0;
}

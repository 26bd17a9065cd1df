// SPDX-License-Identifier: BSD-3-Clause
#include "config/sender_map.h"
#include "contract/policy_sender.h"
#include "fuzz/fuzz.h"

// What is taken is sorted, single and in range.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config_errors errors;
    struct sender_map *map;
    errors.count = 0;
    errors.size = 0;
    if (sender_map_parse("senders", span_of(data, size), MAP_SENDERS, &map, &errors) < 0) {
        CHECK(errors.count > 0);
        return 0;
    }
    for (uint32_t i = 0; i < map->count; i++) {
        const struct policy_sender *e = &map->entries[i], *before = e - (i > 0);
        CHECK((size_t)e->text + e->sender_size + e->login_size <= map->texts_size);
        CHECK(i == 0 ||
              policy_sender_compare(
                  span_of(map->texts + before->text, before->sender_size),
                  span_of(map->texts + before->text + before->sender_size, before->login_size),
                  span_of(map->texts + e->text, e->sender_size),
                  span_of(map->texts + e->text + e->sender_size, e->login_size)) < 0);
    }
    sender_map_give(map);
    return 0;
}

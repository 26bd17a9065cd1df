// SPDX-License-Identifier: BSD-3-Clause
#include "config/list_file.h"
#include "fuzz/fuzz.h"

// What is taken is sound, and reads as itself.
static void prefix_is_sound(const struct prefix *prefix)
{
    char text[PREFIX_TEXT_SIZE];
    struct prefix again;
    struct addr masked = addr_mask(&prefix->addr, prefix->bits);
    CHECK(prefix->bits <= 128 && addr_equal(&masked, &prefix->addr));
    CHECK(prefix_parse(prefix_format(prefix, text), &again) && prefix_equal(&again, prefix));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_errors errors = {0};
    struct list_prefixes *prefixes = NULL;
    int error = list_file_parse("list", span_of(data, size), &prefixes, &errors);
    CHECK((error == 0) == (errors.count == 0) && errors.size < sizeof errors.text);
    if (error)
        return 0;
    CHECK(prefixes->ipv4 <= prefixes->count);
    for (uint32_t i = 0; i < prefixes->count; i++)
        prefix_is_sound(&prefixes->items[i]);
    list_file_give(prefixes);
    return 0;
}

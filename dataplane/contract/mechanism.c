// SPDX-License-Identifier: BSD-3-Clause
#include "contract/mechanism.h"

#include "base/check.h"

static const char *const names[MECHANISM_COUNT] = {
#define MECHANISM(name, text) [MECHANISM_##name] = (text),
#include "contract/mechanism.def"
#undef MECHANISM
};

const char *mechanism_name(enum mechanism mechanism)
{
    CHECK(mechanism > MECHANISM_NONE && mechanism < MECHANISM_COUNT);
    return names[mechanism];
}

enum mechanism mechanism_find(struct span name)
{
    for (int i = MECHANISM_NONE + 1; i < MECHANISM_COUNT; i++)
        if (span_equal_nocase(name, span_text(names[i])))
            return (enum mechanism)i;
    return MECHANISM_NONE;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "contract/counter.h"

#include "base/check.h"
#include "contract/policy.h"

#include <ctype.h>
#include <pthread.h>

static const char *const upper_names[] = {
#define COUNTER(name, text) #name,
#include "contract/counter.def"
#undef COUNTER
};

static const char *const texts[] = {
#define COUNTER(name, text) text,
#include "contract/counter.def"
#undef COUNTER
};

enum { NAME_SIZE = 40 };
static char lower_names[COUNTER_COUNT][NAME_SIZE];
static pthread_once_t lower_once = PTHREAD_ONCE_INIT;

static void lower_fill(void)
{
    for (int i = 0; i < COUNTER_COUNT; i++)
        for (int c = 0; upper_names[i][c] && c < NAME_SIZE - 1; c++)
            lower_names[i][c] = (char)tolower((unsigned char)upper_names[i][c]);
}

const char *counter_name(enum counter counter)
{
    CHECK(counter < COUNTER_COUNT);
    pthread_once(&lower_once, lower_fill);
    return lower_names[counter];
}

const char *counter_text(enum counter counter)
{
    CHECK(counter < COUNTER_COUNT);
    return texts[counter];
}

bool counter_may_shadow(enum reason reason)
{
    for (int i = 0; i < FINDING_COUNT; i++)
        if (finding_facts((enum finding)i)->reason == reason)
            return true;
    for (int i = 0; i < LIMIT_COUNT && reason != REASON_NONE; i++)
        if (limit_facts((enum limit)i)->reason == reason && !limit_why_modeless((enum limit)i))
            return true;
    return false;
}

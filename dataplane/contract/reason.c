// SPDX-License-Identifier: BSD-3-Clause
#include "contract/reason.h"

#include "base/check.h"

#include <ctype.h>
#include <pthread.h>

static const char *const upper_names[] = {
#define REASON(name, station, text) #name,
#include "contract/reason.def"
#undef REASON
};

static const char *const stations[] = {
#define REASON(name, station, text) station,
#include "contract/reason.def"
#undef REASON
};

static const char *const texts[] = {
#define REASON(name, station, text) text,
#include "contract/reason.def"
#undef REASON
};

enum { NAME_SIZE = 40 };
static char lower_names[REASON_COUNT][NAME_SIZE];
static pthread_once_t lower_once = PTHREAD_ONCE_INIT;

static void lower_fill(void)
{
    for (int i = 0; i < REASON_COUNT; i++)
        for (int c = 0; upper_names[i][c] && c < NAME_SIZE - 1; c++)
            lower_names[i][c] = (char)tolower((unsigned char)upper_names[i][c]);
}

const char *reason_name(enum reason reason)
{
    CHECK(reason < REASON_COUNT);
    pthread_once(&lower_once, lower_fill);
    return lower_names[reason];
}

const char *reason_station(enum reason reason)
{
    CHECK(reason < REASON_COUNT);
    return stations[reason];
}

const char *reason_text(enum reason reason)
{
    CHECK(reason < REASON_COUNT);
    return texts[reason];
}

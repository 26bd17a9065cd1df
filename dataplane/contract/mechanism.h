// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The names of SASL mechanisms (RFC 4422, section 3.1), one list for both planes. */

#include "base/span.h"

#include <stdint.h>

enum mechanism {
    MECHANISM_NONE,
#define MECHANISM(name, text) MECHANISM_##name,
#include "contract/mechanism.def"
#undef MECHANISM
    MECHANISM_COUNT,
};

enum { // sets of them: a bit each, 1 << enum mechanism
    MECHANISMS_PASSWORD = 1 << MECHANISM_PLAIN | 1 << MECHANISM_LOGIN,
    MECHANISMS_SCRAM = 1 << MECHANISM_SCRAM_SHA_256 | 1 << MECHANISM_SCRAM_SHA_256_PLUS,
    MECHANISMS_TOKEN = 1 << MECHANISM_OAUTHBEARER | 1 << MECHANISM_XOAUTH2,
};

static inline bool mechanism_is_in(enum mechanism mechanism, uint32_t set)
{
    return (set >> mechanism & 1) != 0;
}

const char *mechanism_name(enum mechanism mechanism);
enum mechanism mechanism_find(struct span name); // any case; NONE: not spoken

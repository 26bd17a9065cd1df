// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Argon2 (RFC 9106) in its usual text, "$argon2id$v=19$m=65536,t=3,p=1$salt$tag", as Dovecot's
 * ARGON2ID and ARGON2I schemes have it.
 *
 * libargon2's own reader starts a thread for each lane, which the sandbox forbids, and takes any
 * cost: so the text is read here and the lanes are computed one after the other. Costs beyond
 * ARGON2_MEMORY_KIB_MAX or ARGON2_WORK_MAX are not paid: a login would take seconds, and the
 * child's memory is bounded. Comparison takes the same time wherever the difference is.
 */

#include "base/check.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ARGON2_BYTES_MAX = 64,             // of a salt, of a tag
    ARGON2_MEMORY_KIB_MAX = 256 << 10, // each hashing thread may take as much
    ARGON2_WORK_MAX = 2 << 20,         // KiB written in all passes, about two seconds
    ARGON2_LANES_MAX = 64,
};

struct password_argon2 {
    uint32_t memory_kib, passes, lanes;
    bool hybrid; // argon2id, else argon2i
    uint8_t salt_size, tag_size;
    uint8_t salt[ARGON2_BYTES_MAX], tag[ARGON2_BYTES_MAX];
};

// False: malformed, or not of version 19.
bool password_argon2_parse(struct span hash, struct password_argon2 *ret_argon2) MUST_CHECK;

bool password_argon2_is_affordable(const struct password_argon2 *argon2);

// Does the password, any bytes, make the tag? False also without memory.
bool password_argon2_verify(const struct password_argon2 *argon2, struct span password);

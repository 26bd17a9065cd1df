// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SCRAM-SHA-256 keys as Dovecot stores them: "iterations,salt,StoredKey,ServerKey", the last three
 * in base64 (RFC 5802, section 3; RFC 7677). The password itself cannot be had from them, yet both
 * a SCRAM exchange and a password in the clear can be verified.
 *
 * A password is taken as the bytes that it is: Dovecot makes keys without SASLprep too. More
 * iterations than SCRAM_ITERATIONS_MAX are not paid. Comparison takes the same time wherever the
 * difference is.
 */

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum { SCRAM_KEY = 32, SCRAM_SALT_MAX = 64, SCRAM_ITERATIONS_MAX = 1 << 20 }; // about 0.3 s

struct password_scram {
    uint32_t iterations;
    uint8_t salt_size;
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t stored_key[SCRAM_KEY], server_key[SCRAM_KEY];
};

bool password_scram_parse(struct span hash, struct password_scram *ret_scram); // false: malformed
bool password_scram_is_affordable(const struct password_scram *scram);

// Keys that nobody has a password for, which look like those of `like` and are always the same for
// the same name.
void password_scram_pretend(const struct password_scram *like, struct span name,
                            struct password_scram *ret_scram);

// Does the password, any bytes but NUL, make the keys?
bool password_scram_verify(const struct password_scram *scram, struct span password);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Password hashes as Dovecot's passwd files name them, "{SCHEME}hash", verified with crypt(3) of
 * libxcrypt: yescrypt, SHA-512, SHA-256, bcrypt, MD5 and what else the library still takes; and
 * with libargon2 (password_argon2.h) and nettle (password_scram.h).
 *
 * Comparison takes the same time wherever the difference is. Verification is slow by purpose (1 to
 * 500 ms) and thread-safe.
 */

#include "base/span.h"

#include <stdbool.h>

enum password_scheme {
    PASSWORD_CRYPT,       // {CRYPT}, {SHA512-CRYPT}, {SHA256-CRYPT}, {BLF-CRYPT}, {MD5-CRYPT}
    PASSWORD_ARGON2,      // {ARGON2ID}, {ARGON2I}
    PASSWORD_SCRAM,       // {SCRAM-SHA-256}
    PASSWORD_PLAIN,       // {PLAIN}, {CLEARTEXT}: for tests
    PASSWORD_LOCKED,      // a hash that nothing matches: "*" or "!"
    PASSWORD_UNSUPPORTED, // a scheme that is not spoken here, or a cost that is not paid
};

enum { PASSWORD_HASH_MAX = 255 };

// Splits "{SCHEME}hash"; without a scheme a hash with '$' is taken for ARGON2 or CRYPT. False:
// neither, or a hash that its scheme cannot have.
bool password_hash_parse(struct span text, enum password_scheme *ret_scheme, struct span *ret_hash);

// Does the password, which may hold any bytes, make the hash? Wipes what it needed.
bool password_hash_verify(enum password_scheme scheme, struct span hash, struct span password);

// True when the sizes are equal and all bytes are.
bool password_equal(struct span a, struct span b);

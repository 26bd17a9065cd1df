// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): the keyed hash for
 * tables whose keys a stranger chooses, for SYN cookies, ISNs (RFC 6528) and ports (RFC 6056).
 */

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t word[2];
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t size);

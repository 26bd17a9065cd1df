// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SipHash-2-4 of many short messages of one size side by side, in the lanes of the CPU's vectors:
 * chosen at run time, one result: SSE4, AVX2 (some two times as fast) or AVX-512 (which has
 * rotations: another two times).
 *
 *   hashes[i] = siphash(key, message i, size)
 *
 * Word w of message i, as little endian, is words[w][i]; of a last word that is not full the spare
 * bytes are zero. Lanes past `count` are computed too, from whatever the words hold.
 */

#include "base/siphash.h"

#include <stdbool.h>

enum { SIPHASH_BURST = 32, SIPHASH_BURST_SIZE = 64 }; // messages, bytes of one

void siphash_burst(const struct siphash_key *key, const uint64_t (*words)[SIPHASH_BURST],
                   size_t size, unsigned count, uint64_t hashes[SIPHASH_BURST]);

// For tests and benchmarks: from now on this one. False: the CPU cannot.
enum siphash_set { SIPHASH_SCALAR, SIPHASH_SSE4, SIPHASH_AVX2, SIPHASH_AVX512, SIPHASH_SETS };
bool siphash_burst_choose(enum siphash_set set);

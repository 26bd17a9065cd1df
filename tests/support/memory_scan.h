// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Does anything that this process has written, and may have freed since, still hold a secret? The
 * whole of its memory is read, as whoever gets a core would do.
 *
 * The secret is a pattern that is nowhere else, not even here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MEMORY_SECRET_MIN = 512 }; // bytes of it that are found wherever they begin

void memory_secret(uint8_t *at, size_t size); // the caller wipes it
bool memory_has_secret(void);

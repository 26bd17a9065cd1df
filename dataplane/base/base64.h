// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Base64 (RFC 4648, section 4), strictly: no foreign bytes, bits that belong to no byte are zero.
 */

#include "base/span.h"

// Padding demanded. Bytes written, or -1 when malformed or longer than size.
int base64_decode(struct span text, uint8_t *out, size_t size);
// Padding refused, likewise.
int base64_decode_bare(struct span text, uint8_t *out, size_t size);

// Characters written, NUL not counted; out needs BASE64_SIZE(data.size).
#define BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)
size_t base64_encode(struct span data, char *out);

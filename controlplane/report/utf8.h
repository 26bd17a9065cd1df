// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Foreign bytes as text that JSON can carry: what is not well-formed UTF-8 (RFC 3629: overlong
 * forms, surrogates, beyond U+10FFFF, cut sequences) or NUL becomes U+FFFD, byte by byte. Control
 * characters stay; JSON escapes them. */

#include "base/span.h"

enum { UTF8_GROWTH = 3 }; // bytes out for a byte in, at the most

// A C string in text[size]; cut between characters when size does not suffice.
void utf8_clean(struct span bytes, char *text, size_t size);

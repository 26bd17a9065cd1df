// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Command lines: strictly CR LF (RFC 5321, section 2.3.8; RFC 9051, section 2.2; RFC 1939, section
 * 3). A bare CR, a bare LF or a NUL is never part of a line: it is how smuggling begins.
 */

#include "base/span.h"
#include "contract/reason.h"

enum line_result { LINE_WHOLE, LINE_PARTIAL, LINE_REFUSED };

// LINE_WHOLE: *ret_line is the line without CR LF and *ret_taken counts them. LINE_PARTIAL: wait
// for more. LINE_REFUSED: *ret_reason is REASON_MAIL_LINE_TOO_LONG (no CR LF within `most` bytes),
// BARE_LF, BARE_CR or NUL; *ret_taken is what to skip to get past it (for TOO_LONG: all that is
// there).
enum line_result line_take(struct span input, size_t most, struct span *ret_line, size_t *ret_taken,
                           enum reason *ret_reason);

// The first word of a line (up to a space), and what stands behind the spaces.
struct span line_word(struct span line, struct span *ret_rest);

// True when the bytes look like another protocol on a mail port: an HTTP request line or a TLS
// record.
bool line_is_foreign_protocol(struct span input);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The message as it streams in: finds its end, its parts, and what must not be in it.
 *
 * Only CR LF . CR LF ends it (RFC 5321, section 4.1.1.4, and 2.3.8): LF.LF, CR.CR, LF.CRLF and all
 * the others that some server takes for an end are refused as bare CR or bare LF, which are the
 * bytes that make SMTP smuggling work. After a refusal the same machine goes on to find the true
 * end.
 */

#include "base/span.h"
#include "contract/reason.h"

struct smtp_data {    // zeroed: at the first byte of the message
    uint8_t position; // enum in the source: where in a line the next byte stands
    bool in_body;     // the empty line has been seen
    bool chunked;     // its end is known otherwise (BDAT): dots are not stuffed and end nothing
    uint64_t size;    // bytes of wire text taken
};

enum smtp_data_piece {
    DATA_HEADERS, // text of the header section, the empty line included
    DATA_BODY,    // text of the body
    DATA_DOT,     // a stuffed dot, or the start of what may be the end: not content
    DATA_LEADING, // a dot of the content at the start of a line: to be stuffed on the wire
    DATA_END,     // the final dot's CR LF
    DATA_REFUSED, // bare LF, bare CR or NUL
};

// The next piece of input (not empty), *ret_size bytes of it (at least 1). DATA_REFUSED gives the
// reason; the byte is taken and the machine goes on behind it.
enum smtp_data_piece smtp_data_next(struct smtp_data *data, struct span input, size_t *ret_size,
                                    enum reason *ret_reason);

// Where a message stands that ended without a final dot.
bool smtp_data_is_behind_cr(const struct smtp_data *data);
bool smtp_data_is_at_line_start(const struct smtp_data *data);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The message of a client that need not keep to CR LF (smtp.lenient_networks), made strict before
 * anything reads it: what is scanned, policed and passed on is the same text, and smtp_data.h has
 * nothing left to refuse in it.
 *
 *   bare LF                            ->  CR LF
 *   CRs before a CR LF                 ->  nothing
 *   any other bare CRs; a NUL          ->  a space, which makes no line of what was none
 *   a dot alone in its line            ->  a stuffed dot,
 *     but for CR LF . CR LF as the client's own bytes, which alone are the end.
 *
 * What some server takes for an end and another does not is what smuggling is made of; here it is
 * text, and nobody behind us can read it as an end. Other dots at the start of a line are taken for
 * stuffed as they are, whatever ended the line before.
 *
 *   size of the text  <=  2 * bytes taken + 2
 */

#include "base/span.h"

struct smtp_normal {  // zeroed: strict already, nothing is to be done
    bool on;          // at the first byte of a message, with `chunked`
    bool chunked;     // its end is known otherwise (BDAT): a dot is a dot
    uint8_t position; // enum in the source: where in a line the next byte stands
    uint8_t crs;      // CRs held back: 0, 1, or 2 for more
};

enum { NORMAL_STEP_MAX = 4 }; // bytes that one more byte may become

// Takes input up to the message's end, or as long as buffer has room for NORMAL_STEP_MAX more.
struct span smtp_normal_text(struct smtp_normal *normal, struct span input, char *buffer,
                             size_t size, size_t *ret_taken, bool *ret_end);

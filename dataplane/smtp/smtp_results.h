// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Takes Authentication-Results fields that bear our own name out of a message that comes in (RFC
 * 8601, section 5): whoever reads that name behind us believes what stands there.
 *
 * A filter over the header section as it streams, without dot-stuffing. A field goes when its
 * authserv-id, read as the grammar has it (comments, folding, quoted strings, any case), is ours,
 * and when it has no readable one within SMTP_RESULTS_HOLD bytes, since then it is nobody's. White
 * space before the colon (RFC 5322, section 4.5) hides no field, nor a fold there, which readers
 * take for white space. Every other byte stays as it is: signatures cover them.
 */

#include "base/check.h"
#include "base/span.h"

enum { SMTP_RESULTS_HOLD = 320 }; // bytes: name, colon, fold and a host name, and some to spare

struct smtp_results {                // zeroed: at the message's first byte
    uint8_t phase;                   // enum in the source: where in a field the next byte stands
    bool begun;                      // a field has begun
    bool in_line;                    // the next byte does not start a line
    bool differs;                    // the authserv-id is not ours
    uint8_t depth;                   // of comments
    uint8_t removed;                 // fields, up to 255
    uint16_t matched;                // bytes of the field's name, then of the authserv-id
    uint16_t held_size;              // bytes of held[]
    uint8_t held[SMTP_RESULTS_HOLD]; // the start of a field that is not known yet
};

enum smtp_results_fate {
    RESULTS_PASS,    // to be passed, behind *ret_before
    RESULTS_HELD,    // kept here
    RESULTS_REMOVED, // gone
    RESULTS_FOLDED,  // the message begins with a continuation line, which would continue our header
};

// What becomes of the first bytes of text (not empty); how many share that fate. *ret_before is
// valid until the next call.
size_t smtp_results_next(struct smtp_results *results, struct span our_name, struct span text,
                         enum smtp_results_fate *ret_fate, struct span *ret_before) MUST_CHECK;

// The message ended: what is still to be passed.
struct span smtp_results_end(struct smtp_results *results) MUST_CHECK;

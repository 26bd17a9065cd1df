// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* IMAP commands as bytes (RFC 9051, section 9): where one ends, and what its words are.
 *
 * Before login a command stays in the input until it is whole, literals included, so that no state
 * holds a password. Everything is bounded: lines by LINE_BYTES_MAX, the command by
 * IMAP_COMMAND_MAX, literals by the caller.
 */

#include "base/limits.h"
#include "base/span.h"
#include "contract/reason.h"

enum {
    IMAP_TAG_MAX = 64,
    IMAP_COMMAND_MAX = INPUT_BUFFER_SIZE / 2, // bytes up to its last literal
    IMAP_LITERALS_MAX = 8,                    // in one command before login
};

struct imap_literal { // what a line ends with
    uint64_t size;    // bytes; UINT64_MAX: beyond 32 bits
    bool sync;        // the client waits for "+" (RFC 7888)
};
bool imap_command_literal(struct span line, struct imap_literal *ret_literal);

enum imap_scan_result {
    IMAP_SCAN_WHOLE,   // a command of `size` bytes
    IMAP_SCAN_PARTIAL, // wait for more
    IMAP_SCAN_CUT,     // it announces a synchronising literal that is not wanted: ends there
    IMAP_SCAN_REFUSED, // `reason`: the stream cannot be followed past it, but for bare LF, CR, NUL
};
struct imap_scan {
    size_t size;        // bytes to take; PARTIAL: none
    unsigned announced; // synchronising literals so far, each wants one "+"
    enum reason reason;
};
// sync_max, literal_max: bytes of a synchronising, and of any literal.
enum imap_scan_result imap_command_scan(struct span input, uint64_t sync_max, uint64_t literal_max,
                                        struct imap_scan *ret_scan);

bool imap_command_tag_is_valid(struct span tag);

// The words of a whole command; each takes its own from the head of *args, or is false.
bool imap_command_byte(struct span *args, uint8_t byte);
bool imap_command_nil(struct span *args);
// Quoted or literal. *ret_used bytes of `out`; false too when it is longer than `size` or has NUL.
bool imap_command_string(struct span *args, uint8_t *out, size_t size, size_t *ret_used);
bool imap_command_astring(struct span *args, uint8_t *out, size_t size, size_t *ret_used);

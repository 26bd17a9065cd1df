// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* XCLIENT (Postfix's XCLIENT_README): tells the backend who the client is. Values are xtext (RFC
 * 3461, section 4). Postfix decides by address who may send XCLIENT and looks again after each, so
 * ADDR comes in the last one, and LOGIN with it: a login never stands without its address.
 */

#include "base/span.h"

struct smtp;

enum smtp_xclient_attribute {
    XCLIENT_NAME = 1,
    XCLIENT_ADDR = 2,
    XCLIENT_PORT = 4,
    XCLIENT_PROTO = 8,
    XCLIENT_HELO = 16,
    XCLIENT_DESTADDR = 32,
    XCLIENT_DESTPORT = 64,
    XCLIENT_LOGIN = 128,
};

enum { XCLIENT_LINE_MAX = 510, XCLIENT_TEXT_SIZE = 2048 };

// The attributes named behind XCLIENT in an EHLO reply.
uint8_t smtp_xclient_offered(struct span words);

// How many commands it takes to say those attributes: 0 (ADDR is not among them), 1 or 2.
unsigned smtp_xclient_commands(const struct smtp *smtp, uint8_t attributes);

// The command with CR LF, in `text`. `left` counts down: 2, then 1 for the last one.
struct span smtp_xclient_command(const struct smtp *smtp, uint8_t attributes, unsigned commands,
                                 unsigned left, char text[XCLIENT_TEXT_SIZE]);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Lines of Dovecot's authentication protocol 1.2 and 1.3, the client's side: fields between tabs, a
 * line feed at the end. Nothing is kept and nothing allocated.
 *
 * What a stranger typed travels as base64 only, so that it can be neither a tab nor a line; all
 * other fields of a request are our own. What the server sends is foreign too: fields are read by
 * span, and those that are unknown are skipped, as the protocol asks.
 */

#include "base/base64.h"
#include "contract/mechanism.h"
#include "contract/message.h"

enum {
    DOVECOT_LINE_MAX = 8192,
    DOVECOT_FIELDS_MAX = 512, // of a request, before its response
    DOVECOT_REQUEST_MAX = DOVECOT_FIELDS_MAX + BASE64_SIZE(SASL_RESPONSE_MAX),
};

enum dovecot_verb {
    DOVECOT_UNKNOWN, // to be skipped
    DOVECOT_VERSION,
    DOVECOT_MECH,
    DOVECOT_DONE,
    DOVECOT_OK,
    DOVECOT_FAIL,
    DOVECOT_CONT,
    DOVECOT_MALFORMED, // a verb that is known, without what it must have
};

struct dovecot_line {
    enum dovecot_verb verb;
    uint32_t id;              // of OK, FAIL, CONT
    uint32_t major;           // of VERSION
    enum mechanism mechanism; // of MECH; NONE: one that is not spoken here
    // Of FAIL: for another cause than the password. Temporary: ask again later.
    bool temporary, refused;
    struct span user;      // of OK, as it came: may be any bytes; of the line; empty: not said
    struct span challenge; // of CONT, base64; of the line
};

struct dovecot_line dovecot_line_read(struct span line); // without its end

// Requests. They return their size; `out` is not terminated and holds credentials.
size_t dovecot_line_begin(const struct auth_client *client, uint32_t id, enum mechanism mechanism,
                          struct span response, char out[DOVECOT_REQUEST_MAX]);
size_t dovecot_line_plain(const struct auth_question *question, uint32_t id,
                          char out[DOVECOT_REQUEST_MAX]); // the same, with a password
size_t dovecot_line_go_on(uint32_t id, struct span response, char out[DOVECOT_REQUEST_MAX]);
size_t dovecot_line_cancel(uint32_t id, char out[DOVECOT_REQUEST_MAX]);

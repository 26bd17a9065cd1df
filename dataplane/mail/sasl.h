// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SASL for the three protocols: the client's side of PLAIN (RFC 4616) and LOGIN, from base64 to a
 * MESSAGE_AUTH question. The mechanism is a small machine; prompts and replies are the protocol's.
 */

#include "base/span.h"
#include "contract/message.h"

enum sasl_mechanism { SASL_NONE, SASL_PLAIN, SASL_LOGIN };
enum sasl_mechanism sasl_find(struct span name); // any case; SASL_NONE: not offered

enum sasl_step {
    SASL_MORE,      // send *ret_challenge (base64 text, may be empty) and give the next line
    SASL_READY,     // user and password are in the question
    SASL_CANCELLED, // the client sent "*"
    SASL_MALFORMED,
};

struct sasl {
    enum sasl_mechanism mechanism;
    uint8_t round;
    struct auth_question login; // user and password as they become known
};

void sasl_start(struct sasl *sasl, enum sasl_mechanism mechanism);
// A client line, base64, "=" for an empty initial response (RFC 4954); `line.at` NULL: no initial
// response was given.
enum sasl_step sasl_feed(struct sasl *sasl, struct span line, const char **ret_challenge);
void sasl_wipe(struct sasl *sasl);

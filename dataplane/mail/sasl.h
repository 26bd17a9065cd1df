// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SASL for the three protocols, from base64 to a question. The mechanism is a small machine;
 * prompts and replies are the protocol's.
 *
 * PLAIN (RFC 4616) and LOGIN are understood here and end in a login with a password. All others
 * are exchanges with the auth child (MESSAGE_SASL), who alone reads them: their messages pass
 * through, a response of SASL_RESPONSE_MAX bytes in parts. Nothing of a response is kept: a token
 * that the backend wants too stays in the client's input until it is passed on.
 */

#include "base/base64.h"
#include "contract/mechanism.h"
#include "mail/login.h"

enum {
    SASL_ROUNDS_MAX = 8,
    SASL_TEXT_SIZE = BASE64_SIZE(SASL_CHALLENGE_MAX), // of a challenge
    SASL_LIST_SIZE = MECHANISM_COUNT * 24,            // with up to 5 characters in front of each
};

// The set of mechanisms that the session may use now: under TLS what the back end has, -PLUS only
// where the channel has a binding, and for IMAP and POP3 those that leave neither password nor
// token only where the backend is logged in by a master user.
uint32_t sasl_offer(const struct mail_host *host);
// Their names, separated by spaces, `before` in front of each.
void sasl_list(uint32_t mechanisms, const char *before, char text[SASL_LIST_SIZE]);

enum sasl_step {
    SASL_MORE,      // send *ret_challenge (base64 text, may be empty) and give the next line
    SASL_READY,     // user and password are known: login_ask is next
    SASL_ASKED,     // a question was put; its answer is for sasl_judge
    SASL_DONE,      // the user whom sasl_judge brought has seen the last word, and is logged in
    SASL_CANCELLED, // the client sent "*"
    SASL_MALFORMED,
};

struct sasl {
    uint8_t mechanism; // enum mechanism
    uint8_t round;     // lines fed
    bool open;         // an exchange: the child knows of it
    bool proven;       // the child's last word is with the client
    struct auth_question login;
};

void sasl_start(struct sasl *sasl, enum mechanism mechanism);
// A client line, base64, "=" for an empty initial response (RFC 4954); `line.at` NULL: no initial
// response was given.
enum sasl_step sasl_feed(struct sasl *sasl, struct mail_host *host, struct span line,
                         const char **ret_challenge);
// The answer to what SASL_READY or SASL_ASKED put. GOES_ON: send the challenge and feed the next
// line. RIGHT: sasl->login.user is who.
enum login_verdict sasl_judge(struct sasl *sasl, struct mail_host *host,
                              const struct message *answer, char challenge[SASL_TEXT_SIZE]);
// The question that was put is about a token that the backend is to see: the line with it is not
// taken yet.
bool sasl_holds_token(const struct sasl *sasl, const struct mail_host *host);
// The token in base64, in that line: bytes of the line, CR LF included; it was whole before.
size_t sasl_token(struct span input, struct span *ret_token);
void sasl_wipe(struct sasl *sasl);

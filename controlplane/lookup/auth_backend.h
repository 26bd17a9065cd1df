// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Who says whether a login is right: the passwd file (auth_passwd.h) or Dovecot
 * (auth_dovecot.h).
 *
 * A try is begun with a number of the asker's that no other try under way has, and comes back by
 * `take` exactly once, right, wrong or not to be had. A back end keeps no credentials longer than
 * a try needs them.
 *
 * An exchange is a SASL conversation, likewise with a number of its own. Each step comes back by
 * `take_step` exactly once, unless the exchange is dropped meanwhile; the exchange is over with the
 * first outcome that is no challenge. One thread.
 */

#include "contract/mechanism.h"
#include "contract/message.h"

#include <poll.h>

enum { AUTH_TRIES_MAX = 256, AUTH_EXCHANGES_MAX = 1024 }; // under way at a time

struct auth_try {
    uint32_t id; // below AUTH_TRIES_MAX
    bool known;  // of an address where this user has logged in: goes first
    const struct auth_question *question;
    struct span user;  // in lower case
    uint64_t until_ms; // the asker waits no longer
};

enum auth_outcome {
    OUTCOME_WRONG,
    OUTCOME_RIGHT,
    OUTCOME_REFUSED, // not let in for another cause than the password: no guess, not remembered
    OUTCOME_UNAVAILABLE,
    OUTCOME_CHALLENGE, // of a step: it wants a response
};

struct auth_step {
    uint32_t id; // below AUTH_EXCHANGES_MAX
    bool first;
    enum mechanism mechanism;
    const struct sasl_question *question; // for what it says of client and channel
    struct span user;                     // in lower case
    struct span response;
    uint64_t until_ms; // the asker waits no longer
};

struct auth_step_result {
    uint32_t id;
    enum auth_outcome outcome;
    uint8_t user_size; // as in auth_result
    char user[USER_NAME_MAX];
    uint16_t challenge_size; // also when right: what the client must be told
    uint8_t challenge[SASL_CHALLENGE_MAX];
};

struct auth_result {
    uint32_t id;
    enum auth_outcome outcome;
    uint8_t user_size;        // canonical login, when right
    char user[USER_NAME_MAX]; // printable ASCII without spaces
};

struct auth_backend {
    void *context;
    // False: not now. What `try` points to is the caller's again on return.
    bool (*begin)(void *context, const struct auth_try *try, uint64_t now_ms);
    bool (*take)(void *context, struct auth_result *ret_result);                // what has ended
    bool (*step)(void *context, const struct auth_step *step, uint64_t now_ms); // as begin
    bool (*take_step)(void *context, struct auth_step_result *ret_result);
    void (*drop)(void *context, uint32_t id); // the exchange is over, nothing of it is taken
    // Bits of enum mechanism that exchanges may have now.
    uint32_t (*mechanisms)(void *context);
    // Rises whenever what was right or wrong before may not be so any more.
    uint64_t (*generation)(void *context);
};

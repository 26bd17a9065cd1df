// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Who says whether a password is right: the passwd file (auth_passwd.h) or Dovecot
 * (auth_dovecot.h).
 *
 * A try is begun with a number of the asker's that no other try under way has, and comes back by
 * `take` exactly once, right, wrong or not to be had. A back end keeps no credentials longer than
 * a try needs them. One thread.
 */

#include "contract/message.h"

#include <poll.h>

enum { AUTH_TRIES_MAX = 256 }; // under way at a time

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
    bool (*take)(void *context, struct auth_result *ret_result); // what has ended
    // Rises whenever what was right or wrong before may not be so any more.
    uint64_t (*generation)(void *context);
};

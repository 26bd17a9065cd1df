// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One POP3 session, for the files of pop3/ only.
 *
 *   pop3_login    the AUTHORIZATION state, up to the question to the control plane
 *   pop3_backend  the login to the backend in the client's name
 *   pop3_splice   everything afterwards: forwarded, client lines checked
 *
 * COMMAND -> (SASL ->) ASKING -> BACKEND -> OPEN; a login that fails goes back to COMMAND.
 */

#include "mail/mail.h"
#include "mail/sasl.h"

enum pop3_state {
#define POP3_STATE(name, text, next) POP3_##name,
#include "pop3/pop3_state.def"
#undef POP3_STATE
    POP3_STATE_COUNT,
};

enum pop3_backend_step { // what we wait for
    POP3_CONNECT,
    POP3_IDENTITY, // XCLIENT
    POP3_USER,
    POP3_PASS,
};

struct pop3 {
    struct mail_host *host;
    uint64_t login_until_us;
    uint8_t state; // enum pop3_state
    uint8_t step;  // enum pop3_backend_step
    bool backend_up;
    bool quit;         // QUIT was passed on
    uint16_t errors;   // bad commands
    uint16_t failures; // wrong passwords
    uint16_t pass;     // bytes of a checked line that have no room yet
    struct sasl sasl;  // USER keeps its name here
};

void pop3_enter(struct pop3 *pop3, enum pop3_state state);
void pop3_finish(struct pop3 *pop3, enum reason reason); // nothing may be sent afterwards
void pop3_say(struct pop3 *pop3, const char *text);
// -ERR and the count; ends the session when there were too many.
void pop3_refuse(struct pop3 *pop3, enum reason reason, const char *text);

void pop3_login_greet(struct pop3 *pop3);
size_t pop3_login_input(struct pop3 *pop3, struct span input); // one line
void pop3_login_answer(struct pop3 *pop3, const struct message *answer);
void pop3_login_failed(struct pop3 *pop3); // a wrong password more

void pop3_backend_open(struct pop3 *pop3);
void pop3_backend_event(struct pop3 *pop3, enum mail_backend_event event);
size_t pop3_backend_input(struct pop3 *pop3, struct span input); // one line

size_t pop3_splice_client(struct pop3 *pop3, struct span input); // one line
size_t pop3_splice_backend(struct pop3 *pop3, struct span input);

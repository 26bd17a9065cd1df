// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One POP3 session, for the files of pop3/ only.
 *
 *   pop3_login    the AUTHORIZATION state, up to the question to the control plane
 *   pop3_backend  the login to the backend in the client's name
 *   pop3_splice   everything afterwards: forwarded, with the parser on
 *
 * COMMAND -> (SASL ->) ASKING -> BACKEND -> OPEN; a login that fails goes back to COMMAND.
 */

#include "mail/budget.h"
#include "mail/mail.h"
#include "mail/mailbox.h"

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
    POP3_TOKEN, // nothing: the token in the client's input goes on
    POP3_PASS,
};

enum { POP3_PIPELINE_MAX = 64 }; // commands without a reply yet
enum pop3_reply { POP3_REPLY_LINE, POP3_REPLY_LINES, POP3_REPLY_CAPA };

struct pop3_flow {   // after login
    uint16_t pass;   // bytes of a checked line that have no room yet
    bool partial;    // a line is not whole
    bool deleted;    // DELE was passed on: QUIT is to come
    bool closed;     // nothing more will come: the session ends with the last reply
    bool body, capa; // the reply under way has more lines; and is a CAPA's
    uint8_t matched; // bytes of its end that were seen last
    uint8_t replies_first, replies_count;
    uint8_t replies[POP3_PIPELINE_MAX]; // enum pop3_reply, in order, as a ring
    size_t reply_pass;                  // bytes of it that need no look
};

struct pop3 {
    struct mail_host *host;
    uint64_t login_until_us;
    uint64_t now_us;        // of the call that is being served
    uint64_t idle_until_us; // once logged in
    uint8_t state;          // enum pop3_state
    uint8_t step;           // enum pop3_backend_step
    bool quit;              // QUIT was passed on
    uint32_t errors;        // bad commands
    uint32_t failures;      // wrong passwords
    struct mailbox mailbox; // USER keeps its name here
    struct pop3_flow flow;
    struct budget budget;
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
size_t pop3_backend_token(struct pop3 *pop3, struct span input); // of the client, when it is held

size_t pop3_splice_client(struct pop3 *pop3, struct span input); // one line
size_t pop3_splice_backend(struct pop3 *pop3, struct span input);
bool pop3_splice_is_asked(const struct pop3 *pop3); // replies are owed
bool pop3_splice_is_safe(const struct pop3 *pop3);  // the end would cut nothing, nor undo a DELE
void pop3_splice_read(struct pop3 *pop3, size_t taken);  // after input of the client
void pop3_splice_wrote(struct pop3 *pop3, size_t taken); // and of the backend
void pop3_splice_timeout(struct pop3 *pop3);

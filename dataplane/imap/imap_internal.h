// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One IMAP session, for the files of imap/ only.
 *
 *   imap_login    commands before login, up to the question to the control plane
 *   imap_backend  the login to the backend in the client's name
 *   imap_splice   everything afterwards: forwarded, with the parser on
 *
 * COMMAND -> (SASL ->) ASKING -> BACKEND -> OPEN; a login that fails goes back to COMMAND.
 */

#include "imap/imap_capability.h"
#include "imap/imap_command.h"
#include "mail/budget.h"
#include "mail/mail.h"
#include "mail/mailbox.h"

enum imap_state {
#define IMAP_STATE(name, text, next) IMAP_##name,
#include "imap/imap_state.def"
#undef IMAP_STATE
    IMAP_STATE_COUNT,
};

enum imap_backend_step { // what we wait for
    STEP_CONNECT,
    STEP_IDENTITY, // ID
    STEP_LOGIN,
    STEP_TOKEN, // nothing: the token in the client's input goes on
};

enum imap_wait { // why the client's input rests
    WAIT_NOTHING,
    WAIT_LITERAL,     // for "+" or the end of the command
    WAIT_OUR_LITERAL, // the same, but the client did not wait (RFC 7888): its "+" is ours
    WAIT_IDLE,        // for "+" to IDLE
};

struct imap_client_flow {
    uint64_t pass;         // bytes that need no look: a checked line, a literal
    uint64_t literal_size; // of the literal that WAIT_LITERAL and WAIT_OUR_LITERAL are about
    uint8_t wait;          // enum imap_wait
    uint32_t unanswered;   // commands passed on without a tagged response yet
    bool inside;           // the next line goes on with a command, behind a literal
    bool drop;             // the command under way is not for the backend
    bool unsync;           // behind `pass` stands "+}", which goes out as "}"
    bool idling;           // the next line must be DONE
    bool logout;           // LOGOUT was seen
    bool closed;           // nothing more will come: the session ends with the last answer
    bool bulk;             // the command under way brings messages
    bool partial;          // a line is not whole
    uint16_t literals;     // of the command under way
};

struct imap_backend_flow {
    uint64_t pass; // bytes that need no look
    bool inside;   // behind `pass` the same response goes on
    bool text;     // that response is text for people: no literal in it
    bool bye;      // BYE was passed on
};

struct imap {
    struct mail_host *host;
    uint64_t login_until_us;
    uint64_t now_us;            // of the call that is being served
    uint64_t idle_until_us;     // once logged in
    uint8_t state;              // enum imap_state
    uint8_t step;               // enum imap_backend_step
    uint8_t go_aheads;          // "+" sent for literals of the command that is not whole yet
    uint32_t errors;            // bad commands
    uint32_t failures;          // wrong passwords
    char tag[IMAP_TAG_MAX + 1]; // of the command that is answered next
    struct mailbox mailbox;
    struct imap_client_flow client;
    struct imap_backend_flow backend;
    struct budget budget;
};

void imap_enter(struct imap *imap, enum imap_state state);
void imap_finish(struct imap *imap, enum reason reason); // nothing may be sent afterwards
__attribute__((format(printf, 2, 3))) void imap_say(struct imap *imap, const char *format, ...);
// The tagged BAD; ends the session when there were too many.
void imap_bad(struct imap *imap, const char *text);
void imap_count_error(struct imap *imap, enum reason reason);
void imap_bye(struct imap *imap, enum reason reason, const char *text);

void imap_login_greet(struct imap *imap);
// One command or SASL line; bytes taken, 0: wait.
size_t imap_login_input(struct imap *imap, struct span input);
void imap_login_answer(struct imap *imap, const struct message *answer);
void imap_login_failed(struct imap *imap); // a wrong password more

void imap_backend_open(struct imap *imap);
void imap_backend_event(struct imap *imap, enum mail_backend_event event);
size_t imap_backend_input(struct imap *imap, struct span input); // one line
size_t imap_backend_token(struct imap *imap, struct span input); // of the client, when it is held

// One step: as many bytes as need no look, or one line.
size_t imap_splice_client(struct imap *imap, struct span input);
size_t imap_splice_backend(struct imap *imap, struct span input);
bool imap_splice_may_say(const struct imap *imap);  // no response is under way
bool imap_splice_is_safe(const struct imap *imap);  // nor any command: nothing would be cut
bool imap_splice_is_asked(const struct imap *imap); // whole commands, and no others, want answers
// After input of the client, `all`: none of it is left; and after the backend's.
void imap_splice_read(struct imap *imap, size_t taken, bool all);
void imap_splice_wrote(struct imap *imap, size_t taken);
void imap_splice_timeout(struct imap *imap);

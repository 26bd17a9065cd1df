// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The backend's side of an SMTP session: one connection, opened at the first recipient that may
 * pass, told who the client is, and driven command by command. It belongs to one client for its
 * whole life; several transactions of that client use it one after the other.
 *
 * The session sets a goal (recipient, data, final) and gets one outcome for it. Whatever stands in
 * between (connecting, XCLIENT, EHLO, RSET, MAIL) is done here; when that fails, the outcome is the
 * goal's. Replies are kept as the backend gave them, cut to SMTP_REPLY_KEEP.
 */

#include "mail/mail.h"
#include "smtp/smtp_xclient.h"

struct smtp;

enum { SMTP_REPLY_KEEP = 768, SMTP_REPLY_LINES = 100 };

enum smtp_step {
    STEP_NONE,    // no connection
    STEP_CONNECT, // being connected and greeted
    STEP_XCLIENT, // the reply to an XCLIENT must come
    STEP_EHLO,    // in the client's name: capabilities must come
    STEP_READY,   // no command is open
    STEP_RSET,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,  // 354 must come
    STEP_BODY,  // the message is being passed
    STEP_FINAL, // the reply to the final dot must come
    STEP_COUNT,
};

enum smtp_outcome {
    OUTCOME_NONE,    // go on waiting
    OUTCOME_REPLIED, // the goal's reply, or the refusal on the way to it, is kept
    OUTCOME_DOWN,    // no server of it could be had
    OUTCOME_LOST,    // it closed, or took too long
    OUTCOME_BAD,     // it said what the protocol does not allow
    OUTCOME_NO_UTF8, // it does not offer SMTPUTF8, which this message needs
};

struct smtp_backend {
    uint8_t step;                // enum smtp_step
    uint8_t backend;             // index in the policy
    uint8_t xclients;            // XCLIENT commands still to be sent
    bool transaction;            // MAIL was accepted and not ended
    bool stale;                  // that was for a mail which the client gave up: RSET comes first
    bool rcpt_ahead;             // RCPT was sent behind MAIL (RFC 2920): its reply comes, too
    bool voided;                 // the present mail's recipients went with their connection
    uint16_t code;               // of the reply that comes or came; 0: none
    uint16_t lines;              // of that reply
    bool reply_whole;            // its last line has come
    uint16_t kept;               // bytes of reply[]
    char reply[SMTP_REPLY_KEEP]; // lines with CR LF, printable
};

// What a line of a reply to EHLO says that the server offers.
void smtp_backend_note_offer(struct mail_offer *offer, struct span line);

// Goals. The recipient is smtp->mail.to.
void smtp_backend_recipient(struct smtp *smtp, unsigned backend);
void smtp_backend_data(struct smtp *smtp);
void smtp_backend_final(struct smtp *smtp); // the final dot was sent

void smtp_backend_reset(struct smtp *smtp); // the client's transaction is over
void smtp_backend_quit(struct smtp *smtp);  // QUIT when it is at rest, and closes
void smtp_backend_drop(struct smtp *smtp);  // closes; a message on the way has no end, so is void

enum smtp_outcome smtp_backend_input(struct smtp *smtp, struct span input, size_t *ret_taken);
enum smtp_outcome smtp_backend_event(struct smtp *smtp, enum mail_backend_event event);

// The kept reply is one that a client may be given: 2xx, 4xx or 5xx, but not 421.
static inline unsigned smtp_backend_class(const struct smtp_backend *backend)
{
    return backend->code / 100;
}

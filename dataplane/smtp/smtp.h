// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SMTP as an in-line proxy (RFC 5321): the state of one session and what its files share. From
 * outside only smtp_protocol (mail/mail.h) is seen.
 *
 *   smtp.c           the protocol's face: events in, one command or one block of data at a time
 *   smtp_command.c   the table {verb, states, check, proceed}
 *   smtp_greeting.c  what comes before and with the greeting
 *   smtp_hello.c     EHLO, HELO, STARTTLS
 *   smtp_auth.c      AUTH
 *   smtp_envelope.c  MAIL and RCPT, with smtp_path.c, smtp_param.c, smtp_relay.c
 *   smtp_content.c   DATA, with smtp_normal.c, smtp_data.c, smtp_results.c and smtp_header.c
 *   smtp_chunk.c     BDAT, in terms of the same
 *   smtp_finding.c   what is found against clients and senders, and what becomes of it
 *   smtp_budget.c    what a session may do in all
 *   smtp_trail.c     what is kept for the session log
 *   smtp_backend.c   the other side, with smtp_xclient.c
 *
 * Nothing is spooled: a recipient is accepted when the backend accepted it, a message when the
 * backend said 2xx to its final dot. While an answer or a reply is awaited no input is taken.
 */

#include "mail/mail.h"
#include "mail/sasl.h"
#include "smtp/smtp_backend.h"
#include "smtp/smtp_budget.h"
#include "smtp/smtp_data.h"
#include "smtp/smtp_normal.h"
#include "smtp/smtp_pace.h"
#include "smtp/smtp_param.h"
#include "smtp/smtp_results.h"
#include "smtp/smtp_trail.h"

enum smtp_state {
#define STATE(name, text, deadline, next) SMTP_##name,
#include "smtp/smtp_state.def"
#undef STATE
    SMTP_STATE_COUNT,
};

enum smtp_refusal {
#define REFUSAL(name, reason, bad, reply) REFUSE_##name,
#include "smtp/smtp_refusal.def"
#undef REFUSAL
#define FINDING(name, section, key, value, reason, bad, reject, defer, text)                       \
    REFUSE_##name, REFUSE_##name##_NOW,
#include "contract/finding.def"
#undef FINDING
    REFUSAL_COUNT,
};

enum { VERDICT_NONE = 255 }; // of rdns, helo_match and spf: not asked

struct smtp_mail {               // one transaction; zeroed between
    char from[MAIL_ADDRESS_MAX]; // without angle brackets; empty: the null sender
    char to[MAIL_ADDRESS_MAX];   // the recipient that is at the backend
    char envid[SMTP_ENVID_MAX], orcpt[SMTP_ORCPT_MAX]; // of the sender; of that recipient
    uint16_t from_size, to_size, orcpt_size;
    uint8_t envid_size;
    uint8_t notify;          // bits of enum smtp_notify, of that recipient
    struct smtp_param param; // of MAIL, without its text
    uint16_t recipients;     // accepted by the backend
    uint8_t backend;         // of all recipients, once one was accepted
    uint8_t spf;             // enum spf_result or VERDICT_NONE
    uint8_t held; // enum smtp_refusal for what was found, told to all recipients but postmaster
    bool held_told;
    bool refused; // a recipient was, by us or by the backend
    struct smtp_data data;
    struct smtp_normal normal; // before `data`
    struct smtp_results results;
    struct smtp_pace pace;
    uint64_t chunk_left; // bytes of the chunk that are still to come
    bool chunk_last;
    bool swallow;    // the message is refused already; its end is awaited
    uint8_t refusal; // enum smtp_refusal that it ends with, REFUSE_NONE: the backend's reply
};

struct smtp {
    struct mail_host *host;
    uint64_t now_us;    // of the event being handled
    uint64_t greet_us;  // not before this
    uint8_t state;      // enum smtp_state
    bool esmtp;         // EHLO, not HELO
    bool skipping;      // in the rest of a line that was refused
    bool half_closed;   // the client will send nothing more
    bool early;         // it spoke before the greeting
    uint8_t awaited;    // bits of enum message_kind: questions of smtp_ask without an answer
    uint8_t rdns;       // enum rdns_verdict or VERDICT_NONE
    uint8_t helo_match; // enum helo_match or VERDICT_NONE
    uint8_t helo_spf;   // enum spf_result or VERDICT_NONE: beside the sender's
    int16_t dnsbl;      // score; 0: nothing is known against the client
    uint8_t helo_size, user_size;
    uint16_t offers; // bits of enum mail_offer_bit, as the client was told by EHLO
    uint32_t errors, auth_failures;
    struct smtp_budget budget;
    struct smtp_trail trail;
    struct message_name rdns_name;
    char helo[HOST_NAME_MAX_DNS];
    char user[USER_NAME_MAX];    // canonical; size 0: not authenticated
    struct smtp_backend backend; // of it and of what is behind, nothing is kept from `reply` on
                                 // while the session rests between two mails
    union {                      // never at the same time
        struct sasl sasl;        // in AUTH and VERIFY
        struct smtp_mail mail;   // from SENDER to FINAL
    };
};

static inline const struct policy_service *smtp_service(const struct smtp *smtp)
{
    return &smtp->host->policy->services[smtp->host->service];
}

static inline struct span smtp_user(const struct smtp *smtp)
{
    return span_of(smtp->user, smtp->user_size);
}

static inline struct span smtp_helo(const struct smtp *smtp)
{
    return span_of(smtp->helo, smtp->helo_size);
}

static inline struct span smtp_mail_from(const struct smtp *smtp)
{
    return span_of(smtp->mail.from, smtp->mail.from_size);
}

void smtp_enter(struct smtp *smtp, enum smtp_state next); // the one place that changes the state
void smtp_reply(struct smtp *smtp, const char *reply);    // our own text, without CR LF

// Refuses: replies, counts, and ends the session after too many bad ones. The session may be closed
// after this call.
void smtp_refuse(struct smtp *smtp, enum smtp_refusal refusal);
const char *smtp_refusal_reply(enum smtp_refusal refusal);
enum reason smtp_refusal_reason(enum smtp_refusal refusal);
enum smtp_refusal smtp_refusal_of(enum reason reason); // the first that is for it; there is one
void smtp_finish(struct smtp *smtp, const char *reply, enum reason reason); // reply may be NULL
void smtp_reset(struct smtp *smtp); // forgets the transaction; the state becomes HELLO

void smtp_ask(struct smtp *smtp, const struct message *question); // of the dns child

// Mail programs of users call themselves what they like and come from where they are, so only
// strangers are judged.
bool smtp_is_stranger(const struct smtp *smtp);

// smtp_greeting.c
void smtp_greeting_start(struct smtp *smtp);
void smtp_greeting_go_on(struct smtp *smtp);                      // an answer came, or time passed
size_t smtp_greeting_early(struct smtp *smtp, struct span input); // how much of it was taken

// smtp_command.c: a whole line in a command state. `ahead`: more input waits behind it.
void smtp_command(struct smtp *smtp, struct span line, bool ahead);

// A command's check may store nothing in the session; what it learns goes to its proceed here.
struct smtp_arguments {
    struct span text;
    bool ahead;
    struct span path;         // MAIL, RCPT; of RCPT once it could be read
    struct smtp_param param;  // MAIL, RCPT
    bool to_postmaster;       // RCPT
    uint8_t backend;          // RCPT
    enum mechanism mechanism; // AUTH
};
typedef enum smtp_refusal smtp_check(const struct smtp *smtp, struct smtp_arguments *arguments);
typedef void smtp_proceed(struct smtp *smtp, const struct smtp_arguments *arguments);

smtp_check smtp_hello_check, smtp_hello_check_starttls; // smtp_hello.c
smtp_proceed smtp_hello_ehlo, smtp_hello_helo, smtp_hello_starttls;

smtp_check smtp_auth_check; // smtp_auth.c
smtp_proceed smtp_auth_proceed;
void smtp_auth_line(struct smtp *smtp, struct span line);
void smtp_auth_line_refused(struct smtp *smtp, enum smtp_refusal refusal);
void smtp_auth_answer(struct smtp *smtp, const struct message *answer);

smtp_check smtp_envelope_check_mail, smtp_envelope_check_rcpt; // smtp_envelope.c
smtp_proceed smtp_envelope_mail, smtp_envelope_rcpt;
void smtp_envelope_rcpt_refused(struct smtp *smtp, const struct smtp_arguments *arguments,
                                enum smtp_refusal refusal);               // by its check, and told
enum smtp_refusal smtp_envelope_lacks_recipient(const struct smtp *smtp); // what DATA hears then
void smtp_envelope_take_spf(struct smtp *smtp, enum spf_result result);   // may ask for the next
void smtp_envelope_judge(struct smtp *smtp); // what was asked about the sender is answered
void smtp_envelope_outcome(struct smtp *smtp, enum smtp_outcome outcome); // of a recipient

smtp_check smtp_content_check; // smtp_content.c
smtp_proceed smtp_content_data;
size_t smtp_content_input(struct smtp *smtp, struct span input);
// A block was read; `left`: not all of it. False: it came too slowly, and the session is over.
bool smtp_content_keeps_pace(struct smtp *smtp, size_t taken, bool left) MUST_CHECK;
// Passes text of the message on as far as there is room, or swallows it from here on; how much it
// took. *ret_end: the final dot was in it.
size_t smtp_content_pass(struct smtp *smtp, struct span input, bool *ret_end);
void smtp_content_end(struct smtp *smtp); // sends the end of a message that came without
void smtp_content_swallow(struct smtp *smtp, enum smtp_refusal refusal); // NONE: the backend's
void smtp_content_refused(struct smtp *smtp); // replies at the end of a swallowed message
uint64_t smtp_content_read_most(const struct smtp *smtp); // bytes, of a message that is refused
void smtp_content_outcome(struct smtp *smtp, enum smtp_outcome outcome); // of DATA and the dot

smtp_proceed smtp_chunk_bdat; // smtp_chunk.c
size_t smtp_chunk_input(struct smtp *smtp, struct span input);
void smtp_chunk_begin(struct smtp *smtp); // the backend is ready for it, or it is swallowed

// What a content rule says to the next text of a part.
enum smtp_refusal smtp_content_scan(struct smtp *smtp, enum rule_part part, struct span text);

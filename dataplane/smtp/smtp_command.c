// SPDX-License-Identifier: BSD-3-Clause
#include "mail/line.h"
#include "smtp/smtp.h"

static enum smtp_refusal check_none(const struct smtp *smtp, struct smtp_arguments *arguments)
{
    return arguments->text.size ? REFUSE_NO_ARGUMENTS : REFUSE_NONE;
}

static enum smtp_refusal check_some(const struct smtp *smtp, struct smtp_arguments *arguments)
{
    return arguments->text.size ? REFUSE_NONE : REFUSE_SYNTAX;
}

static enum smtp_refusal check_any(const struct smtp *smtp, struct smtp_arguments *arguments)
{
    return REFUSE_NONE;
}

static enum smtp_refusal check_never(const struct smtp *smtp, struct smtp_arguments *arguments)
{
    return REFUSE_NOT_DONE;
}

static void again(struct smtp *smtp) // the command is done and the next may come
{
    smtp_enter(smtp, (enum smtp_state)smtp->state);
}

static void proceed_noop(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    smtp_reply(smtp, "250 2.0.0 Ok");
    again(smtp);
}

static void proceed_rset(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    smtp_reply(smtp, "250 2.0.0 Ok");
    if (smtp->state == SMTP_GREETED)
        again(smtp);
    else
        smtp_reset(smtp);
}

// Who exists is not told to strangers (RFC 5321, section 7.3).
static void proceed_vrfy(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    smtp_reply(smtp, "252 2.5.2 Cannot verify, send mail and it will be tried");
    again(smtp);
}

static void proceed_help(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    smtp_reply(smtp, "214 2.0.0 See RFC 5321");
    again(smtp);
}

static void proceed_quit(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    smtp_finish(smtp, "221 2.0.0 Bye", REASON_MAIL_QUIT);
}

enum {
    IN_GREETED = 1u << SMTP_GREETED,
    IN_HELLO = 1u << SMTP_HELLO,
    IN_MAIL = 1u << SMTP_MAIL,
    IN_RCPT = 1u << SMTP_RCPT,
    IN_CHUNKS = 1u << SMTP_CHUNKS,
    IN_ANY = IN_GREETED | IN_HELLO | IN_MAIL | IN_RCPT | IN_CHUNKS,
};

enum command_flag {
    LAST = 1, // of a pipelined group (RFC 2920, section 3.1); what comes behind it did not wait
    JUNK = 2, // leads to no mail
};

static const struct command {
    const char *verb;
    uint16_t states; // in which it may come
    uint8_t flags;   // bits of enum command_flag
    smtp_check *check;
    smtp_proceed *proceed;
} commands[] = {
    {"EHLO", IN_ANY, LAST | JUNK, smtp_hello_check, smtp_hello_ehlo},
    {"HELO", IN_ANY, LAST | JUNK, smtp_hello_check, smtp_hello_helo},
    {"STARTTLS", IN_HELLO, 0, smtp_hello_check_starttls, smtp_hello_starttls},
    {"AUTH", IN_HELLO, 0, smtp_auth_check, smtp_auth_proceed},
    {"MAIL", IN_HELLO, 0, smtp_envelope_check_mail, smtp_envelope_mail},
    {"RCPT", IN_MAIL | IN_RCPT, 0, smtp_envelope_check_rcpt, smtp_envelope_rcpt},
    {"DATA", IN_RCPT, 0, smtp_content_check, smtp_content_data},
    {"BDAT", IN_ANY, 0, check_any, smtp_chunk_bdat},
    {"RSET", IN_ANY, JUNK, check_none, proceed_rset},
    {"NOOP", IN_ANY, JUNK, check_any, proceed_noop},
    {"QUIT", IN_ANY, 0, check_none, proceed_quit},
    {"VRFY", IN_ANY, JUNK, check_some, proceed_vrfy},
    {"HELP", IN_ANY, JUNK, check_any, proceed_help},
    {"EXPN", IN_ANY, JUNK, check_never, NULL},
    {"TURN", IN_ANY, JUNK, check_never, NULL},
    {"ETRN", IN_ANY, JUNK, check_never, NULL},
};

static const struct command *find(struct span verb)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (span_equal_nocase(verb, span_text(commands[i].verb)))
            return &commands[i];
    return NULL;
}

// Which command should have come before.
static enum smtp_refusal misplaced(const struct command *command, const struct smtp *smtp)
{
    enum smtp_state state = (enum smtp_state)smtp->state;
    if (state == SMTP_GREETED)
        return REFUSE_NO_HELLO;
    if (command->states == IN_HELLO)
        return REFUSE_IN_MAIL;
    if (state == SMTP_CHUNKS)
        return REFUSE_IN_CHUNKS;
    return state == SMTP_HELLO ? REFUSE_NO_MAIL : smtp_envelope_lacks_recipient(smtp);
}

// Sent without waiting for the reply to a command that must be waited for; after HELO that is every
// command. DATA has its own way with that, and STARTTLS: what stands behind it is thrown away.
static bool is_ahead_of_reply(const struct smtp *smtp, const struct command *command)
{
    bool greeted_by_helo = smtp->helo_size > 0 && !smtp->esmtp;
    bool gathers =
        command->check == smtp_envelope_check_mail || command->check == smtp_envelope_check_rcpt;
    return (command->flags & LAST) || (greeted_by_helo && gathers);
}

void smtp_command(struct smtp *smtp, struct span line, bool ahead)
{
    struct smtp_arguments arguments = {.ahead = ahead};
    const struct command *command = find(line_word(line, &arguments.text));
    enum smtp_refusal refusal;
    smtp->host->report.commands++;
    if (!command)
        refusal = REFUSE_UNKNOWN;
    else if (!(command->states & 1u << smtp->state))
        refusal = misplaced(command, smtp);
    else if (ahead && is_ahead_of_reply(smtp, command))
        refusal = REFUSE_PIPELINING;
    else
        refusal = command->check(smtp, &arguments);

    bool junk = (command && (command->flags & JUNK)) || refusal == REFUSE_NO_RCPT_LEFT;
    if (junk && !smtp_budget_junk(smtp))
        return;
    if (refusal == REFUSE_NONE) {
        command->proceed(smtp, &arguments);
        return;
    }
    again(smtp);
    smtp_refuse(smtp, refusal);
    if (command && command->proceed == smtp_envelope_rcpt)
        smtp_envelope_rcpt_refused(smtp, &arguments, refusal);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "pop3/pop3_internal.h"

#include "mail/excess.h"
#include "mail/line.h"
#include "mail/reply.h"

static bool may_start_tls(const struct pop3 *pop3)
{
    const struct mail_host *host = pop3->host;
    return !host->tls && host->policy->services[host->service].tls == TLS_STARTTLS;
}

void pop3_login_greet(struct pop3 *pop3)
{
    reply_line(pop3->host, SIDE_CLIENT, "+OK %s ready", pop3->host->policy->smtp.host_name);
}

static void capa_login(struct pop3 *pop3)
{
    char list[SASL_LIST_SIZE];
    sasl_list(sasl_offer(pop3->host), "", list);
    reply_line(pop3->host, SIDE_CLIENT, "USER\r\nSASL %s", list);
}

static void run_capa(struct pop3 *pop3, struct span args)
{
    static const char common[] = "+OK Capabilities follow\r\n"
                                 "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING";
    pop3_say(pop3, common);
    if (pop3->host->tls)
        capa_login(pop3);
    else if (may_start_tls(pop3))
        pop3_say(pop3, "STLS");
    pop3_say(pop3, ".");
}

static void run_noop(struct pop3 *pop3, struct span args)
{
    pop3_say(pop3, "+OK");
}

static void run_quit(struct pop3 *pop3, struct span args)
{
    pop3_say(pop3, "+OK Logging out");
    pop3_finish(pop3, REASON_MAIL_QUIT);
}

static void run_stls(struct pop3 *pop3, struct span args)
{
    if (!may_start_tls(pop3)) {
        pop3_refuse(pop3, REASON_MAIL_BAD_COMMAND,
                    pop3->host->tls ? "TLS is already there" : "TLS is not offered here");
        return;
    }
    pop3_say(pop3, "+OK Begin TLS negotiation now");
    pop3_enter(pop3, POP3_STLS);
    pop3->host->ops->start_tls(pop3->host);
}

static void ask(struct pop3 *pop3)
{
    pop3_enter(pop3, POP3_ASKING);
    login_ask(pop3->host, &pop3->mailbox.sasl.login);
}

// Whether there is such a user is not told before the password (RFC 1939, section 13).
static void run_user(struct pop3 *pop3, struct span args)
{
    sasl_start(&pop3->mailbox.sasl, MECHANISM_NONE);
    if (login_take_user(&pop3->mailbox.sasl.login, args))
        pop3_say(pop3, "+OK Now the password");
    else
        pop3_refuse(pop3, REASON_MAIL_BAD_COMMAND, "USER wants a name");
}

static void run_pass(struct pop3 *pop3, struct span args)
{
    struct auth_question *login = &pop3->mailbox.sasl.login;
    if (login->user_size == 0) {
        pop3_refuse(pop3, REASON_MAIL_BAD_COMMAND, "USER comes first");
    } else if (login_take_password(login, args)) { // spaces in it are part of it
        ask(pop3);
    } else {
        sasl_wipe(&pop3->mailbox.sasl);
        pop3_refuse(pop3, REASON_MAIL_BAD_COMMAND, "PASS wants a password");
    }
}

// The backend is logged in by USER and PASS, whose lines carry no control bytes.
static bool fits_a_line(const struct auth_question *login)
{
    for (size_t i = 0; i < login->password_size; i++)
        if (login->password[i] == '\r' || login->password[i] == '\n')
            return false;
    return true;
}

static void challenge_send(struct pop3 *pop3, const char *challenge)
{
    reply_line(pop3->host, SIDE_CLIENT, "+ %s", challenge);
    if (pop3->state != POP3_SASL)
        pop3_enter(pop3, POP3_SASL);
}

static void proven(struct pop3 *pop3)
{
    struct mail_host *host = pop3->host;
    const struct auth_question *login = &pop3->mailbox.sasl.login;
    enum reason reason = host->ops->login(host, span_of(login->user, login->user_size));
    if (reason != REASON_NONE) {
        sasl_wipe(&pop3->mailbox.sasl);
        login_note(host, LOGIN_THROTTLED);
        pop3_enter(pop3, POP3_COMMAND);
        reply_refused(host, reason);
        reply_line(host, SIDE_CLIENT, "-ERR [%s] Too many sessions of this user, try again later",
                   reason == REASON_LOGIN_RATE_USER ? "SYS/TEMP" : "IN-USE");
        return;
    }
    pop3_enter(pop3, POP3_BACKEND);
    pop3_backend_open(pop3);
}

static void sasl_took(struct pop3 *pop3, enum sasl_step step, const char *challenge)
{
    switch (step) {
    case SASL_MORE:
        challenge_send(pop3, challenge);
        return;
    case SASL_READY:
        if (fits_a_line(&pop3->mailbox.sasl.login)) {
            ask(pop3);
            return;
        }
        break;
    case SASL_ASKED:
        pop3->mailbox.held = sasl_holds_token(&pop3->mailbox.sasl, pop3->host);
        pop3_enter(pop3, POP3_ASKING);
        return;
    case SASL_DONE:
        proven(pop3);
        return;
    case SASL_CANCELLED:
    case SASL_MALFORMED:
        break;
    }
    sasl_wipe(&pop3->mailbox.sasl);
    if (pop3->state == POP3_SASL)
        pop3_enter(pop3, POP3_COMMAND);
    pop3_refuse(pop3, REASON_MAIL_BAD_COMMAND,
                step == SASL_CANCELLED ? "Authentication cancelled"
                                       : "Authentication exchange malformed");
}

static void run_auth(struct pop3 *pop3, struct span args)
{
    const char *challenge = "";
    size_t end = span_find(args, ' ');
    enum mechanism mechanism = mechanism_find(span_head(args, end));
    struct span initial = span_skip(args, end + 1);
    if (!mechanism_is_in(mechanism, sasl_offer(pop3->host)) ||
        (end < args.size && initial.size == 0)) {
        pop3_refuse(pop3, REASON_MAIL_BAD_COMMAND, "AUTH wants a mechanism that CAPA lists");
        return;
    }
    sasl_start(&pop3->mailbox.sasl, mechanism);
    if (end == args.size)
        initial = span_of(NULL, 0);
    enum sasl_step step = sasl_feed(&pop3->mailbox.sasl, pop3->host, initial, &challenge);
    sasl_took(pop3, step, challenge);
}

enum { NO_ARGS = 1, PRIVATE = 2 }; // PRIVATE: only under TLS

static const struct pop3_verb {
    const char *name;
    unsigned flags;
    void (*run)(struct pop3 *pop3, struct span args);
} verbs[] = {
    {"CAPA", NO_ARGS, run_capa}, {"NOOP", NO_ARGS, run_noop}, {"QUIT", NO_ARGS, run_quit},
    {"STLS", NO_ARGS, run_stls}, {"USER", PRIVATE, run_user}, {"PASS", PRIVATE, run_pass},
    {"APOP", PRIVATE, NULL},     {"AUTH", PRIVATE, run_auth},
};

static const struct pop3_verb *verb_find(struct span name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (span_equal_nocase(name, span_text(verbs[i].name)))
            return &verbs[i];
    return NULL;
}

static void command_run(struct pop3 *pop3, struct span line)
{
    pop3->host->report.commands++;
    size_t end = span_find(line, ' ');
    const struct pop3_verb *verb = verb_find(span_head(line, end));
    if (verb && (verb->flags & PRIVATE) && !pop3->host->tls)
        pop3_refuse(pop3, REASON_MAIL_TLS_REQUIRED, "No login without TLS");
    else if (!verb || !verb->run)
        pop3_refuse(pop3, REASON_MAIL_BAD_COMMAND, "Command unknown, or not before login");
    else if ((verb->flags & NO_ARGS) && end < line.size)
        pop3_refuse(pop3, REASON_MAIL_BAD_COMMAND, "Command takes no arguments");
    else
        verb->run(pop3, span_skip(line, end + 1));
}

static size_t line_refused(struct pop3 *pop3, enum reason reason, size_t taken)
{
    sasl_wipe(&pop3->mailbox.sasl);
    if (pop3->state == POP3_SASL)
        pop3_enter(pop3, POP3_COMMAND);
    if (reason == REASON_MAIL_LINE_TOO_LONG) {
        pop3_say(pop3, "-ERR Line too long");
        pop3_finish(pop3, reason);
    } else {
        pop3_refuse(pop3, reason, "Lines end with CR LF and have no other control bytes");
    }
    return taken;
}

size_t pop3_login_input(struct pop3 *pop3, struct span input)
{
    struct span line;
    size_t taken;
    enum reason reason;
    if (pop3->mailbox.held) { // nothing came of it
        pop3->mailbox.held = false;
        return sasl_token(input, &line);
    }
    if (pop3->state == POP3_COMMAND && line_is_foreign_protocol(input)) {
        pop3_finish(pop3, REASON_MAIL_NOT_MAIL);
        return input.size;
    }
    size_t most = pop3->state == POP3_SASL ? SASL_LINE_MAX + 2 : LINE_BYTES_MAX;
    switch (line_take(input, most, &line, &taken, &reason)) {
    case LINE_PARTIAL:
        return 0;
    case LINE_REFUSED:
        return line_refused(pop3, reason, taken);
    case LINE_WHOLE:
        break;
    }
    if (pop3->state == POP3_SASL) {
        const char *challenge = "";
        enum sasl_step step = sasl_feed(&pop3->mailbox.sasl, pop3->host, line, &challenge);
        sasl_took(pop3, step, challenge);
    } else {
        command_run(pop3, line);
    }
    return pop3->mailbox.held ? 0 : taken;
}

void pop3_login_failed(struct pop3 *pop3)
{
    login_note(pop3->host, LOGIN_WRONG);
    pop3_say(pop3, "-ERR [AUTH] Wrong user or password");
    if (excess_ends(pop3->host, LIMIT_AUTH_FAILURES_SESSION, ++pop3->failures))
        pop3_finish(pop3, REASON_MAIL_AUTH_TOO_MANY);
}

void pop3_login_answer(struct pop3 *pop3, const struct message *answer)
{
    char challenge[SASL_TEXT_SIZE];
    enum login_verdict verdict = sasl_judge(&pop3->mailbox.sasl, pop3->host, answer, challenge);
    if (verdict == LOGIN_GOES_ON)
        return challenge_send(pop3, challenge);
    if (verdict == LOGIN_RIGHT)
        return proven(pop3);
    sasl_wipe(&pop3->mailbox.sasl);
    pop3_enter(pop3, POP3_COMMAND);
    reply_refused(pop3->host,
                  verdict == LOGIN_WRONG ? REASON_MAIL_AUTH_FAILED : REASON_MAIL_AUTH_UNAVAILABLE);
    if (verdict == LOGIN_WRONG)
        pop3_login_failed(pop3);
    else
        reply_line(pop3->host, SIDE_CLIENT, "-ERR [SYS/TEMP] %s, try again later",
                   verdict == LOGIN_THROTTLED ? "Too many attempts"
                                              : "Logins cannot be checked now");
}

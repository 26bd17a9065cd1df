// SPDX-License-Identifier: BSD-3-Clause
#include "pop3/pop3_internal.h"

#include "mail/line.h"
#include "mail/login.h"
#include "mail/reply.h"

void pop3_backend_open(struct pop3 *pop3)
{
    pop3->step = POP3_CONNECT;
    mailbox_connect(&pop3->mailbox, pop3->host);
}

static void leave(struct pop3 *pop3, enum reason reason)
{
    mailbox_leave(&pop3->mailbox, pop3->host, reason);
    pop3_enter(pop3, POP3_COMMAND);
}

// The client may try again; nothing was wrong with its password.
static void fail(struct pop3 *pop3, enum reason reason)
{
    leave(pop3, reason);
    pop3_say(pop3, "-ERR [SYS/TEMP] Mailbox server not available, try again later");
}

static void send_user(struct pop3 *pop3)
{
    const struct auth_question *login = &pop3->mailbox.sasl.login;
    pop3->step = POP3_USER;
    if (mailbox_wants_token(&pop3->mailbox, pop3->host)) {
        reply_line(pop3->host, SIDE_BACKEND, "AUTH %s",
                   mechanism_name((enum mechanism)pop3->mailbox.sasl.mechanism));
        return;
    }
    // The response is in a line of its own (RFC 5034, section 4).
    if (mailbox_has_master(&pop3->mailbox, pop3->host)) {
        reply_line(pop3->host, SIDE_BACKEND, "AUTH PLAIN");
        return;
    }
    reply_line(pop3->host, SIDE_BACKEND, "USER %.*s", login->user_size, login->user);
}

static void send_password(struct pop3 *pop3)
{
    const struct auth_question *login = &pop3->mailbox.sasl.login;
    pop3->step = POP3_PASS;
    reply_line(pop3->host, SIDE_BACKEND, "PASS %.*s", login->password_size, login->password);
    sasl_wipe(&pop3->mailbox.sasl);
}

static void take_go_ahead(struct pop3 *pop3)
{
    char text[LOGIN_PLAIN_SIZE];
    if (pop3->step == POP3_USER && pop3->mailbox.held) {
        pop3->step = POP3_TOKEN;
        return;
    }
    if (pop3->step != POP3_USER || !mailbox_has_master(&pop3->mailbox, pop3->host)) {
        fail(pop3, REASON_MAIL_BACKEND_BAD);
        return;
    }
    pop3->step = POP3_PASS;
    size_t size = login_plain(pop3->host, pop3->mailbox.backend, &pop3->mailbox.sasl.login, text);
    reply_line(pop3->host, SIDE_BACKEND, "%s", text);
    explicit_bzero(text, size);
    sasl_wipe(&pop3->mailbox.sasl);
}

// Dovecot's extension: taken from its login_trusted_networks, answered by +OK.
static void send_identity(struct pop3 *pop3)
{
    const struct mail_host *host = pop3->host;
    char client[ADDR_TEXT_SIZE];
    if (host->policy->backends[pop3->mailbox.backend].identity != IDENTITY_FORWARD) {
        send_user(pop3);
        return;
    }
    pop3->step = POP3_IDENTITY;
    reply_line(pop3->host, SIDE_BACKEND, "XCLIENT ADDR=%s PORT=%u",
               addr_format(&host->client, client), host->client_port);
}

static void take_ok(struct pop3 *pop3)
{
    switch ((enum pop3_backend_step)pop3->step) {
    case POP3_IDENTITY:
        send_user(pop3);
        return;
    case POP3_USER:
        // It is no OK that AUTH waits for.
        if (pop3->mailbox.held || mailbox_has_master(&pop3->mailbox, pop3->host))
            fail(pop3, REASON_MAIL_BACKEND_BAD);
        else
            send_password(pop3);
        return;
    case POP3_PASS:
        login_note(pop3->host, LOGIN_RIGHT);
        pop3_enter(pop3, POP3_OPEN);
        pop3_splice_read(pop3, 1);
        pop3_say(pop3, "+OK Logged in");
        return;
    case POP3_TOKEN:
        fail(pop3, REASON_MAIL_BACKEND_BAD);
        return;
    case POP3_CONNECT:
        break;
    }
    CHECK(!"a backend that is not connected says nothing");
}

static void take_err(struct pop3 *pop3, struct span text)
{
    // RFC 2449, section 8.1.1: another session has the maildrop. The client may know what to do.
    if (pop3->step == POP3_PASS && span_starts_nocase(text, span_text("[IN-USE]"))) {
        leave(pop3, REASON_POP3_AUTH_FAILED);
        pop3_say(pop3, "-ERR [IN-USE] Mailbox is in use by another session");
    } else if (pop3->step < POP3_USER) {
        fail(pop3, REASON_MAIL_BACKEND_BAD);
    } else if (span_starts_nocase(text, span_text("[SYS/"))) {
        fail(pop3, REASON_MAIL_BACKEND_DOWN);
    } else if (mailbox_has_master(&pop3->mailbox, pop3->host)) { // nothing is wrong with the user's
        fail(pop3, REASON_POP3_AUTH_FAILED);
    } else { // our login was right for us and is not for the backend
        leave(pop3, REASON_POP3_AUTH_FAILED);
        pop3_login_failed(pop3);
    }
}

size_t pop3_backend_input(struct pop3 *pop3, struct span input)
{
    struct span line, text;
    size_t taken;
    enum reason reason;
    switch (line_take(input, LINE_BYTES_MAX, &line, &taken, &reason)) {
    case LINE_PARTIAL:
        return 0;
    case LINE_REFUSED:
        fail(pop3, REASON_MAIL_BACKEND_BAD);
        return taken;
    case LINE_WHOLE:
        break;
    }
    struct span status = line_word(line, &text);
    if (span_equal(status, span_text("+OK")))
        take_ok(pop3);
    else if (span_equal(status, span_text("-ERR")))
        take_err(pop3, text);
    else if (span_equal(status, span_text("+")))
        take_go_ahead(pop3);
    else
        fail(pop3, REASON_MAIL_BACKEND_BAD);
    return taken;
}

size_t pop3_backend_token(struct pop3 *pop3, struct span input)
{
    bool asked = pop3->step == POP3_TOKEN;
    size_t taken = mailbox_token(&pop3->mailbox, pop3->host, input, asked);
    if (asked && taken > 0)
        pop3->step = POP3_PASS;
    return taken;
}

void pop3_backend_event(struct pop3 *pop3, enum mail_backend_event event)
{
    switch (event) {
    case BACKEND_CONNECTED:
        pop3->mailbox.up = true;
        send_identity(pop3);
        break;
    case BACKEND_FAILED:
        fail(pop3, REASON_MAIL_BACKEND_DOWN);
        break;
    case BACKEND_CLOSED:
        if (pop3->state != POP3_OPEN)
            fail(pop3, REASON_MAIL_BACKEND_LOST);
        else // nothing can be said: the end of a reply may be missing
            pop3_finish(pop3, pop3->quit ? REASON_MAIL_QUIT : REASON_MAIL_BACKEND_LOST);
        break;
    }
}

// SPDX-License-Identifier: BSD-3-Clause
#include "imap/imap_internal.h"

#include "mail/line.h"
#include "mail/login.h"
#include "mail/reply.h"

/* Every command to the backend before login has the tag "W": there is never more than one. */

static void tell(struct imap *imap, const char *text)
{
    reply_line(imap->host, SIDE_BACKEND, "%s", text);
}

void imap_backend_open(struct imap *imap)
{
    imap->step = STEP_CONNECT;
    mailbox_connect(&imap->mailbox, imap->host);
}

static void leave(struct imap *imap, enum reason reason)
{
    mailbox_leave(&imap->mailbox, imap->host, reason);
    imap_enter(imap, IMAP_COMMAND);
}

// The client may try again; nothing was wrong with its password.
static void fail(struct imap *imap, enum reason reason)
{
    leave(imap, reason);
    imap_say(imap, "%s NO [UNAVAILABLE] Mailbox server not available, try again later", imap->tag);
}

static void send_login(struct imap *imap)
{
    const struct auth_question *login = &imap->mailbox.sasl.login;
    uint16_t offered = imap->host->offered.bits;
    char text[LOGIN_PLAIN_SIZE];
    imap->step = STEP_LOGIN;
    if (mailbox_wants_token(&imap->mailbox, imap->host)) {
        reply_line(imap->host, SIDE_BACKEND, "W AUTHENTICATE %s",
                   mechanism_name((enum mechanism)imap->mailbox.sasl.mechanism));
    } else if ((offered & OFFER_AUTH_PLAIN) && (offered & OFFER_SASL_IR)) {
        login_plain(imap->host, imap->mailbox.backend, login, text);
        reply_line(imap->host, SIDE_BACKEND, "W AUTHENTICATE PLAIN %s", text);
        explicit_bzero(text, sizeof text);
        sasl_wipe(&imap->mailbox.sasl);
    } else if (offered & OFFER_AUTH_PLAIN) {
        tell(imap, "W AUTHENTICATE PLAIN");
    } else if (!(offered & OFFER_LOGIN_DISABLED) &&
               !mailbox_has_master(&imap->mailbox, imap->host)) {
        reply_line(imap->host, SIDE_BACKEND, "W LOGIN {%u}", login->user_size);
    } else {
        fail(imap, REASON_MAIL_BACKEND_BAD);
    }
}

// Dovecot takes these fields from its login_trusted_networks, as its own proxies send them.
static void send_identity(struct imap *imap)
{
    const struct mail_host *host = imap->host;
    char client[ADDR_TEXT_SIZE], local[ADDR_TEXT_SIZE];
    if (host->policy->backends[imap->mailbox.backend].identity != IDENTITY_FORWARD) {
        send_login(imap);
        return;
    }
    imap->step = STEP_IDENTITY;
    reply_line(imap->host, SIDE_BACKEND,
               "W ID (\"x-originating-ip\" \"%s\" \"x-originating-port\" \"%u\" "
               "\"x-connected-ip\" \"%s\" \"x-connected-port\" \"%u\")",
               addr_format(&host->client, client), host->client_port,
               addr_format(&host->local, local), host->local_port);
}

// The client sees the list as long as we see what the backend speaks.
static void pass_capabilities(struct imap *imap, struct span line)
{
    uint8_t text[LINE_BYTES_MAX];
    size_t size = imap_capability_filter(line, text);
    if (size <= REPLY_MAX / 2)
        imap_say(imap, "%.*s", (int)size, (const char *)text);
}

static void take_untagged(struct imap *imap, struct span line, struct span rest)
{
    if (imap->step == STEP_LOGIN &&
        span_equal_nocase(line_word(rest, &rest), span_text("CAPABILITY")))
        pass_capabilities(imap, line);
}

// The backend's "+": the next piece of the login.
static void take_go_ahead(struct imap *imap)
{
    struct auth_question *login = &imap->mailbox.sasl.login;
    char text[LOGIN_PLAIN_SIZE];
    if (imap->step == STEP_LOGIN && imap->mailbox.held) {
        imap->step = STEP_TOKEN;
        return;
    }
    if (imap->step != STEP_LOGIN || (login->user_size == 0 && login->password_size == 0)) {
        fail(imap, REASON_MAIL_BACKEND_BAD);
        return;
    }
    if (imap->host->offered.bits & OFFER_AUTH_PLAIN) {
        size_t size = login_plain(imap->host, imap->mailbox.backend, login, text);
        reply_line(imap->host, SIDE_BACKEND, "%s", text);
        explicit_bzero(text, size);
    } else if (login->user_size > 0) {
        reply_line(imap->host, SIDE_BACKEND, "%.*s {%u}", login->user_size, login->user,
                   login->password_size);
        login->user_size = 0;
        return;
    } else {
        reply_line(imap->host, SIDE_BACKEND, "%.*s", login->password_size, login->password);
    }
    sasl_wipe(&imap->mailbox.sasl);
}

static void opened(struct imap *imap, struct span line)
{
    uint8_t text[LINE_BYTES_MAX];
    struct span filtered = span_of(text, imap_capability_filter(line, text));
    struct span list = imap_capability_list(filtered);
    size_t around = sizeof imap->tag + 64; // what the reply has beside the list
    sasl_wipe(&imap->mailbox.sasl);
    login_note(imap->host, LOGIN_RIGHT);
    imap_enter(imap, IMAP_OPEN);
    imap_splice_read(imap, 1, false);
    if (list.size > 0 && list.size + around <= REPLY_MAX / 2)
        imap_say(imap, "%s OK [CAPABILITY %.*s] Logged in", imap->tag, (int)list.size,
                 (const char *)list.at);
    else
        imap_say(imap, "%s OK Logged in", imap->tag);
}

// Our login was right for us and is not for the backend. Where a master user is refused, nothing
// was wrong with the password.
static void refused(struct imap *imap, struct span text)
{
    if (span_starts_nocase(text, span_text("[UNAVAILABLE]"))) {
        fail(imap, REASON_MAIL_BACKEND_DOWN);
        return;
    }
    if (mailbox_has_master(&imap->mailbox, imap->host)) {
        fail(imap, REASON_IMAP_AUTH_FAILED);
        return;
    }
    leave(imap, REASON_IMAP_AUTH_FAILED);
    imap_login_failed(imap);
}

static void take_tagged(struct imap *imap, struct span line, struct span rest)
{
    struct span text;
    struct span word = line_word(rest, &text);
    bool ok = span_equal_nocase(word, span_text("OK"));
    bool no = span_equal_nocase(word, span_text("NO"));
    if (imap->step == STEP_LOGIN && ok)
        opened(imap, line);
    else if (imap->step == STEP_LOGIN && no)
        refused(imap, text);
    else if (imap->step == STEP_IDENTITY && ok)
        send_login(imap);
    else
        fail(imap, REASON_MAIL_BACKEND_BAD);
}

size_t imap_backend_input(struct imap *imap, struct span input)
{
    struct span line, rest;
    size_t taken;
    enum reason reason;
    switch (line_take(input, LINE_BYTES_MAX, &line, &taken, &reason)) {
    case LINE_PARTIAL:
        return 0;
    case LINE_REFUSED:
        fail(imap, REASON_MAIL_BACKEND_BAD);
        return taken;
    case LINE_WHOLE:
        break;
    }
    struct span word = line_word(line, &rest);
    if (span_equal(word, span_text("*")) && span_starts_nocase(rest, span_text("BYE")))
        fail(imap, REASON_MAIL_BACKEND_DOWN);
    else if (span_equal(word, span_text("*")))
        take_untagged(imap, line, rest);
    else if (span_equal(word, span_text("W")))
        take_tagged(imap, line, rest);
    else if (span_equal(word, span_text("+")))
        take_go_ahead(imap);
    else
        fail(imap, REASON_MAIL_BACKEND_BAD);
    return taken;
}

size_t imap_backend_token(struct imap *imap, struct span input)
{
    bool asked = imap->step == STEP_TOKEN;
    size_t taken = mailbox_token(&imap->mailbox, imap->host, input, asked);
    if (asked && taken > 0)
        imap->step = STEP_LOGIN;
    return taken;
}

static void lost_while_open(struct imap *imap)
{
    if (imap->client.logout)
        imap_finish(imap, REASON_MAIL_QUIT);
    else if (imap->backend.bye || !imap_splice_may_say(imap))
        imap_finish(imap, REASON_MAIL_BACKEND_LOST);
    else
        imap_bye(imap, REASON_MAIL_BACKEND_LOST, "Mailbox server has gone, try again later");
}

void imap_backend_event(struct imap *imap, enum mail_backend_event event)
{
    switch (event) {
    case BACKEND_CONNECTED:
        imap->mailbox.up = true;
        send_identity(imap);
        break;
    case BACKEND_FAILED:
        fail(imap, REASON_MAIL_BACKEND_DOWN);
        break;
    case BACKEND_CLOSED:
        if (imap->state == IMAP_OPEN)
            lost_while_open(imap);
        else
            fail(imap, REASON_MAIL_BACKEND_LOST);
        break;
    }
}

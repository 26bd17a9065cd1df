// SPDX-License-Identifier: BSD-3-Clause
#include "imap/imap_internal.h"

#include "mail/excess.h"
#include "mail/line.h"
#include "mail/reply.h"

#include <stdio.h>

enum { ID_PAIRS_MAX = 30, ID_TEXT_MAX = 1024 }; // RFC 2971, section 3.3

static bool may_start_tls(const struct imap *imap)
{
    const struct mail_host *host = imap->host;
    return !host->tls && host->policy->services[host->service].tls == TLS_STARTTLS;
}

enum { CAPABILITIES_SIZE = 64 + SASL_LIST_SIZE };

static void capabilities(const struct imap *imap, char text[CAPABILITIES_SIZE])
{
    char list[SASL_LIST_SIZE];
    const char *more = may_start_tls(imap) ? "STARTTLS LOGINDISABLED" : "LOGINDISABLED";
    sasl_list(sasl_offer(imap->host), "AUTH=", list);
    snprintf(text, CAPABILITIES_SIZE, "IMAP4rev1 LITERAL- ID %s%s",
             imap->host->tls ? "SASL-IR " : more, list);
}

void imap_login_greet(struct imap *imap)
{
    char text[CAPABILITIES_SIZE];
    capabilities(imap, text);
    imap_say(imap, "* OK [CAPABILITY %s] %s ready", text, imap->host->policy->smtp.host_name);
}

static void run_capability(struct imap *imap, struct span args)
{
    char text[CAPABILITIES_SIZE];
    capabilities(imap, text);
    imap_say(imap, "* CAPABILITY %s", text);
    imap_say(imap, "%s OK Capabilities listed", imap->tag);
}

static void run_noop(struct imap *imap, struct span args)
{
    imap_say(imap, "%s OK Nothing done", imap->tag);
}

static void run_logout(struct imap *imap, struct span args)
{
    imap_say(imap, "* BYE Logging out");
    imap_say(imap, "%s OK Logged out", imap->tag);
    imap_finish(imap, REASON_MAIL_QUIT);
}

// NIL or a list of pairs, one level deep (RFC 2971): checked, and not kept.
static bool id_is_sound(struct span args)
{
    uint8_t text[ID_TEXT_MAX];
    size_t used;
    if (imap_command_nil(&args))
        return args.size == 0;
    if (!imap_command_byte(&args, '('))
        return false;
    for (int i = 0; i <= ID_PAIRS_MAX; i++) {
        if (imap_command_byte(&args, ')'))
            return args.size == 0;
        if (i > 0 && !imap_command_byte(&args, ' '))
            return false;
        if (!imap_command_string(&args, text, sizeof text, &used) || !imap_command_byte(&args, ' '))
            return false;
        if (!imap_command_nil(&args) && !imap_command_string(&args, text, sizeof text, &used))
            return false;
    }
    return false;
}

static void run_id(struct imap *imap, struct span args)
{
    if (!id_is_sound(args)) {
        imap_bad(imap, "ID wants NIL or a list of strings");
        return;
    }
    imap_say(imap, "* ID NIL");
    imap_say(imap, "%s OK ID taken", imap->tag);
}

static void run_starttls(struct imap *imap, struct span args)
{
    if (!may_start_tls(imap)) {
        imap_bad(imap, imap->host->tls ? "TLS is already there" : "TLS is not offered here");
        return;
    }
    imap_say(imap, "%s OK Begin TLS negotiation now", imap->tag);
    imap_enter(imap, IMAP_STARTTLS);
    imap->host->ops->start_tls(imap->host);
}

static void refuse_in_clear(struct imap *imap)
{
    imap_say(imap, "%s NO [PRIVACYREQUIRED] No login without TLS", imap->tag);
    imap_count_error(imap, REASON_MAIL_TLS_REQUIRED);
}

static void ask(struct imap *imap)
{
    imap_enter(imap, IMAP_ASKING);
    login_ask(imap->host, &imap->mailbox.sasl.login);
}

// Well-formed, but no such pair can be right anywhere.
static void refuse_impossible(struct imap *imap)
{
    sasl_wipe(&imap->mailbox.sasl);
    imap_count_error(imap, REASON_MAIL_AUTH_FAILED);
    if (imap->state != IMAP_OVER)
        imap_login_failed(imap);
}

static void run_login(struct imap *imap, struct span args)
{
    uint8_t text[LINE_BYTES_MAX];
    size_t used;
    if (!imap->host->tls) {
        refuse_in_clear(imap);
        return;
    }
    sasl_start(&imap->mailbox.sasl, MECHANISM_NONE);
    struct auth_question *login = &imap->mailbox.sasl.login;
    bool sound = imap_command_astring(&args, text, sizeof text, &used);
    bool possible = sound && login_take_user(login, span_of(text, used));
    sound = sound && imap_command_byte(&args, ' ') &&
            imap_command_astring(&args, text, sizeof text, &used) && args.size == 0;
    possible = possible && sound && login_take_password(login, span_of(text, used));
    explicit_bzero(text, sizeof text);
    if (possible) {
        ask(imap);
    } else if (sound) {
        refuse_impossible(imap);
    } else {
        sasl_wipe(&imap->mailbox.sasl);
        imap_bad(imap, "LOGIN wants a user and a password");
    }
}

static void challenge_send(struct imap *imap, const char *challenge)
{
    imap_say(imap, "+ %s", challenge);
    if (imap->state != IMAP_SASL)
        imap_enter(imap, IMAP_SASL);
}

static void proven(struct imap *imap)
{
    struct mail_host *host = imap->host;
    const struct auth_question *login = &imap->mailbox.sasl.login;
    enum reason reason = host->ops->login(host, span_of(login->user, login->user_size));
    if (reason != REASON_NONE) {
        sasl_wipe(&imap->mailbox.sasl);
        login_note(host, LOGIN_THROTTLED);
        imap_enter(imap, IMAP_COMMAND);
        reply_refused(host, reason);
        imap_say(imap, "%s NO [LIMIT] Too many sessions of this user, try again later", imap->tag);
        return;
    }
    imap_enter(imap, IMAP_BACKEND);
    imap_backend_open(imap);
}

static void sasl_took(struct imap *imap, enum sasl_step step, const char *challenge)
{
    switch (step) {
    case SASL_MORE:
        challenge_send(imap, challenge);
        return;
    case SASL_READY:
        ask(imap);
        return;
    case SASL_ASKED:
        imap->mailbox.held = sasl_holds_token(&imap->mailbox.sasl, imap->host);
        imap_enter(imap, IMAP_ASKING);
        return;
    case SASL_DONE:
        proven(imap);
        return;
    case SASL_CANCELLED:
    case SASL_MALFORMED:
        sasl_wipe(&imap->mailbox.sasl);
        if (imap->state == IMAP_SASL)
            imap_enter(imap, IMAP_COMMAND);
        imap_bad(imap, step == SASL_CANCELLED ? "Authentication cancelled"
                                              : "Authentication exchange malformed");
        return;
    }
}

static void run_authenticate(struct imap *imap, struct span args)
{
    const char *challenge = "";
    size_t end = span_find(args, ' ');
    enum mechanism mechanism = mechanism_find(span_head(args, end));
    struct span initial = span_skip(args, end + 1);
    if (!imap->host->tls) {
        refuse_in_clear(imap);
    } else if (end < args.size && initial.size == 0) {
        imap_bad(imap, "Initial response missing");
    } else if (!mechanism_is_in(mechanism, sasl_offer(imap->host))) {
        imap_say(imap, "%s NO [CANNOT] Mechanism not supported", imap->tag);
        imap_count_error(imap, REASON_MAIL_BAD_COMMAND);
    } else {
        sasl_start(&imap->mailbox.sasl, mechanism);
        if (end == args.size)
            initial = span_of(NULL, 0);
        enum sasl_step step = sasl_feed(&imap->mailbox.sasl, imap->host, initial, &challenge);
        sasl_took(imap, step, challenge);
    }
}

enum { NO_ARGS = 1 };

static const struct imap_verb {
    const char *name;
    unsigned flags;
    void (*run)(struct imap *imap, struct span args);
} verbs[] = {
    {"CAPABILITY", NO_ARGS, run_capability}, {"NOOP", NO_ARGS, run_noop},
    {"LOGOUT", NO_ARGS, run_logout},         {"ID", 0, run_id},
    {"STARTTLS", NO_ARGS, run_starttls},     {"LOGIN", 0, run_login},
    {"AUTHENTICATE", 0, run_authenticate},
};

static const struct imap_verb *verb_find(struct span name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (span_equal_nocase(name, span_text(verbs[i].name)))
            return &verbs[i];
    return NULL;
}

// The tag into imap->tag, for all replies to this command; *args is what follows the verb.
static bool command_open(struct imap *imap, struct span command, struct span *ret_verb,
                         struct span *ret_args)
{
    imap->host->report.commands++;
    size_t tag_end = span_find(command, ' ');
    struct span tag = span_head(command, tag_end), rest = span_skip(command, tag_end + 1);
    if (!imap_command_tag_is_valid(tag) || rest.size == 0) {
        imap_say(imap, "* BAD A command has a tag and a name");
        imap_count_error(imap, REASON_MAIL_BAD_COMMAND);
        return false;
    }
    span_to_text(tag, imap->tag, sizeof imap->tag);
    size_t verb_end = span_find(rest, ' ');
    *ret_verb = span_head(rest, verb_end);
    *ret_args = verb_end < rest.size ? span_skip(rest, verb_end + 1) : span_of(NULL, 0);
    return true;
}

static void command_run(struct imap *imap, struct span command)
{
    struct span name, args;
    if (!command_open(imap, command, &name, &args))
        return;
    const struct imap_verb *verb = verb_find(name);
    if (!verb)
        imap_bad(imap, "Command unknown, or not before login");
    else if ((verb->flags & NO_ARGS) && args.at)
        imap_bad(imap, "Command takes no arguments");
    else
        verb->run(imap, args);
}

// It announced a literal that is not wanted; the client has not sent it and will not.
static void command_cut(struct imap *imap, struct span command)
{
    struct span name, args;
    if (!command_open(imap, command, &name, &args))
        return;
    if (!imap->host->tls && span_equal_nocase(name, span_text("LOGIN"))) {
        refuse_in_clear(imap);
        return;
    }
    imap_say(imap, "%s BAD Literal not accepted", imap->tag);
    imap_count_error(imap, REASON_IMAP_LITERAL_TOO_BIG);
}

static size_t line_refused(struct imap *imap, enum reason reason, size_t taken)
{
    switch (reason) {
    case REASON_MAIL_LINE_TOO_LONG:
        imap_bye(imap, reason, "Command too long");
        break;
    case REASON_IMAP_LITERAL_TOO_BIG:
        imap_bye(imap, reason, "Literal too big");
        break;
    default:
        imap_say(imap, "* BAD Lines end with CR LF and have no other control bytes");
        imap_count_error(imap, reason);
        break;
    }
    return taken;
}

static void send_go_aheads(struct imap *imap, unsigned announced)
{
    for (; imap->go_aheads < announced; imap->go_aheads++)
        imap_say(imap, "+ Go ahead");
}

static size_t take_command(struct imap *imap, struct span input)
{
    uint64_t most = imap->host->limits[LIMIT_LITERAL_BYTES_LOGIN];
    struct imap_scan scan;
    // In the clear a password is not asked for, so no literal is.
    enum imap_scan_result result =
        imap_command_scan(input, imap->host->tls ? most : 0, most, &scan);
    if (result == IMAP_SCAN_PARTIAL || result == IMAP_SCAN_WHOLE)
        send_go_aheads(imap, scan.announced);
    if (result == IMAP_SCAN_PARTIAL)
        return 0;
    imap->go_aheads = 0;
    if (result == IMAP_SCAN_REFUSED)
        return line_refused(imap, scan.reason, scan.size);
    struct span command = span_head(input, scan.size - 2);
    if (result == IMAP_SCAN_CUT)
        command_cut(imap, command);
    else
        command_run(imap, command);
    return imap->mailbox.held ? 0 : scan.size;
}

static size_t take_response(struct imap *imap, struct span input)
{
    struct span line;
    size_t taken;
    enum reason reason;
    const char *challenge = "";
    switch (line_take(input, SASL_LINE_MAX + 2, &line, &taken, &reason)) {
    case LINE_PARTIAL:
        return 0;
    case LINE_REFUSED:
        sasl_wipe(&imap->mailbox.sasl);
        imap_enter(imap, IMAP_COMMAND);
        return line_refused(imap, reason, taken);
    case LINE_WHOLE:
        break;
    }
    enum sasl_step step = sasl_feed(&imap->mailbox.sasl, imap->host, line, &challenge);
    sasl_took(imap, step, challenge);
    return imap->mailbox.held ? 0 : taken;
}

size_t imap_login_input(struct imap *imap, struct span input)
{
    if (imap->mailbox.held) { // nothing came of it
        struct span token;
        imap->mailbox.held = false;
        return sasl_token(input, &token);
    }
    if (imap->state == IMAP_SASL)
        return take_response(imap, input);
    if (line_is_foreign_protocol(input)) {
        imap_finish(imap, REASON_MAIL_NOT_MAIL);
        return input.size;
    }
    return take_command(imap, input);
}

void imap_login_failed(struct imap *imap)
{
    login_note(imap->host, LOGIN_WRONG);
    imap_say(imap, "%s NO [AUTHENTICATIONFAILED] Wrong user or password", imap->tag);
    if (excess_ends(imap->host, LIMIT_AUTH_FAILURES_SESSION, ++imap->failures))
        imap_bye(imap, REASON_MAIL_AUTH_TOO_MANY, "Too many wrong passwords");
}

void imap_login_answer(struct imap *imap, const struct message *answer)
{
    char challenge[SASL_TEXT_SIZE];
    enum login_verdict verdict = sasl_judge(&imap->mailbox.sasl, imap->host, answer, challenge);
    if (verdict == LOGIN_GOES_ON)
        return challenge_send(imap, challenge);
    if (verdict == LOGIN_RIGHT)
        return proven(imap);
    sasl_wipe(&imap->mailbox.sasl);
    imap_enter(imap, IMAP_COMMAND);
    reply_refused(imap->host,
                  verdict == LOGIN_WRONG ? REASON_MAIL_AUTH_FAILED : REASON_MAIL_AUTH_UNAVAILABLE);
    if (verdict == LOGIN_WRONG)
        imap_login_failed(imap);
    else
        imap_say(imap, "%s NO [UNAVAILABLE] %s, try again later", imap->tag,
                 verdict == LOGIN_THROTTLED ? "Too many attempts" : "Logins cannot be checked now");
}

// SPDX-License-Identifier: BSD-3-Clause
#include "imap/imap_internal.h"

#include "mail/line.h"
#include "mail/login.h"
#include "mail/reply.h"
#include "mail/splice.h"

/* The spliced session. Every byte goes on as it came, but:
 * - commands that would blind us or change the login are answered here, and only between two
 *   responses of the backend;
 * - a literal that the client did not wait with (RFC 7888) is announced to the backend as one that
 *   waits, so that what we take for a literal is what the backend takes for one. Without that a
 *   command that fails before its literal would let "literal" bytes run as commands;
 * - after IDLE everything rests until its "+", so that this "+" is not mistaken for a literal's.
 * And all of it within budgets (mail/budget.h): what is over them is not read until it is due.
 */

enum {
    OPEN_LINE_MAX = 8192, // RFC 7162, section 4, and half of the input buffer
    HEAD_SIZE = 512,      // of a response, to know its kind
    LITERAL_TAIL = 24,    // the longest end of a line that announces a literal, and CR LF
    DEPTH_MAX = 64,       // of lists in lists: what parses them may recurse
    LITERALS_MAX = 256,   // of a command that brings no messages
};

static bool is_one_of(struct span word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_equal_nocase(word, span_text(words[i])))
            return true;
    return false;
}

static bool is_refused(struct span verb)
{
    static const char *const refused[] = {"COMPRESS", "AUTHENTICATE", "LOGIN", "STARTTLS",
                                          "UNAUTHENTICATE"};
    return is_one_of(verb, refused, sizeof refused / sizeof *refused);
}

// Commands whose literals are messages (RFC 3502, RFC 8508).
static bool brings_messages(struct span verb, struct span args)
{
    static const char *const bulky[] = {"APPEND", "REPLACE"};
    if (span_equal_nocase(verb, span_text("UID")))
        verb = line_word(args, &args);
    return is_one_of(verb, bulky, sizeof bulky / sizeof *bulky);
}

static unsigned depth_of(struct span line)
{
    unsigned depth = 0, most = 0;
    bool quoted = false;
    for (size_t i = 0; i < line.size; i++) {
        uint8_t c = line.at[i];
        if (c == '"')
            quoted = !quoted;
        else if (quoted && c == '\\')
            i++;
        else if (!quoted && c == '(' && ++depth > most)
            most = depth;
        else if (!quoted && c == ')' && depth > 0)
            depth--;
    }
    return most;
}

// Is there anything wrong with a line of a command, by its size? NONE: no.
static enum reason size_refusal(struct imap *imap, struct span line,
                                const struct imap_literal *literal)
{
    struct imap_client_flow *flow = &imap->client;
    if (depth_of(line) > DEPTH_MAX)
        return REASON_IMAP_TOO_COMPLEX;
    if (!literal)
        return REASON_NONE;
    if (literal->size > UINT32_MAX)
        return REASON_IMAP_LITERAL_TOO_BIG;
    if (!flow->bulk && flow->literals >= LITERALS_MAX)
        return REASON_IMAP_TOO_COMPLEX;
    enum limit limit = flow->bulk ? LIMIT_LITERAL_BYTES_APPEND : LIMIT_LITERAL_BYTES_COMMAND;
    if (literal->size > imap->host->limits[limit] &&
        imap->host->ops->enforce(imap->host, limit, false))
        return limit_facts(limit)->reason;
    return REASON_NONE;
}

bool imap_splice_may_say(const struct imap *imap)
{
    return imap->backend.pass == 0 && !imap->backend.inside;
}

bool imap_splice_is_safe(const struct imap *imap)
{
    const struct imap_client_flow *flow = &imap->client;
    return imap_splice_may_say(imap) && flow->unanswered == 0 && flow->pass == 0 && !flow->inside &&
           !flow->drop && !flow->unsync;
}

bool imap_splice_is_asked(const struct imap *imap)
{
    const struct imap_client_flow *flow = &imap->client;
    return flow->unanswered > 0 && flow->pass == 0 && !flow->inside && !flow->unsync &&
           flow->wait == WAIT_NOTHING && !flow->idling;
}

static void bye_or_finish(struct imap *imap, enum reason reason, const char *text)
{
    if (imap_splice_may_say(imap))
        imap_bye(imap, reason, text);
    else
        imap_finish(imap, reason);
}

// Passes a checked line on, and knows from its end what will follow it.
static void pass_line(struct imap *imap, struct span line, size_t taken,
                      const struct imap_literal *literal)
{
    struct imap_client_flow *flow = &imap->client;
    flow->inside = literal != NULL;
    flow->pass = taken;
    if (!literal)
        return;
    flow->literals++;
    budget_charge(&imap->budget, imap->host, BUDGET_LITERALS, literal->size, imap->now_us);
    flow->literal_size = literal->size;
    flow->wait = literal->sync ? WAIT_LITERAL : WAIT_OUR_LITERAL;
    if (!literal->sync) {
        flow->pass = line.size - 2; // up to "+}"
        flow->unsync = true;
    }
}

// A line of a command that the backend does not get. A literal that waits will never come.
static size_t drop_line(struct imap *imap, size_t taken, const struct imap_literal *literal)
{
    struct imap_client_flow *flow = &imap->client;
    flow->drop = flow->inside = literal && !literal->sync;
    flow->pass = flow->drop ? literal->size : 0;
    return taken;
}

static size_t refuse(struct imap *imap, size_t taken, const struct imap_literal *literal,
                     enum reason reason, const char *text)
{
    reply_line(imap->host, SIDE_CLIENT, "%s %s", imap->tag, text);
    drop_line(imap, taken, literal);
    imap_count_error(imap, reason);
    return taken;
}

// A command that is too big is refused while all of it is here; a literal that the client will send
// without waiting, or that goes on a command under way, ends the session (RFC 7888, section 4).
static size_t refuse_size(struct imap *imap, size_t taken, const struct imap_literal *literal,
                          enum reason reason)
{
    if (!imap_splice_may_say(imap))
        return 0;
    if (imap->client.inside || (literal && !literal->sync)) {
        imap_bye(imap, reason, "Command too big");
        return taken;
    }
    return refuse(imap, taken, literal, reason,
                  reason == REASON_IMAP_APPEND_TOO_BIG ? "NO [TOOBIG] Message too big"
                                                       : "NO [LIMIT] Command too big");
}

static size_t end_of_idle(struct imap *imap, struct span line, size_t taken)
{
    if (!span_equal_nocase(line, span_text("DONE"))) {
        if (!imap_splice_may_say(imap))
            return 0;
        imap_bye(imap, REASON_MAIL_BAD_COMMAND, "Expected DONE");
        return taken;
    }
    imap->client.idling = false;
    pass_line(imap, line, taken, NULL);
    return 0; // the line goes as what was judged
}

// A new command. 0: it has been judged and goes on as flow->pass, or must wait.
static size_t new_command(struct imap *imap, struct span line, size_t taken,
                          const struct imap_literal *literal)
{
    struct span rest, args;
    if (span_equal_nocase(line, span_text("DONE")))
        return drop_line(imap, taken, NULL); // the backend has ended IDLE by itself
    size_t tag_end = span_find(line, ' ');
    struct span tag = span_head(line, tag_end);
    rest = span_skip(line, tag_end + 1);
    struct span verb = line_word(rest, &args);
    bool idle = span_equal_nocase(verb, span_text("IDLE"));
    bool tagged = imap_command_tag_is_valid(tag);
    const char *why = !tagged || verb.size == 0       ? "BAD A command has a tag and a name"
                      : is_refused(verb)              ? "BAD Command not available"
                      : idle && rest.size > verb.size ? "BAD IDLE takes no arguments"
                                                      : NULL;
    if ((why && !imap_splice_may_say(imap)) ||
        !budget_may(&imap->budget, imap->host, BUDGET_COMMANDS, imap->now_us) ||
        (literal && !budget_may(&imap->budget, imap->host, BUDGET_LITERALS, imap->now_us)))
        return 0;
    imap->client.bulk = brings_messages(verb, args);
    imap->client.literals = 0;
    enum reason too_big = why ? REASON_NONE : size_refusal(imap, line, literal);
    if (too_big && !imap_splice_may_say(imap))
        return 0;
    budget_charge(&imap->budget, imap->host, BUDGET_COMMANDS, 1, imap->now_us);
    imap->host->report.commands++;
    span_to_text(tagged ? tag : span_text("*"), imap->tag, sizeof imap->tag);
    if (why)
        return refuse(imap, taken, literal,
                      is_refused(verb) ? REASON_MAIL_VERB_REFUSED : REASON_MAIL_BAD_COMMAND, why);
    if (too_big)
        return refuse_size(imap, taken, literal, too_big);
    pass_line(imap, line, taken, literal);
    imap->client.unanswered++;
    if (idle)
        imap->client.wait = WAIT_IDLE;
    imap->client.logout |= span_equal_nocase(verb, span_text("LOGOUT"));
    return 0;
}

static size_t more_of_command(struct imap *imap, struct span line, size_t taken,
                              const struct imap_literal *literal)
{
    if (literal && !budget_may(&imap->budget, imap->host, BUDGET_LITERALS, imap->now_us))
        return 0;
    enum reason too_big = size_refusal(imap, line, literal);
    if (too_big)
        return refuse_size(imap, taken, literal, too_big);
    pass_line(imap, line, taken, literal);
    return 0;
}

static size_t take_line(struct imap *imap, struct span input)
{
    struct imap_client_flow *flow = &imap->client;
    struct span line;
    size_t taken;
    enum reason reason;
    struct imap_literal found;
    switch (line_take(input, OPEN_LINE_MAX, &line, &taken, &reason)) {
    case LINE_PARTIAL:
        flow->partial = true;
        return 0;
    case LINE_REFUSED:
        bye_or_finish(imap, reason, "Line refused");
        return taken;
    case LINE_WHOLE:
        break;
    }
    const struct imap_literal *literal = imap_command_literal(line, &found) ? &found : NULL;
    if (flow->drop && !(literal && literal->size > UINT32_MAX))
        return drop_line(imap, taken, literal);
    if (flow->idling)
        return end_of_idle(imap, line, taken);
    if (!flow->inside)
        return new_command(imap, line, taken, literal);
    return more_of_command(imap, line, taken, literal);
}

static size_t pass_on(struct imap *imap, struct span input)
{
    struct imap_client_flow *flow = &imap->client;
    if (!budget_may(&imap->budget, imap->host, BUDGET_UPLOAD, imap->now_us))
        return 0;
    size_t size = flow->drop ? span_head(input, flow->pass).size
                             : splice_forward(imap->host, SIDE_BACKEND, input, flow->pass);
    flow->pass -= size;
    budget_charge(&imap->budget, imap->host, BUDGET_UPLOAD, size, imap->now_us);
    return size;
}

size_t imap_splice_client(struct imap *imap, struct span input)
{
    struct imap_client_flow *flow = &imap->client;
    static const char unsynced[] = "+}\r\n", synced[] = "}\r\n";
    flow->partial = false;
    if (flow->pass == 0 && !flow->unsync && flow->wait == WAIT_NOTHING) {
        size_t taken = take_line(imap, input);
        if (taken > 0 || imap->state != IMAP_OPEN)
            return taken;
    }
    if (flow->pass > 0)
        return pass_on(imap, input);
    if (flow->unsync && imap->host->ops->room(imap->host, SIDE_BACKEND) >= sizeof synced - 1) {
        // The whole line was there when it was judged, so its end is here.
        CHECK(input.size >= sizeof unsynced - 1 && memcmp(input.at, unsynced, 4) == 0);
        imap->host->ops->send(imap->host, SIDE_BACKEND, span_text(synced));
        flow->unsync = false;
        return sizeof unsynced - 1;
    }
    return 0;
}

// The backend's "+". True: it is not for the client.
static bool go_ahead(struct imap *imap)
{
    struct imap_client_flow *flow = &imap->client;
    enum imap_wait wait = (enum imap_wait)flow->wait;
    if (flow->pass > 0 || flow->unsync)
        return false; // it cannot be about what has not gone out yet
    flow->wait = WAIT_NOTHING;
    if (wait == WAIT_IDLE)
        flow->idling = true;
    if (wait == WAIT_LITERAL || wait == WAIT_OUR_LITERAL)
        flow->pass = flow->literal_size;
    return wait == WAIT_OUR_LITERAL;
}

// A tagged response. What is waited for is over when every command has its own: tags alone would
// not tell, for a client may use one twice.
static void command_over(struct imap *imap)
{
    struct imap_client_flow *flow = &imap->client;
    if (flow->unanswered > 0)
        flow->unanswered--;
    if (flow->unanswered > 0 || flow->pass > 0 || flow->unsync)
        return;
    if (flow->wait == WAIT_OUR_LITERAL) { // it stands in the input all the same
        flow->pass = flow->literal_size;
        flow->drop = true;
    } else if (flow->wait != WAIT_NOTHING) {
        flow->inside = false;
    }
    flow->wait = WAIT_NOTHING;
    flow->idling = false;
}

static bool is_status(struct span word)
{
    static const char *const statuses[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (span_equal_nocase(word, span_text(statuses[i])))
            return true;
    return false;
}

static void pass_filtered(struct imap *imap, struct span line, struct span end)
{
    uint8_t text[LINE_BYTES_MAX];
    size_t size = imap_capability_filter(line, text);
    imap->host->ops->send(imap->host, SIDE_CLIENT, span_of(text, size));
    imap->host->ops->send(imap->host, SIDE_CLIENT, end);
}

// The first line of a response, or a part of it that is enough to know its kind. Bytes taken; 0: it
// goes on as flow->at says, or must wait.
static size_t new_response(struct imap *imap, struct span line, size_t size, bool whole)
{
    struct imap_backend_flow *flow = &imap->backend;
    struct span rest;
    struct span first = line_word(line, &rest);
    struct span word = line_word(rest, &rest);
    bool untagged = span_equal(first, span_text("*"));
    bool go = span_equal(span_head(line, 1), span_text("+"));
    bool filter = imap_capability_begins(line);
    if ((go && !whole && size >= LINE_BYTES_MAX) || (filter && size > LINE_BYTES_MAX)) {
        imap_finish(imap, REASON_MAIL_BACKEND_BAD);
        return 0;
    }
    if ((go || filter) && !whole)
        return 0;
    if (filter && imap->host->ops->room(imap->host, SIDE_CLIENT) < size)
        return 0;
    flow->text = go || !untagged || is_status(word);
    flow->bye |= untagged && span_equal_nocase(word, span_text("BYE"));
    if (!go && !untagged && is_status(word))
        command_over(imap);
    if (go && go_ahead(imap))
        return size;
    if (filter) {
        pass_filtered(imap, line, span_of(line.at + line.size, size - line.size));
        return size;
    }
    flow->inside = true;
    return 0;
}

// Inside a response: how much of it goes on, and whether it ends there.
static void judge_line(struct imap *imap, struct span line, size_t size, bool whole)
{
    struct imap_backend_flow *flow = &imap->backend;
    struct imap_literal literal = {0};
    if (!whole) { // its end may announce a literal, so that stays
        flow->pass = size > LITERAL_TAIL ? size - LITERAL_TAIL : 0;
        return;
    }
    flow->inside = !flow->text && imap_command_literal(line, &literal);
    if (literal.size == UINT64_MAX) {
        imap_finish(imap, REASON_MAIL_BACKEND_BAD);
        return;
    }
    flow->pass = size + (flow->inside ? literal.size : 0);
}

size_t imap_splice_backend(struct imap *imap, struct span input)
{
    struct imap_backend_flow *flow = &imap->backend;
    if (flow->pass == 0) {
        size_t end = span_find(input, '\n');
        bool whole = end < input.size, cr = whole && end > 0 && input.at[end - 1] == '\r';
        struct span line = span_head(input, cr ? end - 1 : end);
        size_t size = whole ? end + 1 : input.size;
        if (!flow->inside && !whole && size < HEAD_SIZE)
            return 0;
        size_t taken = flow->inside ? 0 : new_response(imap, line, size, whole);
        if (taken > 0 || imap->state != IMAP_OPEN || !flow->inside)
            return taken;
        judge_line(imap, line, size, whole);
        if (imap->state != IMAP_OPEN)
            return 0;
    }
    if (!budget_may(&imap->budget, imap->host, BUDGET_DOWNLOAD, imap->now_us))
        return 0;
    size_t sent = splice_forward(imap->host, SIDE_CLIENT, input, flow->pass);
    flow->pass -= sent;
    budget_charge(&imap->budget, imap->host, BUDGET_DOWNLOAD, sent, imap->now_us);
    return sent;
}

void imap_splice_read(struct imap *imap, size_t taken, bool all)
{
    const struct imap_client_flow *flow = &imap->client;
    bool begun = flow->partial || (all && (flow->pass > 0 || (flow->inside && !flow->wait)));
    budget_read(&imap->budget, imap->host, taken, begun, imap->now_us);
    if (taken > 0)
        imap->idle_until_us = login_idle_until(imap->host, imap->now_us);
    budget_deadline(&imap->budget, imap->host, imap->idle_until_us);
}

// What comes while IDLE is on does not show that the client is there (RFC 2177).
void imap_splice_wrote(struct imap *imap, size_t taken)
{
    if (taken > 0 && imap->client.unanswered > 0 && !imap->client.idling)
        imap->idle_until_us = login_idle_until(imap->host, imap->now_us);
    budget_deadline(&imap->budget, imap->host, imap->idle_until_us);
}

// What waited for a budget is offered again by the session.
void imap_splice_timeout(struct imap *imap)
{
    budget_woke(&imap->budget);
    if (imap->now_us >= imap->idle_until_us) {
        if (login_may_log_out(imap->host)) {
            bye_or_finish(imap, REASON_IMAP_AUTOLOGOUT, "Idle for too long");
            return;
        }
        imap->idle_until_us = login_idle_until(imap->host, imap->now_us);
    }
    if (budget_is_slow(&imap->budget, imap->host, imap->now_us))
        bye_or_finish(imap, REASON_MAIL_UPLOAD_SLOW, "Command too slow");
    else
        budget_deadline(&imap->budget, imap->host, imap->idle_until_us);
}

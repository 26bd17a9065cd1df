// SPDX-License-Identifier: BSD-3-Clause
#include "pop3/pop3_internal.h"

#include "mail/line.h"
#include "mail/login.h"
#include "mail/reply.h"
#include "mail/splice.h"

/* The spliced session. Commands go on line by line, those alone that are known: a reply's length
 * follows from its command (RFC 1939, section 3), so that it is known when none is under way, and
 * what is refused is answered in its place. Replies go on as they come, but for a CAPA's lines that
 * are not for somebody who is logged in. All of it within budgets (mail/budget.h).
 */

enum { OPEN_LINE_MAX = 512 }; // RFC 2449, section 4, says 255

enum shape { // of the reply
    ONE_LINE = POP3_REPLY_LINE,
    LINES = POP3_REPLY_LINES,
    CAPA_LINES = POP3_REPLY_CAPA,
    LINES_FOR_ALL, // LINES without an argument, else ONE_LINE
    REFUSED,       // it would change the login or the encoding
};

static const struct {
    const char *name;
    enum shape shape;
} verbs[] = {
    {"RETR", LINES},         {"STAT", ONE_LINE},   {"LIST", LINES_FOR_ALL}, {"DELE", ONE_LINE},
    {"UIDL", LINES_FOR_ALL}, {"TOP", LINES},       {"NOOP", ONE_LINE},      {"RSET", ONE_LINE},
    {"QUIT", ONE_LINE},      {"CAPA", CAPA_LINES}, {"LAST", ONE_LINE},      {"LANG", LINES_FOR_ALL},
    {"STLS", REFUSED},       {"AUTH", REFUSED},    {"USER", REFUSED},       {"PASS", REFUSED},
    {"APOP", REFUSED},       {"UTF8", REFUSED},    {"XCLIENT", REFUSED},
};

bool pop3_splice_is_asked(const struct pop3 *pop3)
{
    const struct pop3_flow *flow = &pop3->flow;
    return flow->replies_count > 0 || flow->body || flow->reply_pass > 0;
}

bool pop3_splice_is_safe(const struct pop3 *pop3)
{
    return !pop3_splice_is_asked(pop3) && pop3->flow.pass == 0 && !pop3->flow.deleted;
}

static void reply_expected(struct pop3_flow *flow, enum shape shape)
{
    unsigned last = (flow->replies_first + flow->replies_count++) % POP3_PIPELINE_MAX;
    flow->replies[last] = (uint8_t)shape;
}

static size_t refuse(struct pop3 *pop3, size_t taken, enum reason reason)
{
    if (pop3_splice_is_asked(pop3))
        return 0; // not before the replies to what came before
    pop3->host->report.commands++;
    pop3_refuse(pop3, reason, "Command not available");
    return taken;
}

// A line was judged and goes on as flow->pass; else the bytes taken, 0: it waits.
static size_t take_command(struct pop3 *pop3, struct span line, size_t taken)
{
    struct pop3_flow *flow = &pop3->flow;
    struct span args, verb = line_word(line, &args);
    if (flow->replies_count == POP3_PIPELINE_MAX ||
        !budget_may(&pop3->budget, pop3->host, BUDGET_COMMANDS, pop3->now_us))
        return 0;
    size_t i = 0;
    while (i < sizeof verbs / sizeof *verbs && !span_equal_nocase(verb, span_text(verbs[i].name)))
        i++;
    if (i == sizeof verbs / sizeof *verbs)
        return refuse(pop3, taken, REASON_MAIL_BAD_COMMAND);
    enum shape shape = verbs[i].shape;
    if (shape == REFUSED)
        return refuse(pop3, taken, REASON_MAIL_VERB_REFUSED);
    if (shape == LINES_FOR_ALL)
        shape = args.size ? ONE_LINE : LINES;
    budget_charge(&pop3->budget, pop3->host, BUDGET_COMMANDS, 1, pop3->now_us);
    pop3->host->report.commands++;
    reply_expected(flow, shape);
    pop3->quit |= span_equal_nocase(verb, span_text("QUIT"));
    flow->deleted |= span_equal_nocase(verb, span_text("DELE"));
    flow->deleted &= !span_equal_nocase(verb, span_text("RSET"));
    flow->pass = (uint16_t)taken;
    return 0;
}

size_t pop3_splice_client(struct pop3 *pop3, struct span input)
{
    struct pop3_flow *flow = &pop3->flow;
    flow->partial = false;
    if (flow->pass == 0) {
        struct span line;
        size_t taken;
        enum reason reason;
        switch (line_take(input, OPEN_LINE_MAX, &line, &taken, &reason)) {
        case LINE_PARTIAL:
            flow->partial = true;
            return 0;
        case LINE_REFUSED:
            pop3_finish(pop3, reason);
            return taken;
        case LINE_WHOLE:
            break;
        }
        taken = take_command(pop3, span_trim(line), taken);
        if (flow->pass == 0)
            return taken;
    }
    if (!budget_may(&pop3->budget, pop3->host, BUDGET_UPLOAD, pop3->now_us))
        return 0;
    size_t sent = splice_forward(pop3->host, SIDE_BACKEND, input, flow->pass);
    flow->pass = (uint16_t)(flow->pass - sent);
    budget_charge(&pop3->budget, pop3->host, BUDGET_UPLOAD, sent, pop3->now_us);
    return sent;
}

// The first line of a reply; bytes of it, 0: it is not whole.
static size_t status_size(struct pop3 *pop3, struct span input)
{
    struct pop3_flow *flow = &pop3->flow;
    size_t end = span_find(input, '\n');
    if (end == input.size) {
        if (input.size >= LINE_BYTES_MAX)
            pop3_finish(pop3, REASON_MAIL_BACKEND_BAD);
        return 0;
    }
    uint8_t shape = POP3_REPLY_LINE; // nobody asked: it says good-bye
    if (flow->replies_count > 0) {
        shape = flow->replies[flow->replies_first];
        flow->replies_first = (uint8_t)((flow->replies_first + 1) % POP3_PIPELINE_MAX);
        flow->replies_count--;
    }
    bool good = span_starts_nocase(input, span_text("+OK"));
    flow->body = good && shape != POP3_REPLY_LINE;
    flow->capa = flow->body && shape == POP3_REPLY_CAPA;
    flow->matched = 1; // the line before has ended
    return end + 1;
}

// Bytes up to the end of the reply, as far as it is here. flow->matched bytes of LF . CR LF have
// gone already.
static size_t body_size(struct pop3_flow *flow, struct span input)
{
    static const char end[] = "\n.\r\n";
    enum { END = sizeof end - 1 };
    size_t i = 0;
    while (i < input.size && flow->matched > 0 && flow->matched < END) {
        uint8_t c = input.at[i++];
        flow->matched = c == end[flow->matched] ? flow->matched + 1 : c == '\n';
    }
    if (flow->matched < END && i < input.size) {
        const uint8_t *found = memmem(input.at + i, input.size - i, end, END);
        if (found) {
            flow->matched = END;
            i = (size_t)(found - input.at) + END;
        } else {
            for (uint8_t tail = 1; tail < END && tail <= input.size - i; tail++)
                if (memcmp(input.at + input.size - tail, end, tail) == 0)
                    flow->matched = tail;
            i = input.size;
        }
    }
    flow->body = flow->matched < END;
    return i;
}

// A line of a CAPA reply. True: the client is not told.
static bool is_for_logins(struct span line)
{
    static const char *const words[] = {"STLS", "SASL", "USER", "APOP", "UTF8", "XCLIENT"};
    struct span rest, word = line_word(line, &rest);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_equal_nocase(word, span_text(words[i])))
            return true;
    return false;
}

static size_t capa_size(struct pop3 *pop3, struct span input, bool *ret_drop)
{
    struct pop3_flow *flow = &pop3->flow;
    size_t end = span_find(input, '\n');
    if (end == input.size) {
        if (input.size >= LINE_BYTES_MAX)
            pop3_finish(pop3, REASON_MAIL_BACKEND_BAD);
        return 0;
    }
    struct span line = span_head(input, end > 0 && input.at[end - 1] == '\r' ? end - 1 : end);
    *ret_drop = is_for_logins(line);
    flow->body = flow->capa = !span_equal(line, span_text("."));
    return end + 1;
}

size_t pop3_splice_backend(struct pop3 *pop3, struct span input)
{
    struct pop3_flow *flow = &pop3->flow;
    bool drop = false;
    if (flow->reply_pass == 0)
        flow->reply_pass = !flow->body  ? status_size(pop3, input)
                           : flow->capa ? capa_size(pop3, input, &drop)
                                        : body_size(flow, input);
    if (drop) {
        flow->reply_pass = 0;
        return span_find(input, '\n') + 1;
    }
    if (pop3->state != POP3_OPEN || flow->reply_pass == 0 ||
        !budget_may(&pop3->budget, pop3->host, BUDGET_DOWNLOAD, pop3->now_us))
        return 0;
    size_t sent = splice_forward(pop3->host, SIDE_CLIENT, input, flow->reply_pass);
    flow->reply_pass -= sent;
    budget_charge(&pop3->budget, pop3->host, BUDGET_DOWNLOAD, sent, pop3->now_us);
    return sent;
}

void pop3_splice_read(struct pop3 *pop3, size_t taken)
{
    budget_read(&pop3->budget, pop3->host, taken, pop3->flow.partial, pop3->now_us);
    if (taken > 0)
        pop3->idle_until_us = login_idle_until(pop3->host, pop3->now_us);
    budget_deadline(&pop3->budget, pop3->host, pop3->idle_until_us);
}

void pop3_splice_wrote(struct pop3 *pop3, size_t taken)
{
    if (taken > 0)
        pop3->idle_until_us = login_idle_until(pop3->host, pop3->now_us);
    budget_deadline(&pop3->budget, pop3->host, pop3->idle_until_us);
}

// A session that is timed out gets no reply (RFC 1939, section 3).
void pop3_splice_timeout(struct pop3 *pop3)
{
    budget_woke(&pop3->budget);
    if (pop3->now_us >= pop3->idle_until_us) {
        if (login_may_log_out(pop3->host)) {
            pop3_finish(pop3, REASON_POP3_AUTOLOGOUT);
            return;
        }
        pop3->idle_until_us = login_idle_until(pop3->host, pop3->now_us);
    }
    if (budget_is_slow(&pop3->budget, pop3->host, pop3->now_us))
        pop3_finish(pop3, REASON_MAIL_UPLOAD_SLOW);
    else
        budget_deadline(&pop3->budget, pop3->host, pop3->idle_until_us);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "mail/opening.h"

#include "mail/line.h"

#include <stdio.h>

enum reply_kind { KIND_BAD, KIND_REFUSED, KIND_MORE, KIND_LAST };

static enum reply_kind smtp_line(struct opening *opening, struct span line)
{
    uint64_t code = 0;
    char mark = line.size > 3 ? (char)line.at[3] : ' ';
    if (line.size < 3 || !span_to_u64(span_head(line, 3), 599, &code) || code < 200 ||
        (mark != ' ' && mark != '-') || (opening->code && opening->code != code))
        return KIND_BAD;
    opening->code = mark == '-' ? (uint16_t)code : 0;
    if (mark == '-')
        return KIND_MORE;
    if (code >= 400)
        return KIND_REFUSED;
    return code == (opening->step == OPENING_CAPABILITIES ? 250 : 220) ? KIND_LAST : KIND_BAD;
}

// PREAUTH would be somebody else's session.
static enum reply_kind imap_line(struct opening *opening, struct span line)
{
    struct span rest, word = line_word(line, &rest);
    bool ok = span_equal_nocase(line_word(rest, &rest), span_text("OK"));
    bool greeting = opening->step == OPENING_GREETING;
    if (span_starts_nocase(line, span_text("* BYE")))
        return KIND_REFUSED;
    if (span_equal(word, span_text("*")))
        return !greeting ? KIND_MORE : ok ? KIND_LAST : KIND_BAD;
    return !greeting && ok && span_equal(word, span_text("W")) ? KIND_LAST : KIND_BAD;
}

static enum reply_kind pop3_line(struct opening *opening, struct span line)
{
    struct span rest, status = line_word(line, &rest);
    if (span_equal(status, span_text("-ERR")))
        return KIND_REFUSED;
    return span_equal(status, span_text("+OK")) ? KIND_LAST : KIND_BAD;
}

// Commands to the server; IMAP's have the tag "W".
static const struct speech {
    enum reply_kind (*line)(struct opening *opening, struct span line);
    const char *capability; // NULL: nothing is needed to be known
    bool named;             // our name stands behind it
    const char *starttls, *farewell;
} speeches[PROTOCOL_COUNT] = {
    [PROTOCOL_SMTP] = {smtp_line, "EHLO ", true, "STARTTLS", "QUIT\r\n"},
    [PROTOCOL_IMAP] = {imap_line, "W CAPABILITY", false, "W STARTTLS", "W LOGOUT\r\n"},
    [PROTOCOL_POP3] = {pop3_line, NULL, false, "STLS", "QUIT\r\n"},
};

void opening_start(struct opening *opening, const struct mail_protocol *protocol, bool starttls)
{
    *opening = (struct opening){.note_offer = protocol->note_offer,
                                .protocol = (uint8_t)protocol->protocol,
                                .starttls = starttls};
}

static enum opening_result go_on(struct opening *opening, const char *host_name,
                                 char say[OPENING_SAY_SIZE])
{
    const struct speech *speech = &speeches[opening->protocol];
    if (speech->capability && !opening->offer.known) {
        opening->step = OPENING_CAPABILITIES;
        snprintf(say, OPENING_SAY_SIZE, "%s%s\r\n", speech->capability,
                 speech->named ? host_name : "");
        return OPENING_WAIT;
    }
    if (opening->starttls) {
        opening->step = OPENING_STARTTLS;
        snprintf(say, OPENING_SAY_SIZE, "%s\r\n", speech->starttls);
        return OPENING_WAIT;
    }
    opening->step = OPENING_DONE;
    return OPENING_READY;
}

// The reply to this step was good.
static enum opening_result take_good(struct opening *opening, const char *host_name,
                                     char say[OPENING_SAY_SIZE])
{
    opening->lines = 0;
    switch ((enum opening_step)opening->step) {
    case OPENING_GREETING:
        return go_on(opening, host_name, say);
    case OPENING_CAPABILITIES:
        return opening->offer.known ? go_on(opening, host_name, say) : OPENING_BAD;
    case OPENING_STARTTLS:
        opening->step = OPENING_HANDSHAKE;
        opening->starttls = false;
        opening->offer = (struct mail_offer){0};
        return OPENING_TLS;
    case OPENING_HANDSHAKE:
    case OPENING_DONE:
        break;
    }
    check_failed("a step with a reply", __FILE__, __LINE__);
}

enum opening_result opening_input(struct opening *opening, struct span input, const char *host_name,
                                  size_t *ret_taken, char say[OPENING_SAY_SIZE])
{
    struct span line;
    enum reason reason;
    say[0] = '\0';
    *ret_taken = 0;
    switch (line_take(input, LINE_BYTES_MAX, &line, ret_taken, &reason)) {
    case LINE_PARTIAL:
        return OPENING_WAIT;
    case LINE_REFUSED:
        return OPENING_BAD;
    case LINE_WHOLE:
        break;
    }
    if (++opening->lines > OPENING_LINES_MAX)
        return OPENING_BAD;
    enum reply_kind kind = speeches[opening->protocol].line(opening, line);
    bool offers = opening->step == OPENING_CAPABILITIES || opening->protocol == PROTOCOL_IMAP;
    if (kind >= KIND_MORE && offers && opening->note_offer)
        opening->note_offer(&opening->offer, line);
    switch (kind) {
    case KIND_BAD:
        return OPENING_BAD;
    case KIND_REFUSED:
        return OPENING_REFUSED;
    case KIND_MORE:
        return OPENING_WAIT;
    case KIND_LAST:
        return take_good(opening, host_name, say);
    }
    check_failed("a known kind", __FILE__, __LINE__);
}

enum opening_result opening_secured(struct opening *opening, const char *host_name,
                                    char say[OPENING_SAY_SIZE])
{
    CHECK(opening->step == OPENING_HANDSHAKE);
    say[0] = '\0';
    return go_on(opening, host_name, say);
}

const char *opening_farewell(const struct opening *opening)
{
    return speeches[opening->protocol].farewell;
}

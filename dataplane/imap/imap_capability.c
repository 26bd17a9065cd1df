// SPDX-License-Identifier: BSD-3-Clause
#include "imap/imap_capability.h"

#include "mail/line.h"

// What follows "* CAPABILITY " or "[CAPABILITY "; *ret_code: the latter.
static struct span behind_word(struct span line, bool *ret_code)
{
    static const char untagged[] = "CAPABILITY ", code[] = "[CAPABILITY ";
    struct span rest, text;
    struct span tag = line_word(line, &rest);
    *ret_code = false;
    if (span_equal(tag, span_text("*")) && span_starts_nocase(rest, span_text(untagged)))
        return span_skip(rest, sizeof untagged - 1);
    *ret_code = true;
    struct span word = line_word(rest, &text);
    if (!span_equal_nocase(word, span_text("OK")) || !span_starts_nocase(text, span_text(code)))
        return span_of(NULL, 0);
    return span_skip(text, sizeof code - 1);
}

bool imap_capability_begins(struct span line)
{
    bool code;
    return behind_word(line, &code).size > 0;
}

struct span imap_capability_list(struct span line)
{
    bool code;
    struct span text = behind_word(line, &code);
    size_t end = code ? span_find(text, ']') : text.size;
    return code && end == text.size ? span_of(NULL, 0) : span_head(text, end);
}

void imap_capability_note(struct mail_offer *offer, struct span line)
{
    struct span list = imap_capability_list(line);
    offer->known |= list.size > 0;
    while (list.size) {
        struct span word = line_word(list, &list);
        if (span_equal_nocase(word, span_text("AUTH=PLAIN")))
            offer->bits |= OFFER_AUTH_PLAIN;
        else if (span_equal_nocase(word, span_text("SASL-IR")))
            offer->bits |= OFFER_SASL_IR;
        else if (span_equal_nocase(word, span_text("LOGINDISABLED")))
            offer->bits |= OFFER_LOGIN_DISABLED;
    }
}

static bool is_for_clients(struct span word)
{
    static const char *const heads[] = {"COMPRESS=",        "AUTH=",          "STARTTLS",
                                        "LOGINDISABLED",    "UNAUTHENTICATE", "LOGIN-REFERRALS",
                                        "MAILBOX-REFERRALS"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (span_starts_nocase(word, span_text(heads[i])))
            return false;
    return true;
}

size_t imap_capability_filter(struct span line, uint8_t *out)
{
    struct span list = imap_capability_list(line);
    size_t used = list.size ? (size_t)(list.at - line.at) : line.size;
    struct span tail = span_skip(line, used + list.size);
    if (used)
        memcpy(out, line.at, used);
    bool first = true;
    while (list.size) {
        struct span word = line_word(list, &list);
        if (word.size == 0 || !is_for_clients(word))
            continue;
        if (!first)
            out[used++] = ' ';
        first = false;
        memcpy(out + used, word.at, word.size);
        used += word.size;
    }
    if (tail.size)
        memcpy(out + used, tail.at, tail.size);
    return used + tail.size;
}

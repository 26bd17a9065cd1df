// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_xclient.h"

#include "base/check.h"
#include "mail/line.h"
#include "smtp/smtp.h"
#include "smtp/smtp_text.h"

static void add_xtext(struct smtp_text *text, struct span value)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.at[i];
        if (c > 0x20 && c < 0x7f && c != '+' && c != '=')
            smtp_text_add(text, "%c", c);
        else
            smtp_text_add(text, "+%02X", c);
    }
}

static void add_addr(struct smtp_text *text, const struct addr *addr)
{
    char buffer[ADDR_TEXT_SIZE];
    smtp_text_add(text, "%s%s", addr_is_v4(addr) ? "" : "IPV6:", addr_format(addr, buffer));
}

static void add_name(struct smtp_text *text, const struct smtp *smtp)
{
    if (smtp->rdns == RDNS_CONFIRMED && smtp->rdns_name.size)
        add_xtext(text, message_name_span(&smtp->rdns_name));
    else
        smtp_text_add(text, "[UNAVAILABLE]");
}

static void add_client(struct smtp_text *text, const struct smtp *smtp)
{
    add_addr(text, &smtp->host->client);
}

static void add_port(struct smtp_text *text, const struct smtp *smtp)
{
    smtp_text_add(text, "%u", smtp->host->client_port);
}

static void add_proto(struct smtp_text *text, const struct smtp *smtp)
{
    smtp_text_add(text, smtp->esmtp ? "ESMTP" : "SMTP");
}

static void add_helo(struct smtp_text *text, const struct smtp *smtp)
{
    add_xtext(text, smtp_helo(smtp));
}

static void add_local(struct smtp_text *text, const struct smtp *smtp)
{
    add_addr(text, &smtp->host->local);
}

static void add_local_port(struct smtp_text *text, const struct smtp *smtp)
{
    smtp_text_add(text, "%u", smtp->host->local_port);
}

static void add_login(struct smtp_text *text, const struct smtp *smtp)
{
    if (smtp->user_size)
        add_xtext(text, smtp_user(smtp));
    else
        smtp_text_add(text, "[UNAVAILABLE]");
}

static const struct attribute {
    const char *name;
    uint8_t bit;
    void (*add)(struct smtp_text *text, const struct smtp *smtp);
} attributes_in_order[] = {
    {"NAME", XCLIENT_NAME, add_name},          {"PORT", XCLIENT_PORT, add_port},
    {"PROTO", XCLIENT_PROTO, add_proto},       {"HELO", XCLIENT_HELO, add_helo},
    {"DESTADDR", XCLIENT_DESTADDR, add_local}, {"DESTPORT", XCLIENT_DESTPORT, add_local_port},
    {"ADDR", XCLIENT_ADDR, add_client},        {"LOGIN", XCLIENT_LOGIN, add_login},
};

enum { LAST_ONES = XCLIENT_ADDR | XCLIENT_LOGIN };

uint8_t smtp_xclient_offered(struct span words)
{
    uint8_t bits = 0;
    while (words.size) { // every round takes a word
        struct span word = line_word(words, &words);
        for (size_t i = 0; i < sizeof attributes_in_order / sizeof attributes_in_order[0]; i++)
            if (span_equal_nocase(word, span_text(attributes_in_order[i].name)))
                bits |= attributes_in_order[i].bit;
    }
    return bits;
}

static struct span command(const struct smtp *smtp, uint8_t attributes, char *buffer)
{
    struct smtp_text text = smtp_text_in(buffer, XCLIENT_TEXT_SIZE);
    smtp_text_add(&text, "XCLIENT");
    for (size_t i = 0; i < sizeof attributes_in_order / sizeof attributes_in_order[0]; i++) {
        const struct attribute *attribute = &attributes_in_order[i];
        if (!(attributes & attribute->bit))
            continue;
        smtp_text_add(&text, " %s=", attribute->name);
        attribute->add(&text, smtp);
    }
    smtp_text_add(&text, "\r\n");
    CHECK(!text.full);
    return smtp_text_span(&text);
}

unsigned smtp_xclient_commands(const struct smtp *smtp, uint8_t attributes)
{
    char text[XCLIENT_TEXT_SIZE];
    if (!(attributes & XCLIENT_ADDR))
        return 0;
    bool splits = attributes & ~LAST_ONES;
    return splits && command(smtp, attributes, text).size > XCLIENT_LINE_MAX ? 2 : 1;
}

struct span smtp_xclient_command(const struct smtp *smtp, uint8_t attributes, unsigned commands,
                                 unsigned left, char text[XCLIENT_TEXT_SIZE])
{
    if (commands == 2)
        attributes &= (uint8_t)(left == 2 ? ~LAST_ONES : LAST_ONES);
    return command(smtp, attributes, text);
}

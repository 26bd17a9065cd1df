// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_param.h"

static bool take_size(struct span value, struct smtp_param *param)
{
    return value.size <= 20 && span_to_u64(value, UINT64_MAX, &param->size);
}

static bool take_body(struct span value, struct smtp_param *param)
{
    if (span_equal_nocase(value, span_text("8BITMIME")))
        param->bits |= PARAM_8BIT;
    else if (!span_equal_nocase(value, span_text("7BIT")))
        return false;
    return true;
}

static bool take_flag(struct span value, struct smtp_param *param)
{
    return value.at == NULL;
}

static bool take_xtext(struct span value, struct smtp_param *param)
{
    for (size_t i = 0; i < value.size; i++)
        if (value.at[i] <= 0x20 || value.at[i] >= 0x7f)
            return false;
    return value.size > 0;
}

static int hex(uint8_t c) // its value; -1: it is none
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// RFC 3461, section 4: graphic characters, others as +XX. What they stand for ends up in the
// headers of reports, so that must be text, too (sections 4.2 and 4.4).
static bool is_xtext(struct span value)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.at[i];
        if (c <= 0x20 || c >= 0x7f || c == '=')
            return false;
        if (c != '+')
            continue;
        if (value.size - i < 3)
            return false;
        int high = hex(value.at[i + 1]), low = hex(value.at[i + 2]), stands_for = high * 16 + low;
        if (high < 0 || low < 0 || stands_for < 0x20 || stands_for >= 0x7f)
            return false;
        i += 2;
    }
    return value.size > 0;
}

static bool take_ret(struct span value, struct smtp_param *param)
{
    if (span_equal_nocase(value, span_text("FULL")))
        param->bits |= PARAM_RET_FULL;
    else if (!span_equal_nocase(value, span_text("HDRS")))
        return false;
    return true;
}

static bool take_envid(struct span value, struct smtp_param *param)
{
    param->text = value;
    return value.size <= SMTP_ENVID_MAX && is_xtext(value);
}

static bool is_atom(struct span value)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.at[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return value.size > 0;
}

static bool take_orcpt(struct span value, struct smtp_param *param)
{
    size_t semicolon = span_find(value, ';');
    param->text = value;
    return value.size <= SMTP_ORCPT_MAX && is_atom(span_head(value, semicolon)) &&
           is_xtext(span_skip(value, semicolon + 1));
}

static bool take_notify(struct span value, struct smtp_param *param)
{
    static const char *const words[] = {"SUCCESS", "FAILURE", "DELAY", "NEVER"};
    for (bool more = true; more;) { // every round takes a word
        size_t comma = span_find(value, ',');
        struct span word = span_head(value, comma);
        unsigned i = 0;
        while (i < 4 && !span_equal_nocase(word, span_text(words[i])))
            i++;
        if (i == 4 || param->notify >> i & 1)
            return false;
        param->notify |= (uint8_t)(1u << i);
        more = comma < value.size;
        value = span_skip(value, comma + 1);
    }
    return !(param->notify & NOTIFY_NEVER) || param->notify == NOTIFY_NEVER;
}

static const struct parameter {
    const char *name;
    uint16_t bit;
    bool rcpt;                                                 // else of MAIL
    bool (*take)(struct span value, struct smtp_param *param); // value.at NULL: no '='
} parameters[] = {
    {"SIZE", PARAM_SIZE, false, take_size},      {"BODY", PARAM_BODY, false, take_body},
    {"SMTPUTF8", PARAM_UTF8, false, take_flag},  {"AUTH", PARAM_AUTH, false, take_xtext},
    {"RET", PARAM_RET, false, take_ret},         {"ENVID", PARAM_ENVID, false, take_envid},
    {"NOTIFY", PARAM_NOTIFY, true, take_notify}, {"ORCPT", PARAM_ORCPT, true, take_orcpt},
};

static const struct parameter *find(struct span name, bool rcpt)
{
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
        if (parameters[i].rcpt == rcpt && span_equal_nocase(name, span_text(parameters[i].name)))
            return &parameters[i];
    return NULL;
}

static enum smtp_param_result take_one(struct span text, bool rcpt, struct smtp_param *param)
{
    size_t equals = span_find(text, '=');
    const struct parameter *found = find(span_head(text, equals), rcpt);
    struct span value = equals < text.size ? span_skip(text, equals + 1) : span_of(NULL, 0);
    if (!found)
        return PARAM_UNKNOWN;
    if ((param->bits & found->bit) || !found->take(value, param))
        return PARAM_MALFORMED;
    param->bits |= found->bit;
    return PARAM_OK;
}

enum smtp_param_result smtp_param_parse(struct span text, bool rcpt, struct smtp_param *ret_param)
{
    struct smtp_param param = {0};
    if (text.size && text.at[0] != ' ')
        return PARAM_MALFORMED;
    for (;;) { // ends: every round takes spaces and a word
        while (text.size && text.at[0] == ' ')
            text = span_skip(text, 1);
        if (text.size == 0)
            break;
        size_t end = span_find(text, ' ');
        enum smtp_param_result result = take_one(span_head(text, end), rcpt, &param);
        if (result != PARAM_OK)
            return result;
        text = span_skip(text, end);
    }
    *ret_param = param;
    return PARAM_OK;
}

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

static const struct parameter {
    const char *name;
    uint8_t bit;
    bool (*take)(struct span value, struct smtp_param *param); // value.at NULL: no '='
} parameters[] = {
    {"SIZE", PARAM_SIZE, take_size},
    {"BODY", PARAM_BODY, take_body},
    {"SMTPUTF8", PARAM_UTF8, take_flag},
    {"AUTH", PARAM_AUTH, take_xtext},
};

static const struct parameter *find(struct span name)
{
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
        if (span_equal_nocase(name, span_text(parameters[i].name)))
            return &parameters[i];
    return NULL;
}

static enum smtp_param_result take_one(struct span text, struct smtp_param *param)
{
    size_t equals = span_find(text, '=');
    const struct parameter *found = find(span_head(text, equals));
    struct span value = equals < text.size ? span_skip(text, equals + 1) : span_of(NULL, 0);
    if (!found)
        return PARAM_UNKNOWN;
    if ((param->bits & found->bit) || !found->take(value, param))
        return PARAM_MALFORMED;
    param->bits |= found->bit;
    return PARAM_OK;
}

enum smtp_param_result smtp_param_parse(struct span text, struct smtp_param *ret_param)
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
        enum smtp_param_result result = take_one(span_head(text, end), &param);
        if (result != PARAM_OK)
            return result;
        text = span_skip(text, end);
    }
    *ret_param = param;
    return PARAM_OK;
}

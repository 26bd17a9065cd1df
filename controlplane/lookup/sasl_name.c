// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/sasl_name.h"

static bool is_binding_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-';
}

static bool is_binding(struct span name)
{
    for (size_t i = 0; i < name.size; i++)
        if (!is_binding_byte(name.at[i]))
            return false;
    return name.size > 0;
}

// "p=TYPE", "n" or "y"; then ","; then "a=NAME" or nothing; then ",".
bool gs2_header_take(struct span *message, struct gs2_header *ret_header)
{
    struct span flag = span_head(*message, span_find(*message, ','));
    struct span rest = span_skip(*message, flag.size + 1);
    struct span authzid = span_head(rest, span_find(rest, ','));
    size_t size = flag.size + 1 + authzid.size + 1;
    if (flag.size == 0 || size > message->size)
        return false;
    struct gs2_header header = {.text = span_head(*message, size), .flag = (char)flag.at[0]};
    if (header.flag == 'p' && flag.size > 2 && flag.at[1] == '=')
        header.binding = span_skip(flag, 2);
    else if ((header.flag != 'n' && header.flag != 'y') || flag.size != 1)
        return false;
    if (header.flag == 'p' && !is_binding(header.binding))
        return false;
    if (authzid.size > 0 && !span_equal(span_head(authzid, 2), span_text("a=")))
        return false;
    header.authzid = span_skip(authzid, 2);
    *message = span_skip(*message, size);
    *ret_header = header;
    return true;
}

static bool user_add(char user[USER_NAME_MAX], uint8_t *size, uint8_t c)
{
    if (*size == USER_NAME_MAX || c < 0x20 || c == 0x7f)
        return false;
    user[(*size)++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return true;
}

bool sasl_name_decode(struct span text, char user[USER_NAME_MAX], uint8_t *ret_size)
{
    uint8_t size = 0;
    while (text.size) {
        struct span code = span_head(text, 3);
        uint8_t c = text.at[0];
        if (c == ',')
            return false;
        if (c == '=' && span_equal(code, span_text("=2C")))
            c = ',';
        else if (c == '=' && !span_equal(code, span_text("=3D")))
            return false;
        if (!user_add(user, &size, c))
            return false;
        text = span_skip(text, text.at[0] == '=' ? 3 : 1);
    }
    *ret_size = size;
    return size > 0;
}

static bool find_xoauth2(struct span message, char user[USER_NAME_MAX], uint8_t *ret_size)
{
    struct span head = span_text("user=");
    uint8_t size = 0;
    if (!span_starts_nocase(message, head))
        return false;
    struct span name = span_skip(message, head.size);
    size_t end = span_find(name, 1); // ^A
    for (size_t i = 0; i < end; i++)
        if (end == name.size || !user_add(user, &size, name.at[i]))
            return false;
    *ret_size = size;
    return size > 0;
}

bool sasl_name_find(enum mechanism mechanism, struct span message, char user[USER_NAME_MAX],
                    uint8_t *ret_size)
{
    struct gs2_header header;
    if (mechanism == MECHANISM_XOAUTH2)
        return find_xoauth2(message, user, ret_size);
    if (!gs2_header_take(&message, &header))
        return false;
    if (mechanism == MECHANISM_OAUTHBEARER)
        return sasl_name_decode(header.authzid, user, ret_size);
    struct span name = span_head(message, span_find(message, ','));
    return span_equal(span_head(name, 2), span_text("n=")) &&
           sasl_name_decode(span_skip(name, 2), user, ret_size);
}

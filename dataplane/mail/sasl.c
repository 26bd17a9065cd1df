// SPDX-License-Identifier: BSD-3-Clause
#include "mail/sasl.h"

enum { SASL_RESPONSE_MAX = USER_NAME_MAX + 1 + USER_NAME_MAX + 1 + PASSWORD_MAX };

static const char base64_digits[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',
    'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
    'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/'};

static int digit_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// The three bytes of a group of four digits, of which the last `padding` are '='; -1: malformed.
static int group_value(const uint8_t *group, unsigned padding)
{
    int value = 0;
    for (unsigned i = 0; i < 4; i++) {
        int digit = i < 4 - padding ? digit_value(group[i]) : 0;
        if (digit < 0)
            return -1;
        value = value << 6 | digit;
    }
    int unused = padding == 2 ? 0xffff : padding == 1 ? 0xff : 0;
    return value & unused ? -1 : value;
}

int base64_decode(struct span text, uint8_t *out, size_t size)
{
    if (text.size % 4 != 0)
        return -1;
    unsigned padding = 0;
    while (padding < 2 && padding < text.size && text.at[text.size - 1 - padding] == '=')
        padding++;
    if (text.size / 4 * 3 - padding > size)
        return -1;

    size_t used = 0;
    for (size_t i = 0; i < text.size; i += 4) {
        unsigned pad = i + 4 == text.size ? padding : 0;
        int value = group_value(text.at + i, pad);
        if (value < 0)
            return -1;
        for (unsigned byte = 0; byte < 3 - pad; byte++)
            out[used++] = (uint8_t)(value >> (16 - 8 * byte));
    }
    return (int)used;
}

size_t base64_encode(struct span data, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < data.size; i += 3) {
        size_t have = data.size - i < 3 ? data.size - i : 3;
        uint32_t value = (uint32_t)data.at[i] << 16;
        if (have > 1)
            value |= (uint32_t)data.at[i + 1] << 8;
        if (have > 2)
            value |= data.at[i + 2];
        for (unsigned digit = 0; digit < 4; digit++)
            out[used++] = digit <= have ? base64_digits[value >> (18 - 6 * digit) & 63] : '=';
    }
    out[used] = '\0';
    return used;
}

enum sasl_mechanism sasl_find(struct span name)
{
    if (span_equal_nocase(name, span_text("PLAIN")))
        return SASL_PLAIN;
    if (span_equal_nocase(name, span_text("LOGIN")))
        return SASL_LOGIN;
    return SASL_NONE;
}

void sasl_start(struct sasl *sasl, enum sasl_mechanism mechanism)
{
    *sasl = (struct sasl){.mechanism = mechanism};
}

// A login name has no control bytes: it goes into questions, logs and XCLIENT.
static bool set_user(struct sasl *sasl, struct span user)
{
    if (user.size == 0 || user.size > USER_NAME_MAX)
        return false;
    for (size_t i = 0; i < user.size; i++)
        if (user.at[i] < 0x20 || user.at[i] == 0x7f)
            return false;
    sasl->login.user_size = (uint8_t)user.size;
    memcpy(sasl->login.user, user.at, user.size);
    return true;
}

static bool set_password(struct sasl *sasl, struct span password)
{
    if (password.size == 0 || password.size > PASSWORD_MAX ||
        span_find(password, '\0') != password.size)
        return false;
    sasl->login.password_size = (uint8_t)password.size;
    memcpy(sasl->login.password, password.at, password.size);
    return true;
}

// [authzid] NUL authcid NUL passwd. Acting for somebody else is not offered: a different authzid
// is refused rather than ignored, so that nobody sends mail as the wrong one.
static enum sasl_step take_plain(struct sasl *sasl, struct span response)
{
    size_t first = span_find(response, '\0');
    struct span rest = span_skip(response, first + 1);
    size_t second = span_find(rest, '\0');
    if (first == response.size || second == rest.size)
        return SASL_MALFORMED;
    struct span acting = span_head(response, first), user = span_head(rest, second);
    if (acting.size > 0 && !span_equal(acting, user))
        return SASL_MALFORMED;
    if (!set_user(sasl, user) || !set_password(sasl, span_skip(rest, second + 1)))
        return SASL_MALFORMED;
    return SASL_READY;
}

static enum sasl_step take_login(struct sasl *sasl, struct span response,
                                 const char **ret_challenge)
{
    if (sasl->login.user_size > 0)
        return set_password(sasl, response) ? SASL_READY : SASL_MALFORMED;
    if (!set_user(sasl, response))
        return SASL_MALFORMED;
    *ret_challenge = "UGFzc3dvcmQ6"; // "Password:"
    return SASL_MORE;
}

static enum sasl_step take_response(struct sasl *sasl, struct span line, const char **ret_challenge)
{
    uint8_t response[SASL_RESPONSE_MAX];
    enum sasl_step step = SASL_MALFORMED;
    int size = base64_decode(line, response, sizeof response);
    if (size >= 0) {
        struct span bytes = span_of(response, (size_t)size);
        step = sasl->mechanism == SASL_PLAIN ? take_plain(sasl, bytes)
                                             : take_login(sasl, bytes, ret_challenge);
    }
    explicit_bzero(response, sizeof response);
    return step;
}

enum sasl_step sasl_feed(struct sasl *sasl, struct span line, const char **ret_challenge)
{
    bool initial = sasl->round++ == 0;
    if (line.at == NULL) {
        *ret_challenge = sasl->mechanism == SASL_PLAIN ? "" : "VXNlcm5hbWU6"; // "Username:"
        return SASL_MORE;
    }
    if (!initial && span_equal(line, span_text("*")))
        return SASL_CANCELLED;
    if (initial && span_equal(line, span_text("=")))
        line.size = 0;
    return take_response(sasl, line, ret_challenge);
}

void sasl_wipe(struct sasl *sasl)
{
    explicit_bzero(sasl, sizeof *sasl);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "mail/sasl.h"

#include "base/base64.h"

enum { SASL_RESPONSE_MAX = USER_NAME_MAX + 1 + USER_NAME_MAX + 1 + PASSWORD_MAX };

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

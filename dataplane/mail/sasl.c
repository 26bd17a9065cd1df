// SPDX-License-Identifier: BSD-3-Clause
#include "mail/sasl.h"

#include "mail/line.h"

#include <stdio.h>

uint32_t sasl_offer(const struct mail_host *host)
{
    const struct policy_service *service = &host->policy->services[host->service];
    uint32_t offer = *host->mechanisms | MECHANISMS_PASSWORD;
    if (!host->tls)
        return 0;
    if (!host->ops->binding(host, NULL))
        offer &= ~(1U << MECHANISM_SCRAM_SHA_256_PLUS);
    if (service->protocol != PROTOCOL_SMTP && !login_has_masters(host))
        offer &= MECHANISMS_PASSWORD | MECHANISMS_TOKEN;
    return offer;
}

void sasl_list(uint32_t mechanisms, const char *before, char text[SASL_LIST_SIZE])
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = MECHANISM_NONE + 1; i < MECHANISM_COUNT; i++)
        if (mechanism_is_in((enum mechanism)i, mechanisms))
            used += (size_t)snprintf(text + used, SASL_LIST_SIZE - used, "%s%s%s", used ? " " : "",
                                     before, mechanism_name((enum mechanism)i));
    CHECK(used < SASL_LIST_SIZE);
}

void sasl_start(struct sasl *sasl, enum mechanism mechanism)
{
    *sasl = (struct sasl){.mechanism = (uint8_t)mechanism};
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
    if (!login_take_user(&sasl->login, user) ||
        !login_take_password(&sasl->login, span_skip(rest, second + 1)))
        return SASL_MALFORMED;
    return SASL_READY;
}

static enum sasl_step take_login(struct sasl *sasl, struct span response,
                                 const char **ret_challenge)
{
    if (sasl->login.user_size > 0)
        return login_take_password(&sasl->login, response) ? SASL_READY : SASL_MALFORMED;
    if (!login_take_user(&sasl->login, response))
        return SASL_MALFORMED;
    *ret_challenge = "UGFzc3dvcmQ6"; // "Password:"
    return SASL_MORE;
}

// EXCHANGE_MORE is told, false: it found no room; the last part is asked.
static bool send_part(struct sasl *sasl, struct mail_host *host, struct span part, unsigned flags)
{
    struct message message = message_make(MESSAGE_SASL, STATUS_ASKED, 0);
    struct sasl_question *question = &message.sasl_question;
    question->client = login_client(host);
    question->mechanism = sasl->mechanism;
    question->flags = (uint8_t)(flags | (sasl->open ? 0 : EXCHANGE_FIRST));
    question->has_binding = host->ops->binding(host, question->binding);
    question->response_size = (uint16_t)part.size;
    if (part.size)
        memcpy(question->response, part.at, part.size);
    sasl->open = true;
    bool put = true;
    if (flags & EXCHANGE_MORE)
        put = host->ops->tell(host, &message);
    else
        host->ops->ask(host, &message);
    message_wipe(&message);
    return put;
}

static enum sasl_step take_exchange(struct sasl *sasl, struct mail_host *host, struct span response)
{
    if (sasl->proven)
        return response.size == 0 ? SASL_DONE : SASL_MALFORMED;
    unsigned lost = 0;
    for (; response.size > SASL_PART_MAX; response = span_skip(response, SASL_PART_MAX))
        if (!lost && !send_part(sasl, host, span_head(response, SASL_PART_MAX), EXCHANGE_MORE))
            lost = EXCHANGE_LOST;
    send_part(sasl, host, response, lost);
    return SASL_ASKED;
}

static enum sasl_step take_response(struct sasl *sasl, struct mail_host *host, struct span line,
                                    const char **ret_challenge)
{
    uint8_t response[SASL_RESPONSE_MAX];
    int size = base64_decode(line, response, sizeof response);
    if (size < 0)
        return SASL_MALFORMED;
    struct span bytes = span_of(response, (size_t)size);
    enum sasl_step step = sasl->mechanism == MECHANISM_PLAIN ? take_plain(sasl, bytes)
                          : sasl->mechanism == MECHANISM_LOGIN
                              ? take_login(sasl, bytes, ret_challenge)
                              : take_exchange(sasl, host, bytes);
    explicit_bzero(response, bytes.size);
    return step;
}

enum sasl_step sasl_feed(struct sasl *sasl, struct mail_host *host, struct span line,
                         const char **ret_challenge)
{
    bool initial = sasl->round++ == 0;
    if (line.at == NULL) { // all but LOGIN begin with the client
        *ret_challenge = sasl->mechanism == MECHANISM_LOGIN ? "VXNlcm5hbWU6" : ""; // "Username:"
        return SASL_MORE;
    }
    if (!initial && span_equal(line, span_text("*")))
        return SASL_CANCELLED;
    if (initial && span_equal(line, span_text("=")))
        line.size = 0;
    return sasl->round > SASL_ROUNDS_MAX ? SASL_MALFORMED
                                         : take_response(sasl, host, line, ret_challenge);
}

static enum login_verdict judge_exchange(struct sasl *sasl, struct mail_host *host,
                                         const struct sasl_answer *answer,
                                         char challenge[SASL_TEXT_SIZE])
{
    base64_encode(span_of(answer->challenge, answer->challenge_size), challenge);
    login_note_guesses(host, answer->limit, answer->verdict);
    if (answer->goes_on)
        return LOGIN_GOES_ON;
    switch ((enum auth_verdict)answer->verdict) {
    case AUTH_RIGHT:
        if (answer->user_size == 0)
            return LOGIN_UNAVAILABLE; // nobody to be: the answer is no use
        login_name(host, span_of(answer->user, answer->user_size), &sasl->login);
        // None of the three protocols says success with data (RFC 4422, section 5, RFC 4954).
        sasl->proven = answer->challenge_size > 0;
        return sasl->proven ? LOGIN_GOES_ON : LOGIN_RIGHT;
    case AUTH_WRONG:
        return LOGIN_WRONG;
    case AUTH_THROTTLED:
        return LOGIN_THROTTLED;
    case AUTH_VERDICT_COUNT:
        break;
    }
    CHECK(!"message_is_sound lets no other verdict through");
    return LOGIN_UNAVAILABLE;
}

enum login_verdict sasl_judge(struct sasl *sasl, struct mail_host *host,
                              const struct message *answer, char challenge[SASL_TEXT_SIZE])
{
    if (answer->kind != MESSAGE_SASL)
        return login_judge(host, answer, &sasl->login);
    enum login_verdict verdict = answer->status == STATUS_OK
                                     ? judge_exchange(sasl, host, &answer->sasl_answer, challenge)
                                     : LOGIN_UNAVAILABLE;
    return login_note(host, verdict);
}

bool sasl_holds_token(const struct sasl *sasl, const struct mail_host *host)
{
    return mechanism_is_in((enum mechanism)sasl->mechanism, MECHANISMS_TOKEN) &&
           !login_has_masters(host);
}

size_t sasl_token(struct span input, struct span *ret_token)
{
    struct span line;
    size_t taken;
    enum reason reason;
    enum line_result result = line_take(input, SASL_LINE_MAX + 2, &line, &taken, &reason);
    CHECK(result == LINE_WHOLE);
    size_t start = line.size; // behind the command's words, if it is one
    while (start > 0 && line.at[start - 1] != ' ')
        start--;
    *ret_token = span_skip(line, start);
    return taken;
}

void sasl_wipe(struct sasl *sasl)
{
    explicit_bzero(sasl, sizeof *sasl);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "mail/login.h"

#include "base/base64.h"
#include "mail/reply.h"

bool login_take_user(struct auth_question *login, struct span user)
{
    if (user.size == 0 || user.size > USER_NAME_MAX)
        return false;
    for (size_t i = 0; i < user.size; i++)
        if (user.at[i] < 0x20 || user.at[i] == 0x7f)
            return false;
    memcpy(login->user, user.at, user.size);
    login->user_size = (uint8_t)user.size;
    return true;
}

bool login_take_password(struct auth_question *login, struct span password)
{
    if (password.size == 0 || password.size > PASSWORD_MAX ||
        span_find(password, '\0') != password.size)
        return false;
    memcpy(login->password, password.at, password.size);
    login->password_size = (uint8_t)password.size;
    return true;
}

void login_ask(struct mail_host *host, const struct auth_question *login)
{
    struct message question = message_make(MESSAGE_AUTH, STATUS_ASKED, 0);
    question.auth_question = *login;
    question.auth_question.session = host->id;
    question.auth_question.addr = host->client;
    question.auth_question.local = host->local;
    question.auth_question.port = host->client_port;
    question.auth_question.local_port = host->local_port;
    question.auth_question.protocol = host->policy->services[host->service].protocol;
    question.auth_question.tls = host->tls;
    host->ops->ask(host, &question);
    message_wipe(&question);
}

static void note_user(struct mail_host *host, const struct auth_question *login)
{
    struct report *report = &host->report;
    size_t size = login->user_size < sizeof report->user ? login->user_size : sizeof report->user;
    memcpy(report->user, login->user, size);
    report->user_size = (uint8_t)size;
}

enum login_verdict login_judge(struct mail_host *host, const struct message *answer,
                               struct auth_question *login)
{
    if (answer->status != STATUS_OK) {
        reply_refused(host, REASON_MAIL_AUTH_UNAVAILABLE);
        return LOGIN_UNAVAILABLE;
    }
    const struct auth_answer *verdict = &answer->auth_answer;
    switch ((enum auth_verdict)verdict->verdict) {
    case AUTH_RIGHT:
        if (verdict->user_size > 0)
            CHECK(login_take_user(login, span_of(verdict->user, verdict->user_size)));
        note_user(host, login);
        return LOGIN_RIGHT;
    case AUTH_WRONG:
        reply_refused(host, REASON_MAIL_AUTH_FAILED);
        return LOGIN_WRONG;
    case AUTH_THROTTLED:
        reply_refused(host, REASON_MAIL_AUTH_UNAVAILABLE);
        return LOGIN_THROTTLED;
    case AUTH_VERDICT_COUNT:
        break;
    }
    CHECK(!"message_is_sound lets no other verdict through");
    return LOGIN_UNAVAILABLE;
}

size_t login_plain(const struct auth_question *login, char text[LOGIN_PLAIN_SIZE])
{
    uint8_t plain[1 + USER_NAME_MAX + 1 + PASSWORD_MAX];
    size_t size = 0;
    plain[size++] = '\0';
    memcpy(plain + size, login->user, login->user_size);
    size += login->user_size;
    plain[size++] = '\0';
    memcpy(plain + size, login->password, login->password_size);
    size += login->password_size;
    size_t written = base64_encode(span_of(plain, size), text);
    explicit_bzero(plain, sizeof plain);
    return written;
}

static uint64_t after_seconds(const struct mail_host *host, enum limit limit, uint64_t now_us)
{
    return now_us + host->policy->limits[limit] * UINT64_C(1000000);
}

uint64_t login_deadline(const struct mail_host *host, uint64_t now_us)
{
    return after_seconds(host, LIMIT_LOGIN_SECONDS, now_us);
}

uint64_t login_idle_until(const struct mail_host *host, uint64_t now_us)
{
    return after_seconds(host, LIMIT_SESSION_IDLE_SECONDS, now_us);
}

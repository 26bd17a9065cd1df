// SPDX-License-Identifier: BSD-3-Clause
#include "mail/login.h"

#include "contract/policy_mailbox.h"
#include "mail/excess.h"

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

struct auth_client login_client(const struct mail_host *host)
{
    return (struct auth_client){
        .session = host->id,
        .addr = host->client,
        .local = host->local,
        .port = host->client_port,
        .local_port = host->local_port,
        .protocol = host->policy->services[host->service].protocol,
        .tls = host->tls,
    };
}

void login_ask(struct mail_host *host, const struct auth_question *login)
{
    struct message question = message_make(MESSAGE_AUTH, STATUS_ASKED, 0);
    question.auth_question = *login;
    question.auth_question.client = login_client(host);
    host->ops->ask(host, &question);
    message_wipe(&question);
}

void login_name(struct mail_host *host, struct span user, struct auth_question *login)
{
    struct report_facts *report = &host->report;
    if (user.size > 0)
        CHECK(login_take_user(login, user));
    report->user_size =
        login->user_size < sizeof report->user ? login->user_size : sizeof report->user;
    memcpy(report->user, login->user, report->user_size);
}

void login_note_guesses(struct mail_host *host, uint8_t limit, uint8_t verdict)
{
    if (limit == 0)
        return;
    if (verdict == AUTH_THROTTLED)
        host->ops->count(host, limit_facts((enum limit)limit)->reason);
    else // by the child's view of the modes; ours decides what is counted
        (void)host->ops->enforce(host, (enum limit)limit, false);
}

enum login_verdict login_note(struct mail_host *host, enum login_verdict verdict)
{
    static const uint8_t results[] = {
        [LOGIN_RIGHT] = REPORT_LOGIN_RIGHT,
        [LOGIN_WRONG] = REPORT_LOGIN_WRONG,
        [LOGIN_THROTTLED] = REPORT_LOGIN_THROTTLED,
        [LOGIN_UNAVAILABLE] = REPORT_LOGIN_UNAVAILABLE,
    };
    if (verdict != LOGIN_GOES_ON)
        host->report.login = results[verdict];
    return verdict;
}

static enum login_verdict judge(struct mail_host *host, const struct message *answer,
                                struct auth_question *login)
{
    if (answer->status != STATUS_OK)
        return LOGIN_UNAVAILABLE;
    const struct auth_answer *verdict = &answer->auth_answer;
    login_note_guesses(host, verdict->limit, verdict->verdict);
    switch ((enum auth_verdict)verdict->verdict) {
    case AUTH_RIGHT:
        login_name(host, span_of(verdict->user, verdict->user_size), login);
        return LOGIN_RIGHT;
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

enum login_verdict login_judge(struct mail_host *host, const struct message *answer,
                               struct auth_question *login)
{
    return login_note(host, judge(host, answer, login));
}

uint8_t login_backend(const struct mail_host *host, const struct auth_question *login)
{
    return policy_mailbox_backend(host->policy, host->service,
                                  span_of(login->user, login->user_size));
}

bool login_has_masters(const struct mail_host *host)
{
    const struct policy *policy = host->policy;
    const struct policy_service *service = &policy->services[host->service];
    for (uint8_t i = 0; i < policy->backends_count; i++)
        if ((i == service->backend ||
             (policy->mailboxes.count > 0 && policy->backends[i].protocol == service->protocol)) &&
            !login_master(host, i))
            return false;
    return true;
}

const struct mail_master *login_master(const struct mail_host *host, uint8_t backend)
{
    return host->policy->backends[backend].master_file[0] ? &host->masters[backend] : NULL;
}

size_t login_plain(const struct mail_host *host, uint8_t backend, const struct auth_question *login,
                   char text[LOGIN_PLAIN_SIZE])
{
    const struct mail_master *master = login_master(host, backend);
    struct span user = span_of(login->user, login->user_size);
    struct span parts[] = {
        master ? user : span_of(NULL, 0),
        span_of("", 1),
        master ? span_of(master->name, master->name_size) : user,
        span_of("", 1),
        master ? span_of(master->password, master->password_size)
               : span_of(login->password, login->password_size),
    };
    uint8_t plain[USER_NAME_MAX + 1 + USER_NAME_MAX + 1 + PASSWORD_MAX];
    size_t size = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].size)
            memcpy(plain + size, parts[i].at, parts[i].size);
        size += parts[i].size;
    }
    size_t written = base64_encode(span_of(plain, size), text);
    explicit_bzero(plain, sizeof plain);
    return written;
}

uint64_t login_deadline(const struct mail_host *host, uint64_t now_us)
{
    return excess_end_us(host, LIMIT_LOGIN_SECONDS, now_us);
}

static enum limit autologout(const struct mail_host *host)
{
    bool imap = host->policy->services[host->service].protocol == PROTOCOL_IMAP;
    return imap ? LIMIT_IMAP_AUTOLOGOUT_SECONDS : LIMIT_POP3_AUTOLOGOUT_SECONDS;
}

uint64_t login_idle_until(const struct mail_host *host, uint64_t now_us)
{
    return excess_end_us(host, autologout(host), now_us);
}

bool login_may_log_out(struct mail_host *host)
{
    return host->ops->enforce(host, autologout(host), true);
}

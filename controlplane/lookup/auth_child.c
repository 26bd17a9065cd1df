// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"
#include "lookup/auth_dovecot.h"
#include "lookup/auth_passwd.h"
#include "lookup/auth_questions.h"
#include "lookup/lookup.h"
#include "lookup/lookup_child.h"
#include "lookup/lookup_wait.h"

struct auth_child {
    struct auth_child_config config;
    struct lookup_area *area;
    struct lookup_port port;
    int dial;
    struct auth_passwd *passwd;   // this
    struct auth_dovecot *dovecot; // or that
    struct auth_backend backend;
    struct auth_questions *questions;
    uint64_t looked_ms;
    bool has_offered;
    uint32_t offered; // mechanisms, last
};

static void on_answer(void *context, unsigned worker, const struct message *answer)
{
    struct auth_child *child = context;
    lookup_port_answer(&child->port, worker, answer);
}

static int backend_open(struct auth_child *child, struct auth_backend *ret_backend)
{
    int error;
    if (child->config.dovecot) {
        error = auth_dovecot_open(&child->dovecot, child->dial);
        if (!error)
            *ret_backend = auth_dovecot_backend(child->dovecot);
        return error;
    }
    error = auth_passwd_open(&child->passwd, child->config.passwd_file, child->config.allow_plain);
    if (!error)
        *ret_backend = auth_passwd_backend(child->passwd);
    return error;
}

static int auth_open(void *context, const char **ret_doing)
{
    struct auth_child *child = context;
    struct auth_questions_config questions = {.limits = child->area->limits,
                                              .modes = child->area->modes,
                                              .answer = on_answer,
                                              .context = child};
    *ret_doing = "open the back end";
    int error = backend_open(child, &child->backend);
    if (error)
        return error;
    questions.backend = child->backend;
    *ret_doing = "take memory";
    return auth_questions_open(&child->questions, &questions);
}

static void auth_close(void *context)
{
    struct auth_child *child = context;
    if (child->questions) {
        const uint64_t *figures = auth_questions_figures(child->questions);
        log_info("what=\"logins\" right=%lu wrong=%lu throttled=%lu unavailable=%lu verified=%lu "
                 "remembered=%lu",
                 figures[FIGURE_RIGHT], figures[FIGURE_WRONG], figures[FIGURE_THROTTLED],
                 figures[FIGURE_UNAVAILABLE], figures[FIGURE_VERIFIED], figures[FIGURE_REMEMBERED]);
        auth_questions_close(child->questions);
    }
    if (child->passwd)
        auth_passwd_close(child->passwd);
    if (child->dovecot)
        auth_dovecot_close(child->dovecot);
}

static void figures_publish(struct auth_child *child)
{
    uint64_t figures[FIGURE_COUNT];
    memcpy(figures, auth_questions_figures(child->questions), sizeof figures);
    if (child->passwd) {
        figures[FIGURE_USERS] = auth_passwd_users(child->passwd);
        figures[FIGURE_BACKEND_ERROR] = (uint64_t)auth_passwd_error(child->passwd);
    } else {
        figures[FIGURE_BACKEND_ERROR] = (uint64_t)auth_dovecot_error(child->dovecot);
    }
    for (int i = 0; i < FIGURE_COUNT; i++)
        __atomic_store_n(&child->area->figures[i], figures[i], __ATOMIC_RELAXED);
}

static void offer(struct auth_child *child)
{
    uint32_t mechanisms = child->backend.mechanisms(child->backend.context);
    if (child->has_offered && child->offered == mechanisms)
        return;
    struct message m = message_make(MESSAGE_OFFER, STATUS_OK, 0);
    m.offer.mechanisms = child->offered = mechanisms;
    child->has_offered = true;
    for (unsigned worker = 0; worker < child->port.client.workers; worker++)
        lookup_port_answer(&child->port, worker, &m);
}

static void auth_work(void *context, uint64_t now_ms)
{
    struct auth_child *child = context;
    if (child->looked_ms == 0 || now_ms - child->looked_ms >= LOOKUP_TURN_MS) {
        if (child->passwd)
            auth_passwd_refresh(child->passwd);
        auth_questions_count(child->questions, now_ms);
        child->looked_ms = now_ms;
    }
    if (child->dovecot)
        auth_dovecot_run(child->dovecot, now_ms);
    offer(child);
    auth_questions_finish(child->questions, now_ms);
    figures_publish(child);
}

static void auth_take(void *context, unsigned worker, const struct message *question,
                      uint64_t now_ms)
{
    struct auth_child *child = context;
    auth_questions_take(child->questions, worker, question, now_ms);
}

static void auth_want(void *context, uint64_t now_ms, struct lookup_wants *wants)
{
    struct auth_child *child = context;
    if (child->passwd) {
        wants->fds[wants->fds_count++] =
            (struct pollfd){.fd = auth_passwd_fd(child->passwd), .events = POLLIN};
        return;
    }
    int timeout_ms;
    wants->fds_count = auth_dovecot_poll(child->dovecot, now_ms, wants->fds, &timeout_ms);
    wants->timeout_ms = lookup_sooner_ms(wants->timeout_ms, timeout_ms);
}

int auth_child_run(int socket, int dial, struct lookup_area *area)
{
    struct auth_child auth = {.config = area->auth,
                              .area = area,
                              .dial = dial,
                              .port.client = {.socket = -1, .bell = -1}};
    struct lookup_child child = {
        .name = "auth",
        .role = ROLE_AUTH,
        .sandbox = SANDBOX_AUTH,
        .kinds = 1U << MESSAGE_AUTH | 1U << MESSAGE_SASL,
        .user = auth.config.user,
        .parent = auth.config.parent,
        .turns = &area->turns,
        .open = auth_open,
        .work = auth_work,
        .take = auth_take,
        .want = auth_want,
        .close = auth_close,
        .context = &auth,
        .port = &auth.port,
    };
    return lookup_child_run(&child, socket);
}

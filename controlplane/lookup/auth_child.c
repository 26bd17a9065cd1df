// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"
#include "lookup/auth_questions.h"
#include "lookup/lookup.h"
#include "lookup/lookup_child.h"

enum { REFRESH_MS = 1000 };

struct auth_child {
    struct lookup_port port;
    struct passwd_file file;
    struct auth_pool *pool;
    struct auth_questions *questions;
    uint64_t refreshed_ms;
};

static void on_answer(void *context, unsigned worker, const struct message *answer)
{
    struct auth_child *child = context;
    lookup_port_answer(&child->port, worker, answer);
}

static int auth_open(void *context, const char **ret_doing)
{
    struct auth_child *child = context;
    *ret_doing = "start threads";
    int error = auth_pool_open(&child->pool);
    if (error)
        return error;
    *ret_doing = "take memory";
    struct auth_questions_config questions = {&child->file, child->pool, on_answer, child};
    return auth_questions_open(&child->questions, &questions);
}

static void auth_close(void *context)
{
    struct auth_child *child = context;
    if (child->questions) {
        const struct auth_questions_counters *asked = auth_questions_counters(child->questions);
        log_info("what=\"logins\" right=%lu wrong=%lu throttled=%lu unavailable=%lu hashed=%lu "
                 "remembered=%lu",
                 asked->right, asked->wrong, asked->throttled, asked->unavailable, asked->hashed,
                 asked->remembered);
    }
    if (child->pool)
        auth_pool_close(child->pool);
    if (child->questions)
        auth_questions_close(child->questions);
    passwd_file_done(&child->file);
}

static void auth_work(void *context, uint64_t now_ms)
{
    struct auth_child *child = context;
    if (child->refreshed_ms == 0 || now_ms - child->refreshed_ms >= REFRESH_MS) {
        auth_questions_refresh(child->questions);
        child->refreshed_ms = now_ms;
    }
    auth_questions_finish(child->questions, now_ms);
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
    wants->timeout_ms = REFRESH_MS;
    wants->fds[wants->fds_count++] =
        (struct pollfd){.fd = auth_pool_fd(child->pool), .events = POLLIN};
}

int auth_child_run(int socket, const struct auth_child_config *config)
{
    struct auth_child auth = {.port.client = {.socket = -1, .bell = -1}};
    passwd_file_init(&auth.file, config->passwd_file);
    struct lookup_child child = {
        .name = "auth",
        .role = ROLE_AUTH,
        .sandbox = SANDBOX_AUTH,
        .kinds = 1U << MESSAGE_AUTH,
        .user = config->user,
        .parent = config->parent,
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

// SPDX-License-Identifier: BSD-3-Clause
/* bans and sessions: asked of all workers, answers joined. */
#include "api/api_command.h"
#include "api/api_inquiry.h"

#include "report/session_json.h"

#include <stdlib.h>

enum {
    ROWS_MAX = 100000, // of one response
    BAN_SECONDS = 3600,
    BAN_SECONDS_MOST = 366 * 86400,
};

struct inquiry {
    struct api_request *request;
    const char *none; // the error when no worker did it; NULL: a list
    unsigned did;     // workers that did
    json_t *rows;     // of a list: array, or object by address
    bool truncated;
};

static void inquiry_free(struct inquiry *inquiry)
{
    json_decref(inquiry->rows);
    free(inquiry);
}

static void start(struct api_request *request, const struct message *question,
                  const struct inquiry *facts,
                  void (*answer)(void *, unsigned, const struct message *),
                  void (*done)(void *, int))
{
    struct inquiry *inquiry = malloc(sizeof *inquiry);
    CHECK(inquiry);
    *inquiry = *facts;
    inquiry->request = request;
    struct ops_owner owner = {.answer = answer, .done = done, .context = inquiry};
    if (!api_inquiry_start(request, question, &owner))
        inquiry_free(inquiry);
}

// Orders: done when one worker did it.

static void order_answer(void *context, unsigned worker, const struct message *answer)
{
    ((struct inquiry *)context)->did += answer->status == STATUS_OK;
}

static void order_done(void *context, int error)
{
    struct inquiry *inquiry = (struct inquiry *)context;
    if (error)
        api_inquiry_failed(inquiry->request, error);
    else if (inquiry->did == 0)
        api_request_error(inquiry->request, "%s", inquiry->none);
    else
        api_request_ok(inquiry->request, json_pack("{s:i}", "workers", (int)inquiry->did));
    inquiry_free(inquiry);
}

void api_bans_add(struct api_request *request)
{
    struct message question = message_make(MESSAGE_BAN_ADD, STATUS_ASKED, 0);
    uint64_t seconds = BAN_SECONDS;
    if (api_request_has(request, "seconds") &&
        !api_request_number(request, "seconds", 1, BAN_SECONDS_MOST, &seconds))
        return;
    if (!api_inquiry_source(request, &question.ban.addr))
        return;
    question.ban.seconds = (uint32_t)seconds;
    struct inquiry facts = {.none = "no worker took the ban: its table is full or the address "
                                    "must not be banned"};
    start(request, &question, &facts, order_answer, order_done);
}

void api_bans_remove(struct api_request *request)
{
    struct message question = message_make(MESSAGE_BAN_REMOVE, STATUS_ASKED, 0);
    if (!api_inquiry_source(request, &question.ban.addr))
        return;
    struct inquiry facts = {.none = "no such ban"};
    start(request, &question, &facts, order_answer, order_done);
}

void api_sessions_kill(struct api_request *request)
{
    struct message question = message_make(MESSAGE_SESSION_KILL, STATUS_ASKED, 0);
    if (!api_request_number(request, "id", 0, INT64_MAX, &question.session_kill.id))
        return;
    struct inquiry facts = {.none = "no such session"};
    start(request, &question, &facts, order_answer, order_done);
}

// Lists.

static void ban_row(struct inquiry *inquiry, const struct ban *ban)
{
    char text[PREFIX_TEXT_SIZE];
    api_inquiry_source_text(&ban->addr, text);
    json_t *row = json_object_get(inquiry->rows, text);
    if (!row) {
        if (json_object_size(inquiry->rows) >= ROWS_MAX) {
            inquiry->truncated = true;
            return;
        }
        const char *reason = ban->reason ? reason_name((enum reason)ban->reason) : "operator";
        row = json_pack("{s:s, s:I, s:s, s:i}", "address", text, "seconds",
                        (json_int_t)ban->seconds, "reason", reason, "workers", 0);
        json_object_set_new(inquiry->rows, text, row);
    }
    if (ban->seconds > json_integer_value(json_object_get(row, "seconds")))
        json_object_set_new(row, "seconds", json_integer(ban->seconds));
    json_int_t workers = json_integer_value(json_object_get(row, "workers"));
    json_object_set_new(row, "workers", json_integer(workers + 1));
}

static void bans_answer(void *context, unsigned worker, const struct message *answer)
{
    if (answer->status != STATUS_OK)
        return;
    for (int i = 0; i < answer->ban_page.count; i++)
        ban_row((struct inquiry *)context, &answer->ban_page.bans[i]);
}

static void list_done(struct inquiry *inquiry, int error, const char *name, json_t *rows)
{
    if (error) {
        json_decref(rows);
        api_inquiry_failed(inquiry->request, error);
    } else {
        api_request_ok(inquiry->request,
                       json_pack("{s:o, s:b}", name, rows, "truncated", (int)inquiry->truncated));
    }
    inquiry_free(inquiry);
}

static void bans_done(void *context, int error)
{
    struct inquiry *inquiry = (struct inquiry *)context;
    json_t *list = json_array();
    const char *key;
    json_t *row;
    json_object_foreach(inquiry->rows, key, row) json_array_append(list, row);
    list_done(inquiry, error, "bans", list);
}

void api_bans_list(struct api_request *request)
{
    struct message question = message_make(MESSAGE_BAN_LIST, STATUS_ASKED, 0);
    struct inquiry facts = {.rows = json_object()};
    start(request, &question, &facts, bans_answer, bans_done);
}

static void sessions_answer(void *context, unsigned worker, const struct message *answer)
{
    struct inquiry *inquiry = (struct inquiry *)context;
    if (answer->status != STATUS_OK)
        return;
    const struct policy *head = &inquiry->request->plane->publisher.config->head;
    for (int i = 0; i < answer->session_page.count; i++) {
        inquiry->truncated = json_array_size(inquiry->rows) >= ROWS_MAX;
        if (!inquiry->truncated)
            json_array_append_new(inquiry->rows,
                                  session_json_row(&answer->session_page.rows[i], worker, head));
    }
}

static void sessions_done(void *context, int error)
{
    struct inquiry *inquiry = (struct inquiry *)context;
    list_done(inquiry, error, "sessions", json_incref(inquiry->rows));
}

void api_sessions_list(struct api_request *request)
{
    struct message question = message_make(MESSAGE_SESSION_LIST, STATUS_ASKED, 0);
    struct inquiry facts = {.rows = json_array()};
    start(request, &question, &facts, sessions_answer, sessions_done);
}

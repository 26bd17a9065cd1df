// SPDX-License-Identifier: BSD-3-Clause
/* bans, sessions and servers of backends: asked of all workers, answers joined. */
#include "api/api_command.h"
#include "api/api_inquiry.h"

#include "report/session_json.h"

#include <stdio.h>
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

// seconds UINT32_MAX: as DRAIN_SECONDS says.
static void shield_drain(struct api_request *request, bool drain, uint32_t seconds)
{
    struct message question = message_make(MESSAGE_DRAIN, STATUS_ASKED, 0);
    question.drain_order = (struct drain_order){.drain = drain, .seconds = seconds};
    struct inquiry facts = {.none = "no worker took the order"};
    start(request, &question, &facts, order_answer, order_done);
}

void api_drain_start(struct api_request *request)
{
    const struct limit_facts *most = limit_facts(LIMIT_DRAIN_SECONDS);
    uint64_t seconds = UINT32_MAX;
    if (!api_request_has(request, "seconds") ||
        api_request_number(request, "seconds", 0, most->most, &seconds))
        shield_drain(request, true, (uint32_t)seconds);
}

void api_drain_stop(struct api_request *request)
{
    shield_drain(request, false, 0);
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

// Servers of backends, a row for each worker: each has its own view.

static const char *server_text(const struct addr *addr, uint16_t port, char *text, size_t size)
{
    char host[ADDR_TEXT_SIZE];
    bool v4 = addr_is_v4(addr);
    snprintf(text, size, "%s%s%s:%u", v4 ? "" : "[", addr_format(addr, host), v4 ? "" : "]", port);
    return text;
}

static json_t *server_json(const struct server_row *row, unsigned worker)
{
    static const char *const healths[SERVER_HEALTH_COUNT] = {"unknown", "up", "down"};
    char server[ADDR_TEXT_SIZE + 8];
    const char *failure = row->last_failure ? reason_name((enum reason)row->last_failure) : "";
    return json_pack(
        "{s:s, s:s, s:i, s:s, s:b, s:b, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:s}",
        "backend", row->backend, "server",
        server_text(&row->addr, row->port, server, sizeof server), "worker", (int)worker, "state",
        row->drained ? "drained" : healths[row->health], "drained", (int)row->drained, "backup",
        (int)row->backup, "weight", (int)row->weight, "good", (int)row->good, "failed",
        (int)row->failed, "spares", (int)row->spares, "connections", (json_int_t)row->connections,
        "since_ms", (json_int_t)(row->since_us / 1000), "opened", (json_int_t)row->opened,
        "failures", (json_int_t)row->failures, "checks", (json_int_t)row->checks, "last_failure",
        failure);
}

static void servers_answer(void *context, unsigned worker, const struct message *answer)
{
    if (answer->status != STATUS_OK)
        return;
    for (int i = 0; i < answer->server_page.count; i++)
        json_array_append_new(((struct inquiry *)context)->rows,
                              server_json(&answer->server_page.rows[i], worker));
}

static void servers_done(void *context, int error)
{
    struct inquiry *inquiry = (struct inquiry *)context;
    list_done(inquiry, error, "servers", json_incref(inquiry->rows));
}

void api_backends_list(struct api_request *request)
{
    struct message question = message_make(MESSAGE_SERVER_LIST, STATUS_ASKED, 0);
    struct inquiry facts = {.rows = json_array()};
    start(request, &question, &facts, servers_answer, servers_done);
}

// NAME, or NAME/ADDRESS:PORT as the list shows it.
static bool server_argument(struct api_request *request, struct server_order *order)
{
    const char *text = api_request_text(request, "server");
    if (!text)
        return false;
    char host[ADDR_TEXT_SIZE];
    uint64_t port = 0;
    struct span whole = span_of(text, strlen(text));
    size_t slash = span_find(whole, '/');
    struct span name = span_head(whole, slash), rest = span_skip(whole, slash + 1);
    bool sound = name.size > 0 && name.size < sizeof order->backend;
    const char *colon = slash < whole.size ? strrchr(text + slash, ':') : NULL;
    if (sound && slash < whole.size) {
        struct span addr = span_head(rest, colon ? (size_t)(colon - text) - slash - 1 : 0);
        bool bracketed = addr.size > 2 && addr.at[0] == '[' && addr.at[addr.size - 1] == ']';
        if (bracketed)
            addr = span_of(addr.at + 1, addr.size - 2);
        span_to_text(addr, host, sizeof host);
        sound = colon && span_to_u64(span_text(colon + 1), UINT16_MAX, &port) && port > 0 &&
                addr_parse(host, &order->addr);
    }
    if (!sound) {
        api_request_error(request, "server: expected NAME or NAME/ADDRESS:PORT of a backend");
        return false;
    }
    span_to_text(name, order->backend, sizeof order->backend);
    order->port = (uint16_t)port;
    return true;
}

static void drain(struct api_request *request, bool drain)
{
    struct message question = message_make(MESSAGE_SERVER_DRAIN, STATUS_ASKED, 0);
    if (!server_argument(request, &question.server_order))
        return;
    question.server_order.drain = drain;
    struct inquiry facts = {.none = "no such backend or server"};
    start(request, &question, &facts, order_answer, order_done);
}

void api_backends_drain(struct api_request *request)
{
    drain(request, true);
}

void api_backends_enable(struct api_request *request)
{
    drain(request, false);
}

// SPDX-License-Identifier: BSD-3-Clause
/* top: the heavy hitters of all workers, joined. A source is on one worker, a prefix may be on
 * several: then its rates add up, and so do their bounds (Agarwal et al., "Mergeable summaries",
 * PODS 2012). */
#include "api/api_command.h"
#include "api/api_inquiry.h"

#include <stdlib.h>

enum { ROWS = 20, ROWS_MAX = 1000, ROOM_STEP = 1024 };

static const char *const measures[TOP_MEASURE_COUNT] = {"packets", "syns", "connections",
                                                        "refusals"};
static const char *const scopes[TOP_SCOPE_COUNT] = {"sources", "prefixes"};

struct top {
    struct api_request *request;
    enum top_measure measure;
    enum top_scope scope;
    uint64_t want; // rows to show
    struct top_row *rows;
    size_t count, room;
    uint64_t total;    // rate of all, thousandths a second
    uint32_t interval; // the largest
};

static void top_free(struct top *top)
{
    free(top->rows);
    free(top);
}

static void top_answer(void *context, unsigned worker, const struct message *answer)
{
    struct top *top = (struct top *)context;
    if (answer->status != STATUS_OK)
        return;
    const struct top_page *page = &answer->top_page;
    if (page->next == 0) {
        top->total += page->total;
        top->interval = page->interval > top->interval ? page->interval : top->interval;
    }
    if (top->count + page->count > top->room) {
        top->room += ROOM_STEP;
        top->rows = reallocarray(top->rows, top->room, sizeof *top->rows);
        CHECK(top->rows);
    }
    memcpy(top->rows + top->count, page->rows, page->count * sizeof *page->rows);
    top->count += page->count;
}

static int by_address(const void *a, const void *b)
{
    const struct top_row *x = (const struct top_row *)a, *y = (const struct top_row *)b;
    return memcmp(x->addr.bytes, y->addr.bytes, sizeof x->addr.bytes);
}

static int by_rate(const void *a, const void *b)
{
    const struct top_row *x = (const struct top_row *)a, *y = (const struct top_row *)b;
    if (x->least != y->least)
        return x->least < y->least ? 1 : -1;
    return by_address(a, b);
}

static void rows_join(struct top *top)
{
    size_t joined = 0;
    if (top->count == 0)
        return;
    qsort(top->rows, top->count, sizeof *top->rows, by_address);
    for (size_t i = 1; i < top->count; i++) {
        struct top_row *last = &top->rows[joined], *row = &top->rows[i];
        if (addr_equal(&last->addr, &row->addr)) {
            last->least += row->least;
            last->most += row->most;
        } else {
            top->rows[++joined] = *row;
        }
    }
    top->count = joined + 1;
    qsort(top->rows, top->count, sizeof *top->rows, by_rate);
}

static json_t *row_json(const struct top *top, const struct top_row *row)
{
    char text[PREFIX_TEXT_SIZE];
    struct prefix prefix = {.addr = row->addr, .bits = addr_is_v4(&row->addr) ? 120 : 48};
    if (top->scope == TOP_SOURCES)
        api_inquiry_source_text(&row->addr, text);
    else
        prefix_format(&prefix, text);
    double share = top->total ? (double)row->least / (double)top->total : 0;
    return json_pack("{s:s, s:f, s:f, s:f}", "address", text, "rate", (double)row->least / 1000,
                     "most", (double)row->most / 1000, "share", share < 1 ? share : 1);
}

static void top_done(void *context, int error)
{
    struct top *top = (struct top *)context;
    if (error) {
        api_inquiry_failed(top->request, error);
        top_free(top);
        return;
    }
    rows_join(top);
    json_t *rows = json_array();
    for (size_t i = 0; i < top->count && i < top->want; i++)
        json_array_append_new(rows, row_json(top, &top->rows[i]));
    api_request_ok(top->request,
                   json_pack("{s:s, s:s, s:f, s:I, s:o}", "by", measures[top->measure], "of",
                             scopes[top->scope], "total", (double)top->total / 1000, "sampled",
                             (json_int_t)top->interval, "rows", rows));
    top_free(top);
}

static bool measure_argument(struct api_request *request, enum top_measure *ret_measure)
{
    const char *by = measures[TOP_PACKETS];
    if (api_request_has(request, "by") && !(by = api_request_text(request, "by")))
        return false;
    for (int i = 0; i < TOP_MEASURE_COUNT; i++)
        if (strcmp(by, measures[i]) == 0) {
            *ret_measure = (enum top_measure)i;
            return true;
        }
    api_request_error(request, "by: expected packets, syns, connections or refusals");
    return false;
}

void api_top(struct api_request *request)
{
    struct top facts = {.request = request, .want = ROWS};
    if (!measure_argument(request, &facts.measure))
        return;
    if (api_request_has(request, "rows") &&
        !api_request_number(request, "rows", 1, ROWS_MAX, &facts.want))
        return;
    if (json_is_true(json_object_get(request->body, "prefixes")))
        facts.scope = TOP_PREFIXES;
    struct message question = message_make(MESSAGE_TOP_LIST, STATUS_ASKED, 0);
    question.page_question.measure = (uint8_t)facts.measure;
    question.page_question.scope = (uint8_t)facts.scope;
    struct top *top = malloc(sizeof *top);
    CHECK(top);
    *top = facts;
    struct ops_owner owner = {.answer = top_answer, .done = top_done, .context = top};
    if (!api_inquiry_start(request, &question, &owner))
        top_free(top);
}

// SPDX-License-Identifier: BSD-3-Clause
/* trace: what became of TCP connections, asked of all workers. */
#include "api/api_command.h"
#include "api/api_inquiry.h"
#include "report/session_json.h"

#include <stdlib.h>

enum { STORIES_MAX = 10000 }; // of one response

struct tracing {
    struct api_request *request;
    json_t *connections;
    bool truncated;
};

static json_t *event_json(const struct trace_event *event)
{
    char text[TRACE_TEXT_SIZE];
    return json_pack("{s:I, s:i, s:s}", "ago_ms", (json_int_t)event->ago_ms, "times",
                     (int)event->times, "text", trace_event_text(event, text));
}

static json_t *story_json(const struct trace_story *story, unsigned worker)
{
    char text[TRACE_TEXT_SIZE];
    const uint64_t backend = (uint64_t)1 << TRACE_BACKEND_BIT;
    const uint64_t dial = (uint64_t)1 << TRACE_DIAL_BIT;
    uint64_t session = story->user & dial ? 0 : story->user & ~backend;
    json_t *events = json_array();
    for (int i = 0; i < story->count; i++)
        json_array_append_new(events, event_json(&story->events[i]));
    return json_pack("{s:I, s:s, s:i, s:s, s:o, s:i, s:b, s:o}", "session", (json_int_t)session,
                     "leg", story->user & (backend | dial) ? "backend" : "client", "worker",
                     (int)worker, "text", trace_story_text(story, text), "remote",
                     session_json_addr(&story->remote), "remote_port", (int)story->remote_port,
                     "ended", (int)story->ended, "events", events);
}

static void trace_answer(void *context, unsigned worker, const struct message *answer)
{
    struct tracing *tracing = (struct tracing *)context;
    if (answer->status != STATUS_OK)
        return;
    for (int i = 0; i < answer->trace_page.count; i++) {
        tracing->truncated = json_array_size(tracing->connections) >= STORIES_MAX;
        if (!tracing->truncated)
            json_array_append_new(tracing->connections,
                                  story_json(&answer->trace_page.stories[i], worker));
    }
}

static void trace_done(void *context, int error)
{
    struct tracing *tracing = (struct tracing *)context;
    if (error)
        api_inquiry_failed(tracing->request, error);
    else
        api_request_ok(tracing->request,
                       json_pack("{s:O, s:b}", "connections", tracing->connections, "truncated",
                                 (int)tracing->truncated));
    json_decref(tracing->connections);
    free(tracing);
}

void api_trace(struct api_request *request)
{
    struct message question = message_make(MESSAGE_TRACE, STATUS_ASKED, 0);
    if (api_request_has(request, "id") &&
        !api_request_number(request, "id", 1, INT64_MAX, &question.page_question.session))
        return;
    struct tracing *tracing = calloc(1, sizeof *tracing);
    CHECK(tracing);
    *tracing = (struct tracing){.request = request, .connections = json_array()};
    struct ops_owner owner = {.answer = trace_answer, .done = trace_done, .context = tracing};
    if (!api_inquiry_start(request, &question, &owner)) {
        json_decref(tracing->connections);
        free(tracing);
    }
}

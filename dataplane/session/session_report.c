// SPDX-License-Identifier: BSD-3-Clause
#include "session/session_internal.h"

enum { LOOKS_A_PAGE = 1024 }; // at the table of sessions

void session_report_send(struct session *s)
{
    struct sessions *all = s->all;
    struct message message = message_make(MESSAGE_REPORT, STATUS_OK, s->self);
    message.report = s->host.report;
    message.report.reason = (uint16_t)s->reason;
    message.report.duration_us = all->now_us - s->started_us;
    all->config.report(all->config.context, &message);
}

static void fill_row(const struct session *s, uint64_t now_us, struct session_row *row)
{
    const struct mail_host *host = &s->host;
    *row = (struct session_row){
        .id = s->self,
        .age_us = now_us - s->started_us,
        .idle_us = now_us - s->active_us,
        .bytes_in = host->report.bytes_in,
        .bytes_out = host->report.bytes_out,
        .client = host->client,
        .client_port = host->client_port,
        .service = host->service,
        .tls = host->tls,
        .backend = s->backend,
        .user_size = host->report.user_size,
    };
    static_assert(sizeof row->user == sizeof host->report.user, "cut alike");
    static_assert(sizeof row->state == sizeof host->state, "a state's name fits");
    memcpy(row->user, host->report.user, sizeof row->user);
    row->state_size = (uint8_t)strnlen(host->state, sizeof host->state);
    memcpy(row->state, host->state, row->state_size);
}

void sessions_list(const struct sessions *all, uint32_t cursor, uint64_t now_us,
                   struct session_page *ret_page)
{
    *ret_page = (struct session_page){0};
    for (uint32_t i = cursor; i < all->pool.count; i++) {
        if (ret_page->count == SESSIONS_PER_MESSAGE || i - cursor == LOOKS_A_PAGE) {
            ret_page->next = i;
            return;
        }
        const struct session *s = pool_get(&all->pool, pool_at(&all->pool, i));
        if (!s)
            continue;
        fill_row(s, now_us, &ret_page->rows[ret_page->count++]);
    }
}

static bool connection_story(const struct sessions *all, uint64_t id, uint32_t side,
                             struct trace_story *ret_story)
{
    const struct session *s = pool_get(&all->pool, id);
    return s && tcp_story(all->config.tcp, s->streams[side].connection, ret_story);
}

// The cursor counts both sides of an open session, then connections that ended; one that ends
// meanwhile makes a page begin with what the last one ended with.
void sessions_trace(const struct sessions *all, uint32_t cursor, uint64_t id,
                    struct trace_page *ret_page)
{
    struct trace_story story;
    *ret_page = (struct trace_page){0};
    for (uint32_t i = cursor;; i++) {
        if (ret_page->count == STORIES_PER_MESSAGE) {
            ret_page->next = i;
            return;
        }
        if (i < SIDES ? !connection_story(all, id, i, &story)
                      : !tcp_story_ended(all->config.tcp, i - SIDES, &story)) {
            if (i < SIDES)
                continue;
            return;
        }
        if (id == 0 || id == (story.user & ~((uint64_t)1 << TRACE_BACKEND_BIT)))
            ret_page->stories[ret_page->count++] = story;
    }
}

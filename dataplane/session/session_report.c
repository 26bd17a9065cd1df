// SPDX-License-Identifier: BSD-3-Clause
#include "session/session_internal.h"

enum { LOOKS_A_PAGE = 1024 }; // at the table of sessions

void session_refuse(struct session *s, enum reason reason)
{
    const struct sessions_config *config = &s->all->config;
    counter_refuse(config->counters, reason);
    if (config->note && reason != REASON_NONE)
        s->offended |= config->note(config->context, &s->host.client, reason);
}

// Mail, a login, or at least nothing that had to be refused; and no ban by another session.
static bool was_good(const struct session *s)
{
    const struct report_facts *facts = &s->host.report;
    bool polite = s->reason == REASON_MAIL_QUIT && facts->refusals == 0;
    return !s->offended && s->reason != REASON_SESSION_BANNED &&
           (facts->mails > 0 || facts->login == REPORT_LOGIN_RIGHT || polite);
}

static void add_tls(const struct session *s, struct report *report)
{
    struct tls_facts facts;
    if (!s->host.tls || !s->streams[SIDE_CLIENT].tls)
        return;
    tls_facts(s->streams[SIDE_CLIENT].tls, &facts);
    report_add(report, TEXT_TLS_CIPHER, span_text(facts.cipher));
    report_add(report, TEXT_SERVER_NAME, span_text(facts.server_name));
}

void session_report_send(struct session *s)
{
    const struct sessions_config *config = &s->all->config;
    struct message message = message_make(MESSAGE_REPORT, STATUS_OK, s->self);
    struct report *report = &message.report;
    report->facts = s->host.report;
    report->facts.reason = (uint16_t)s->reason;
    report->facts.duration_us = s->all->now_us - s->started_us;
    report->facts.started_us = (uint64_t)((int64_t)s->started_us + s->all->unix_us_offset);
    add_tls(s, report);
    if (s->machine_started && s->protocol->report)
        s->protocol->report(session_machine(s), report);
    config->report(config->context, &message);
    if (config->note && was_good(s))
        config->note(config->context, &s->host.client, REASON_NONE);
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

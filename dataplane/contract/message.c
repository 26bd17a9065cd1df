// SPDX-License-Identifier: BSD-3-Clause
#include "contract/message.h"

#include "contract/mechanism.h"
#include "contract/policy.h"
#include "contract/reason.h"

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == ':';
}

static bool all_bytes(struct span text, bool (*is)(uint8_t))
{
    for (size_t i = 0; i < text.size; i++)
        if (!is(text.at[i]))
            return false;
    return true;
}

// Who keeps answers of the dns child, or counts its questions, need not know of which kind they
// are.
#define ADDR_AT(question) offsetof(struct message, question.addr)
static_assert(ADDR_AT(rdns_question) == ADDR_AT(dnsbl_question) &&
                  ADDR_AT(rdns_question) == ADDR_AT(helo_question) &&
                  ADDR_AT(rdns_question) == ADDR_AT(spf_question),
              "every question begins with the address");
#undef ADDR_AT

static bool is_graphic(uint8_t c)
{
    return c > 0x20 && c < 0x7f;
}

static bool is_not_control(uint8_t c) // logins and addresses may be UTF-8
{
    return c >= 0x20 && c != 0x7f;
}

struct message message_make(enum message_kind kind, enum message_status status, uint64_t handle)
{
    return (struct message){
        .version = contract_version,
        .kind = (uint8_t)kind,
        .status = (uint8_t)status,
        .handle = handle,
    };
}

bool message_name_set(struct message_name *name, struct span text)
{
    if (text.size && text.at[text.size - 1] == '.') // the root's: one name, one text
        text.size--;
    bool is_dotted = text.size && text.at[text.size - 1] == '.'; // still: an empty label
    if (text.size > sizeof name->text || is_dotted || !all_bytes(text, is_name_byte))
        return false;
    name->size = (uint8_t)text.size;
    if (text.size)
        memcpy(name->text, text.at, text.size);
    return true;
}

static bool guesses_are_sound(uint8_t limit)
{
    return limit == 0 || (limit >= LIMIT_AUTH_GUESSES_PAIR && limit <= LIMIT_AUTH_GUESSES_PREFIX);
}

static bool name_is_sound(const struct message_name *name)
{
    return all_bytes(message_name_span(name), is_name_byte) &&
           (name->size == 0 || name->text[name->size - 1] != '.');
}

static bool client_is_sound(const struct auth_client *client)
{
    return client->protocol < PROTOCOL_COUNT && client->tls <= 1;
}

static bool sasl_is_sound(const struct sasl_question *sasl)
{
    return client_is_sound(&sasl->client) && sasl->mechanism > MECHANISM_NONE &&
           sasl->mechanism < MECHANISM_COUNT && sasl->flags < 2 * EXCHANGE_LOST &&
           sasl->has_binding <= 1 && sasl->response_size <= SASL_PART_MAX;
}

static bool question_is_sound(const struct message *m)
{
    switch ((enum message_kind)m->kind) {
    case MESSAGE_RDNS:
    case MESSAGE_DNSBL:
    case MESSAGE_BAN_LIST:
    case MESSAGE_SESSION_LIST:
    case MESSAGE_SESSION_KILL:
    case MESSAGE_EXPLAIN:
    case MESSAGE_TRACE:
    case MESSAGE_SERVER_LIST:
        return true;
    case MESSAGE_SERVER_DRAIN:
        return memchr(m->server_order.backend, '\0', sizeof m->server_order.backend) &&
               m->server_order.drain <= 1;
    case MESSAGE_DRAIN:
        return m->drain_order.drain <= 1;
    case MESSAGE_TOP_LIST:
        return m->page_question.measure < TOP_MEASURE_COUNT &&
               m->page_question.scope < TOP_SCOPE_COUNT;
    case MESSAGE_BAN_ADD:
    case MESSAGE_BAN_REMOVE:
        return m->ban.reason < REASON_COUNT;
    case MESSAGE_HELO:
        return name_is_sound(&m->helo_question.helo) && name_is_sound(&m->helo_question.name);
    case MESSAGE_SPF:
        return name_is_sound(&m->spf_question.helo) &&
               m->spf_question.mail_from_size <= MAIL_ADDRESS_MAX &&
               all_bytes(span_of(m->spf_question.mail_from, m->spf_question.mail_from_size),
                         is_not_control);
    case MESSAGE_AUTH:
        return client_is_sound(&m->auth_question.client) && m->auth_question.user_size > 0 &&
               all_bytes(span_of(m->auth_question.user, m->auth_question.user_size),
                         is_not_control);
    case MESSAGE_SASL:
        return sasl_is_sound(&m->sasl_question);
    case MESSAGE_OFFER:
    case MESSAGE_REPORT:
    case MESSAGE_KIND_COUNT:
        return false;
    }
    return false;
}

static bool is_below_or_none(uint8_t value, unsigned count)
{
    return value < count || value == 255;
}

static bool score_is_sound(int16_t score)
{
    return score >= -DNSBL_SCORE_MAX && score <= DNSBL_SCORE_MAX;
}

static bool facts_are_sound(const struct report_facts *r)
{
    return r->reason < REASON_COUNT && r->refusal < REASON_COUNT && r->service < SERVICES_MAX &&
           is_below_or_none(r->backend, BACKENDS_MAX) &&
           is_below_or_none(r->rdns, RDNS_VERDICT_COUNT) &&
           is_below_or_none(r->helo_match, HELO_MATCH_COUNT) &&
           is_below_or_none(r->spf, SPF_RESULT_COUNT) &&
           is_below_or_none(r->spf_helo, SPF_RESULT_COUNT) &&
           (r->dnsbl == INT16_MIN || score_is_sound(r->dnsbl)) && r->tls_version <= 3 &&
           r->login < REPORT_LOGIN_COUNT && r->findings >> (FINDING_COUNT - 1) <= 1 &&
           r->user_size <= sizeof r->user;
}

static bool report_is_sound(const struct report *r)
{
    size_t sum = 0;
    for (int i = 0; i < REPORT_TEXTS; i++)
        sum += r->sizes[i];
    return facts_are_sound(&r->facts) && sum <= sizeof r->texts;
}

static bool session_page_is_sound(const struct session_page *page)
{
    if (page->count > SESSIONS_PER_MESSAGE)
        return false;
    for (int i = 0; i < page->count; i++) {
        const struct session_row *row = &page->rows[i];
        if (row->service >= SERVICES_MAX || row->tls > 1 ||
            !is_below_or_none(row->backend, BACKENDS_MAX) || row->state_size > sizeof row->state ||
            row->user_size > sizeof row->user)
            return false;
    }
    return true;
}

static bool ban_page_is_sound(const struct ban_page *page)
{
    if (page->count > BANS_PER_MESSAGE)
        return false;
    for (int i = 0; i < page->count; i++)
        if (page->bans[i].reason >= REASON_COUNT)
            return false;
    return true;
}

static bool top_page_is_sound(const struct top_page *page)
{
    if (page->count > TOP_ROWS_PER_MESSAGE)
        return false;
    for (int i = 0; i < page->count; i++)
        if (page->rows[i].least > page->rows[i].most)
            return false;
    return true;
}

static bool trace_page_is_sound(const struct trace_page *page)
{
    if (page->count > STORIES_PER_MESSAGE)
        return false;
    for (int i = 0; i < page->count; i++)
        if (!trace_story_is_sound(&page->stories[i]))
            return false;
    return true;
}

static bool server_page_is_sound(const struct server_page *page)
{
    if (page->count > SERVERS_PER_MESSAGE)
        return false;
    for (int i = 0; i < page->count; i++) {
        const struct server_row *row = &page->rows[i];
        if (!memchr(row->backend, '\0', sizeof row->backend) || row->drained > 1 ||
            row->health >= SERVER_HEALTH_COUNT || row->last_failure >= REASON_COUNT)
            return false;
    }
    return true;
}

static bool answer_is_sound(const struct message *m)
{
    switch ((enum message_kind)m->kind) {
    case MESSAGE_RDNS:
        return m->rdns_answer.verdict < RDNS_VERDICT_COUNT && name_is_sound(&m->rdns_answer.name);
    case MESSAGE_DNSBL:
        return score_is_sound(m->dnsbl_answer.score);
    case MESSAGE_HELO:
        return m->helo_answer.match < HELO_MATCH_COUNT;
    case MESSAGE_SPF:
        return m->spf_answer.result < SPF_RESULT_COUNT;
    case MESSAGE_AUTH:
        return m->auth_answer.verdict < AUTH_VERDICT_COUNT &&
               guesses_are_sound(m->auth_answer.limit) &&
               all_bytes(span_of(m->auth_answer.user, m->auth_answer.user_size), is_graphic);
    case MESSAGE_SASL:
        return m->sasl_answer.verdict < AUTH_VERDICT_COUNT && m->sasl_answer.goes_on <= 1 &&
               guesses_are_sound(m->sasl_answer.limit) &&
               m->sasl_answer.challenge_size <= SASL_CHALLENGE_MAX &&
               all_bytes(span_of(m->sasl_answer.user, m->sasl_answer.user_size), is_graphic);
    case MESSAGE_OFFER:
        return m->offer.mechanisms >> MECHANISM_COUNT == 0 &&
               !mechanism_is_in(MECHANISM_NONE, m->offer.mechanisms);
    case MESSAGE_BAN_LIST:
        return ban_page_is_sound(&m->ban_page);
    case MESSAGE_SESSION_LIST:
        return session_page_is_sound(&m->session_page);
    case MESSAGE_TOP_LIST:
        return top_page_is_sound(&m->top_page);
    case MESSAGE_EXPLAIN:
        return m->explain_answer.ban_reason < REASON_COUNT && m->explain_answer.is_proven <= 1 &&
               m->explain_answer.attack <= 1 && m->explain_answer.is_good <= 1;
    case MESSAGE_TRACE:
        return trace_page_is_sound(&m->trace_page);
    case MESSAGE_SERVER_LIST:
        return server_page_is_sound(&m->server_page);
    case MESSAGE_REPORT:
        return report_is_sound(&m->report);
    case MESSAGE_SERVER_DRAIN:
    case MESSAGE_DRAIN:
    case MESSAGE_BAN_ADD:
    case MESSAGE_BAN_REMOVE:
    case MESSAGE_SESSION_KILL:
        return true;
    case MESSAGE_KIND_COUNT:
        return false;
    }
    return false;
}

bool message_is_sound(const struct message *m)
{
    if (m->version != contract_version || m->kind == 0 || m->kind >= MESSAGE_KIND_COUNT)
        return false;
    switch ((enum message_status)m->status) {
    case STATUS_ASKED:
        return question_is_sound(m);
    case STATUS_OK:
        return answer_is_sound(m);
    case STATUS_UNAVAILABLE:
    case STATUS_NOT_FOUND: // without a body, which what nobody asked for must have
        return m->kind != MESSAGE_REPORT && m->kind != MESSAGE_OFFER;
    case STATUS_COUNT:
        return false;
    }
    return false;
}

static size_t text_offset(const struct report *report, enum report_text which)
{
    size_t sum = 0;
    for (int i = 0; i < (int)which; i++)
        sum += report->sizes[i];
    return sum;
}

void report_add(struct report *report, enum report_text which, struct span text)
{
    size_t at = text_offset(report, which), left = sizeof report->texts - at;
    CHECK(which < REPORT_TEXTS && report->sizes[which] == 0 && left <= sizeof report->texts);
    size_t most = which == TEXT_RCPT_TO || left < REPORT_TEXT_MAX ? left : REPORT_TEXT_MAX;
    size_t size = text.size < most ? text.size : most;
    while (which == TEXT_RCPT_TO && size > 0 && text.at[size - 1] > RECIPIENT_REFUSED)
        size--;
    if (size)
        memcpy(report->texts + at, text.at, size);
    report->sizes[which] = (uint16_t)size;
}

struct span report_text(const struct report *report, enum report_text which)
{
    CHECK(which < REPORT_TEXTS);
    return span_of(report->texts + text_offset(report, which), report->sizes[which]);
}

void message_wipe(struct message *message)
{
    explicit_bzero(message, sizeof *message);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "worker/worker_internal.h"

#include "contract/doorbell.h"

// Nobody waits for a report: those of many sessions share a doorbell, which costs a system call
// here and waking up there.
enum { REPORTS_A_BELL = 128, REPORT_WAIT_US = 10000 };
static_assert(REPORTS_A_BELL * 2 <= SPSC_SLOTS, "there is room until the bell is heard");

// Orders may walk tables, answers may send mail: each role has its own budget.
static const int messages_a_turn[ROLE_COUNT] = {[ROLE_OPS] = 8, [ROLE_DNS] = 64, [ROLE_AUTH] = 64};

void worker_link_adopt(struct worker *w)
{
    for (int role = 0; role < ROLE_COUNT; role++) {
        struct worker_link *next = __atomic_load_n(&w->links_next[role], __ATOMIC_ACQUIRE);
        if (next == w->links[role])
            continue;
        __atomic_store_n(&w->links[role], next, __ATOMIC_RELEASE);
        if (!next)
            w->alone_us[role] = w->now_us;
        else if (role != ROLE_OPS)
            sessions_ask_again(w->sessions, (enum attach_role)role);
    }
}

static bool put(struct worker *w, enum attach_role role, const struct message *message)
{
    struct worker_link *link = w->links[role];
    if (!link || !spsc_put(&link->channel.out, message))
        return false;
    w->bells[role] = true;
    return true;
}

bool worker_link_ask(void *worker, enum attach_role role, const struct message *question)
{
    struct worker *w = worker;
    if (w->links[role])
        return put(w, role, question);
    // Nobody is there. Not for longer than a question may wait: then it waits to be asked again.
    uint64_t wait_us = w->snapshot ? w->snapshot->policy->limits[LIMIT_QUESTION_MS] * 1000 : 0;
    return w->now_us - w->alone_us[role] < wait_us;
}

void worker_link_report(void *worker, const struct message *report)
{
    struct worker *w = worker;
    struct worker_link *link = w->links[ROLE_OPS];
    if (!link || !spsc_put(&link->channel.out, report))
        counter_refuse(w->counters, REASON_SESSION_REPORT_LOST);
    else if (w->reports++ == 0)
        w->report_us = w->now_us;
}

void worker_link_ring(struct worker *w)
{
    if (w->reports >= REPORTS_A_BELL || (w->reports && w->now_us - w->report_us >= REPORT_WAIT_US))
        w->bells[ROLE_OPS] = true;
    if (w->bells[ROLE_OPS])
        w->reports = 0;
    for (int role = 0; role < ROLE_COUNT; role++) {
        struct worker_link *link = w->links[role];
        if (!w->bells[role] || !link)
            continue;
        w->bells[role] = false;
        if (spsc_wants_bell(&link->channel.out))
            doorbell_ring(link->button);
    }
}

static void explain(const struct worker *w, const struct addr *addr, struct explain_answer *answer)
{
    guard_explain(w->guard, addr, w->now_us, answer);
    for (int measure = 0; measure < TOP_MEASURE_COUNT; measure++)
        for (int scope = 0; scope < TOP_SCOPE_COUNT; scope++)
            guard_heavy_find(&w->heavy, (enum top_measure)measure, (enum top_scope)scope, addr,
                             &answer->places[measure][scope]);
}

static struct message obey(struct worker *w, const struct message *order)
{
    struct message answer = message_make((enum message_kind)order->kind, STATUS_OK, order->handle);
    bool found = true;
    switch ((enum message_kind)order->kind) {
    case MESSAGE_BAN_ADD:
        found = guard_ban_add(w->guard, &order->ban, w->now_us);
        break;
    case MESSAGE_BAN_REMOVE:
        found = guard_ban_remove(w->guard, &order->ban.addr);
        break;
    case MESSAGE_BAN_LIST:
        guard_ban_list(w->guard, order->page_question.cursor, w->now_us, &answer.ban_page);
        break;
    case MESSAGE_SESSION_LIST:
        sessions_list(w->sessions, order->page_question.cursor, w->now_us, &answer.session_page);
        break;
    case MESSAGE_TRACE:
        sessions_trace(w->sessions, order->page_question.cursor, order->page_question.session,
                       &answer.trace_page);
        break;
    case MESSAGE_SESSION_KILL:
        found = sessions_kill(w->sessions, order->session_kill.id, w->now_us);
        break;
    case MESSAGE_TOP_LIST:
        guard_heavy_page(&w->heavy, &order->page_question, &answer.top_page);
        break;
    case MESSAGE_SERVER_LIST:
        sessions_servers(w->sessions, order->page_question.cursor, w->now_us, &answer.server_page);
        break;
    case MESSAGE_SERVER_DRAIN:
        found = sessions_drain_server(w->sessions, &order->server_order);
        break;
    case MESSAGE_DRAIN:
        worker_drain(w, order->drain_order.drain, order->drain_order.seconds);
        answer.drain_answer.sessions = sessions_count(w->sessions);
        break;
    case MESSAGE_EXPLAIN:
        explain(w, &order->explain_question.addr, &answer.explain_answer);
        break;
    default:
        found = false;
        break;
    }
    if (!found)
        answer.status = STATUS_NOT_FOUND;
    return answer;
}

static bool take(struct worker *w, enum attach_role role, struct message *ret_message)
{
    struct worker_link *link = w->links[role];
    return link && spsc_take(&link->channel.in, ret_message);
}

// A child answers what it is asked and nothing else: what DNS brings in logs nobody in.
static bool is_acceptable(const struct message *message, enum attach_role role)
{
    if (!message_is_sound(message))
        return false;
    if (role == ROLE_OPS)
        return message->status == STATUS_ASKED;
    return message->status != STATUS_ASKED &&
           sessions_role_of((enum message_kind)message->kind) == role;
}

unsigned worker_link_serve(struct worker *w)
{
    unsigned count = 0;
    struct message message;
    for (int role = 0; role < ROLE_COUNT; role++) {
        for (int i = 0; i < messages_a_turn[role] && take(w, (enum attach_role)role, &message);
             i++) {
            count++;
            if (!is_acceptable(&message, (enum attach_role)role)) {
                counter_refuse(w->counters, REASON_SESSION_ANSWER_BAD);
                continue;
            }
            if (role != ROLE_OPS) {
                sessions_answer(w->sessions, &message, w->now_us);
                continue;
            }
            struct message answer = obey(w, &message);
            if (!put(w, ROLE_OPS, &answer))
                counter_refuse(w->counters, REASON_SESSION_REPORT_LOST);
        }
    }
    if (count)
        message_wipe(&message);
    return count;
}

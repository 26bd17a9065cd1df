// SPDX-License-Identifier: BSD-3-Clause
#include "session/session_internal.h"

enum { AGAIN_A_TURN = 4096 }; // looks at the table of questions, a role

enum attach_role sessions_role_of(enum message_kind kind)
{
    return kind >= MESSAGE_AUTH && kind <= MESSAGE_OFFER ? ROLE_AUTH : ROLE_DNS;
}

static unsigned slot_of(uint8_t kind)
{
    CHECK(kind >= MESSAGE_RDNS && kind < MESSAGE_RDNS + QUESTION_KINDS);
    return kind - MESSAGE_RDNS;
}

static void question_give(struct sessions *all, handle h)
{
    struct question *q = pool_get(&all->questions, h);
    timer_stop(&all->question_timers, &q->timer);
    message_wipe(&q->message);
    pool_give(&all->questions, h);
}

static bool question_put(struct sessions *all, struct question *q)
{
    enum attach_role role = sessions_role_of((enum message_kind)q->message.kind);
    if (!all->config.ask(all->config.context, role, &q->message))
        return false;
    q->attachment = all->attachments[role];
    return true;
}

void session_question_ask(struct session *s, const struct message *message)
{
    struct sessions *all = s->all;
    unsigned slot = slot_of(message->kind);
    CHECK(s->questions[slot] == HANDLE_NONE && !s->answer_failed[slot]);

    void *object;
    handle h = pool_take(&all->questions, &object);
    if (h != HANDLE_NONE) {
        struct question *q = object;
        *q = (struct question){.session = s->self};
        if (verdicts_find(&all->verdicts, message, all->now_us, &q->message)) {
            s->questions[slot] = h;
            s->answer_known[slot] = true;
            session_count(s, COUNTER_VERDICTS_KNOWN);
            return;
        }
        q->message = *message;
        q->message.handle = h;
        if (question_put(all, q)) {
            uint64_t wait_us = s->host.policy->limits[LIMIT_QUESTION_MS] * 1000;
            timer_set(&all->question_timers, &q->timer, all->now_us + wait_us);
            s->questions[slot] = h;
            session_count(s, COUNTER_QUESTIONS_ASKED);
            return;
        }
        question_give(all, h);
    }
    session_refuse(s, REASON_SESSION_QUESTION_FULL);
    s->answer_failed[slot] = true;
}

static void tell_known(struct session *s, unsigned slot)
{
    handle h = s->questions[slot];
    struct question *q = pool_get(&s->all->questions, h);
    struct message answer = q->message;
    s->answer_known[slot] = false;
    s->questions[slot] = HANDLE_NONE;
    question_give(s->all, h);
    s->protocol->answer(session_machine(s), &answer, s->all->now_us);
}

static void tell_failed(struct session *s, unsigned slot)
{
    struct message answer = message_make(MESSAGE_RDNS + slot, STATUS_UNAVAILABLE, HANDLE_NONE);
    s->answer_failed[slot] = false;
    s->protocol->answer(session_machine(s), &answer, s->all->now_us);
}

bool session_question_tell(struct session *s)
{
    bool told = false;
    for (unsigned slot = 0; slot < QUESTION_KINDS && s->phase == SESSION_TALK; slot++) {
        if (!s->answer_known[slot] && !s->answer_failed[slot])
            continue;
        s->answer_known[slot] ? tell_known(s, slot) : tell_failed(s, slot);
        told = true;
    }
    return told;
}

void session_question_drop(struct session *s)
{
    for (unsigned slot = 0; slot < QUESTION_KINDS; slot++) {
        if (s->questions[slot] != HANDLE_NONE)
            question_give(s->all, s->questions[slot]);
        s->questions[slot] = HANDLE_NONE;
        s->answer_failed[slot] = s->answer_known[slot] = false;
    }
}

void sessions_answer(struct sessions *all, const struct message *answer, uint64_t now_us)
{
    if (answer->kind == MESSAGE_OFFER) {
        all->mechanisms = answer->offer.mechanisms;
        return;
    }
    struct question *q = pool_get(&all->questions, answer->handle);
    if (!q || q->message.kind != answer->kind || q->message.status != STATUS_ASKED ||
        answer->status == STATUS_ASKED) {
        counter_refuse(all->config.counters, REASON_SESSION_ANSWER_LATE);
        return;
    }
    struct session *s = pool_get(&all->pool, q->session);
    CHECK(s != NULL); // a session that ends takes its questions with it
    all->now_us = now_us;
    verdicts_put(&all->verdicts, &q->message, answer, now_us);
    s->questions[slot_of(answer->kind)] = HANDLE_NONE;
    question_give(all, answer->handle);
    if (answer->status != STATUS_UNAVAILABLE)
        session_count(s, COUNTER_ANSWERS_TAKEN);
    if (s->phase == SESSION_TALK)
        s->protocol->answer(session_machine(s), answer, now_us);
    session_run(s);
}

// Not those that the new channel has brought itself, nor those whose answer is known.
static bool is_to_ask(const struct sessions *all, const struct question *q, enum attach_role role)
{
    return q && q->message.status == STATUS_ASKED &&
           sessions_role_of((enum message_kind)q->message.kind) == role &&
           q->attachment != all->attachments[role];
}

// It was with two children that ended, so it may be what ends them: nobody else shall be asked.
static void give_up(struct sessions *all, const struct question *q)
{
    struct message answer =
        message_make((enum message_kind)q->message.kind, STATUS_UNAVAILABLE, q->message.handle);
    counter_refuse(all->config.counters, REASON_SESSION_QUESTION_POISON);
    sessions_answer(all, &answer, all->now_us); // the question is gone after this call
}

static void ask_again(struct sessions *all, enum attach_role role)
{
    for (int looks = 0; looks < AGAIN_A_TURN && all->again[role] < all->questions.count; looks++) {
        struct question *q = pool_get(&all->questions, pool_at(&all->questions, all->again[role]));
        if (is_to_ask(all, q, role) && q->again) {
            give_up(all, q);
        } else if (is_to_ask(all, q, role)) {
            if (!question_put(all, q))
                return; // the ring is full: here it goes on
            q->again = true;
            counter_add(all->config.counters, COUNTER_QUESTIONS_ASKED_AGAIN, 1);
        }
        all->again[role]++;
    }
}

void sessions_ask_again(struct sessions *all, enum attach_role role)
{
    all->attachments[role]++;
    all->again[role] = 0;
    if (role == ROLE_DNS) // what it is told to ask may be other than before
        verdicts_flush(&all->verdicts);
    ask_again(all, role);
}

void session_question_advance(struct sessions *all)
{
    ask_again(all, ROLE_DNS);
    ask_again(all, ROLE_AUTH);
}

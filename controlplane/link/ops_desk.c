// SPDX-License-Identifier: BSD-3-Clause
#include "link/ops_desk.h"

#include <errno.h>

enum { TICK_MS = 100 };
static_assert(WORKERS_MAX <= 32, "a bit for each worker");

static uint64_t handle_of(const struct ops_desk *desk, const struct ops_ask *ask)
{
    return (uint64_t)ask->generation << 32 | (uint64_t)(ask - desk->asks);
}

static struct ops_ask *ask_find(struct ops_desk *desk, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    if (index >= OPS_ASKS_MAX)
        return NULL;
    struct ops_ask *ask = &desk->asks[index];
    return ask->used && ask->generation == handle >> 32 ? ask : NULL;
}

static void ask_end(struct ops_desk *desk, struct ops_ask *ask, int error)
{
    ask->used = false;
    ask->generation++;
    if (--desk->used == 0)
        uv_timer_stop(&desk->timer);
    ask->owner.done(ask->owner.context, error);
}

static void on_tick(uv_timer_t *timer)
{
    struct ops_desk *desk = (struct ops_desk *)timer->data;
    uint64_t now = uv_now(timer->loop);
    for (int i = 0; i < OPS_ASKS_MAX; i++)
        if (desk->asks[i].used && desk->asks[i].deadline_ms <= now)
            ask_end(desk, &desk->asks[i], -ETIMEDOUT);
}

void ops_desk_init(struct ops_desk *desk, uv_loop_t *loop, struct dataplane_link *link)
{
    *desk = (struct ops_desk){.link = link};
    CHECK(uv_timer_init(loop, &desk->timer) == 0);
    desk->timer.data = desk;
}

void ops_desk_done(struct ops_desk *desk)
{
    ops_desk_down(desk);
    if (!uv_is_closing((uv_handle_t *)&desk->timer))
        uv_close((uv_handle_t *)&desk->timer, NULL);
}

static bool put(struct ops_desk *desk, unsigned worker, const struct message *question)
{
    return spsc_put(&desk->link->client.channels[worker].out, question);
}

int ops_desk_ask(struct ops_desk *desk, const struct message *question,
                 const struct ops_owner *owner)
{
    if (desk->link->state != LINK_UP)
        return -ENOTCONN;
    struct ops_ask *ask = desk->asks;
    while (ask < desk->asks + OPS_ASKS_MAX && ask->used)
        ask++;
    if (ask == desk->asks + OPS_ASKS_MAX)
        return -EBUSY;
    ask->question = *question;
    ask->question.handle = handle_of(desk, ask);
    uint32_t waiting = 0;
    for (unsigned worker = 0; worker < desk->link->client.workers; worker++) {
        if (!put(desk, worker, &ask->question)) {
            ask->generation++; // those that were asked answer nobody
            return -EBUSY;
        }
        waiting |= 1u << worker;
    }
    uv_update_time(desk->timer.loop); // compiling a policy may have taken long since
    ask->used = true;
    ask->waiting = waiting;
    ask->pages = 0;
    ask->deadline_ms = uv_now(desk->timer.loop) + OPS_DEADLINE_MS;
    ask->owner = *owner;
    if (desk->used++ == 0)
        uv_timer_start(&desk->timer, on_tick, TICK_MS, TICK_MS);
    return 0;
}

static uint32_t next_page(const struct message *answer)
{
    if (answer->status != STATUS_OK)
        return 0;
    if (answer->kind == MESSAGE_BAN_LIST)
        return answer->ban_page.next;
    if (answer->kind == MESSAGE_SERVER_LIST)
        return answer->server_page.next;
    if (answer->kind == MESSAGE_TOP_LIST)
        return answer->top_page.next;
    if (answer->kind == MESSAGE_TRACE)
        return answer->trace_page.next;
    return answer->kind == MESSAGE_SESSION_LIST ? answer->session_page.next : 0;
}

void ops_desk_answer(struct ops_desk *desk, unsigned worker, const struct message *answer)
{
    struct ops_ask *ask = ask_find(desk, answer->handle);
    if (!ask || answer->kind != ask->question.kind || !(ask->waiting & 1u << worker)) {
        desk->answers_late++;
        return;
    }
    ask->owner.answer(ask->owner.context, worker, answer);
    uint32_t next = next_page(answer);
    if (next && ++ask->pages < OPS_PAGES_MAX) {
        struct message question = ask->question;
        question.page_question.cursor = next;
        ask->deadline_ms = uv_now(desk->timer.loop) + OPS_DEADLINE_MS;
        if (!put(desk, worker, &question))
            ask_end(desk, ask, -EBUSY);
        return;
    }
    ask->waiting &= ~(1u << worker);
    if (ask->waiting == 0)
        ask_end(desk, ask, 0);
}

void ops_desk_down(struct ops_desk *desk)
{
    for (int i = 0; i < OPS_ASKS_MAX; i++)
        if (desk->asks[i].used)
            ask_end(desk, &desk->asks[i], -ENOTCONN);
}

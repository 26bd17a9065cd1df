// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_event.h"

void tcp_event_raise(struct tcp *tcp, struct tcp_conn *c, uint8_t bits)
{
    if (c->flags & (TCP_CONN_RELEASED | TCP_CONN_GONE | TCP_CONN_CLOSE_TOLD))
        return;
    c->events |= bits;
    if (c->flags & TCP_CONN_ON_EVENTS)
        return;
    c->flags |= TCP_CONN_ON_EVENTS;
    c->next_event = 0;
    uint32_t link = tcp_conn_index(tcp, c) + 1;
    if (tcp->event_tail)
        tcp_conn_at(tcp, tcp->event_tail - 1)->next_event = link;
    else
        tcp->event_head = link;
    tcp->event_tail = link;
}

static struct tcp_conn *take_first(struct tcp *tcp)
{
    struct tcp_conn *c = tcp_conn_at(tcp, tcp->event_head - 1);
    tcp->event_head = c->next_event;
    if (!tcp->event_head)
        tcp->event_tail = 0;
    c->flags &= ~(uint32_t)TCP_CONN_ON_EVENTS;
    return c;
}

bool tcp_event_next(struct tcp *tcp, struct tcp_event *ret_event)
{
    if (tcp->closing) { // the owner has seen its last event
        struct tcp_conn *c = tcp_conn_at(tcp, tcp->closing - 1);
        tcp->closing = 0;
        tcp_conn_gone(tcp, c);
    }
    while (tcp->event_head) {
        struct tcp_conn *c = take_first(tcp);
        if (!c->events) { // released or aborted since
            tcp_conn_unlist(tcp, c);
            continue;
        }
        *ret_event = (struct tcp_event){
            .connection = tcp_conn_handle(tcp, c),
            .user = c->user,
            .bits = c->events,
            .reason = c->events & TCP_EVENT_CLOSED ? c->closed_reason : REASON_NONE,
        };
        c->events = 0;
        if (ret_event->bits & TCP_EVENT_CLOSED) {
            c->flags |= TCP_CONN_CLOSE_TOLD;
            tcp->closing = tcp_conn_index(tcp, c) + 1;
        }
        return true;
    }
    return false;
}

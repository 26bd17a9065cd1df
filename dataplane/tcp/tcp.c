// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp.h"

#include "base/memory.h"
#include "tcp/tcp_conn.h"
#include "tcp/tcp_event.h"
#include "tcp/tcp_header.h"
#include "tcp/tcp_input.h"
#include "tcp/tcp_mtu.h"
#include "tcp/tcp_output.h"
#include "tcp/tcp_queue.h"
#include "tcp/tcp_reassembly.h"
#include "tcp/tcp_recovery.h"
#include "tcp/tcp_table.h"
#include "tcp/tcp_timer.h"
#include "tcp/tcp_timewait.h"
#include "tcp/tcp_trace.h"

#include <rte_mempool.h>
#include <stdlib.h>

struct tcp *tcp_open(const struct tcp_config *config)
{
    struct tcp *tcp = calloc(1, sizeof *tcp);
    if (!tcp)
        return NULL;
    CHECK(config->connections <= TCP_TABLE_MOST);
    tcp->config = *config;
    tcp->conns = memory_take(config->connections * sizeof *tcp->conns, config->numa_node);
    tcp->cold = memory_take(config->connections * sizeof *tcp->cold, config->numa_node);
    if (!tcp->conns || !tcp->cold || tcp_timewait_init(tcp, config->connections) != 0 ||
        tcp_table_init(tcp, config->connections + tcp->waits_mask + 1) != 0 ||
        wheel_init(&tcp->wheel, tcp->conns, config->connections, sizeof *tcp->conns,
                   offsetof(struct tcp_conn, timer)) != 0 ||
        tcp_trace_init(tcp, config->connections) != 0) {
        tcp_shut(tcp);
        return NULL;
    }
    // Half of the packet buffers may stand in queues, a quarter each way; the rest is for what
    // arrives and leaves.
    uint32_t workers = tcp_max(config->workers, 1);
    tcp->buffers_most = tcp_max(config->mbufs->size / 4 / workers, 1);
    tcp->segment_room = rte_pktmbuf_data_room_size(config->mbufs) - 128; // headers' room in a copy
    return tcp;
}

size_t tcp_memory(const struct tcp *tcp)
{
    return tcp->config.connections * (sizeof *tcp->conns + sizeof *tcp->cold);
}

void tcp_shut(struct tcp *tcp)
{
    for (uint32_t i = 0; i < tcp->conns_begun; i++)
        if (tcp_conn_at(tcp, i)->generation & 1)
            tcp_conn_gone(tcp, tcp_conn_at(tcp, i));
    tcp_trace_done(tcp);
    wheel_done(&tcp->wheel);
    tcp_timewait_done(tcp);
    tcp_table_done(tcp);
    memory_give(tcp->conns, tcp->config.connections * sizeof *tcp->conns);
    memory_give(tcp->cold, tcp->config.connections * sizeof *tcp->cold);
    free(tcp);
}

static handle handle_of(struct tcp *tcp, uint32_t ref, const struct packet *packet)
{
    if (ref == 0)
        return HANDLE_NONE;
    if (ref & TCP_TABLE_WAIT)
        return tcp_timewait_lookup(tcp, ref, packet);
    return tcp_conn_handle(tcp, tcp_conn_at(tcp, ref - 1));
}

handle tcp_lookup(struct tcp *tcp, const struct packet *packet)
{
    uint32_t ref =
        tcp_table_find(tcp, &packet->dst, packet->dst_port, &packet->src, packet->src_port);
    return handle_of(tcp, ref, packet);
}

void tcp_look(const struct tcp *tcp, const struct packet *packets, const uint8_t *which,
              unsigned count, struct tcp_look *ret_looks)
{
    tcp_table_look(tcp, packets, which, count, ret_looks);
}

handle tcp_lookup_at(struct tcp *tcp, const struct packet *packet, const struct tcp_look *look)
{
    return handle_of(tcp, tcp_table_find_at(tcp, look, packet), packet);
}

void tcp_input(struct tcp *tcp, handle h, struct rte_mbuf *m, const struct packet *packet,
               uint64_t now_us)
{
    tcp_conn_now(tcp, now_us);
    if (tcp_timewait_is(h)) {
        tcp_timewait_input(tcp, h, packet);
        rte_pktmbuf_free(m);
        return;
    }
    struct tcp_conn *c = tcp_conn_of(tcp, h);
    if (c)
        tcp_input_segment(tcp, c, m, packet);
    else
        rte_pktmbuf_free(m);
}

handle tcp_accept(struct tcp *tcp, const struct packet *ack, const struct tcp_handshake *handshake,
                  uint64_t user, uint64_t now_us)
{
    tcp_conn_now(tcp, now_us);
    uint32_t old = tcp_table_find(tcp, &ack->dst, ack->dst_port, &ack->src, ack->src_port);
    if (old & TCP_TABLE_WAIT)
        tcp_timewait_remove(tcp, old);
    else if (old)
        return HANDLE_NONE;
    int index = tcp_conn_local(tcp, &ack->dst);
    struct tcp_conn *c = index < 0 ? NULL : tcp_conn_take(tcp, user);
    if (!c) {
        counter_refuse(tcp->config.counters, REASON_TCP_NO_CONNECTION_FREE);
        return HANDLE_NONE;
    }
    c->remote = ack->src;
    c->remote_port = ack->src_port;
    c->local = (uint8_t)index;
    c->local_port = ack->dst_port;
    c->leg = ack->leg;
    // The cookie stood for LISTEN and SYN-RECEIVED (RFC 4987, section 3.6).
    c->state = TCP_SYN_RECEIVED;
    tcp_conn_enter(tcp, c, TCP_ESTABLISHED);
    tcp_table_insert(tcp, tcp_table_ref(tcp, c));
    tcp_conn_establish(tcp, c, handshake);
    c->snd_wnd = c->snd_wnd_most = (uint32_t)ack->window << c->snd_scale;
    counter_add(tcp->config.counters, COUNTER_CONNECTIONS_ACCEPTED, 1);
    return tcp_conn_handle(tcp, c);
}

bool tcp_reopened(struct tcp *tcp, const struct packet *ack, struct tcp_handshake *ret_handshake)
{
    uint32_t ref = tcp_table_find(tcp, &ack->dst, ack->dst_port, &ack->src, ack->src_port);
    return ref & TCP_TABLE_WAIT && tcp_timewait_reopened(tcp, ref, ack, ret_handshake);
}

unsigned tcp_peek(struct tcp *tcp, handle h, struct span *ret_spans, unsigned most)
{
    struct tcp_conn *c = tcp_conn_of(tcp, h);
    unsigned count = 0;
    for (struct rte_mbuf *m = c ? c->recv_head : NULL; m && count < most; m = m->next)
        ret_spans[count++] = span_of(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
    return count;
}

void tcp_consume(struct tcp *tcp, handle h, size_t size)
{
    struct tcp_conn *c = tcp_conn_of(tcp, h);
    if (!c || size == 0)
        return;
    tcp_reassembly_consume(tcp, c, size);
    if (c->state != TCP_CLOSED)
        tcp_output_opened(tcp, c);
    else if (c->recv_bytes == 0 && c->closed_reason == REASON_NONE)
        tcp_event_raise(tcp, c, TCP_EVENT_CLOSED);
}

size_t tcp_readable(const struct tcp *tcp, handle h)
{
    const struct tcp_conn *c = tcp_conn_of(tcp, h);
    return c ? c->recv_bytes : 0;
}

static bool may_send(const struct tcp_conn *c)
{
    return (c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT) &&
           !(c->flags & (TCP_CONN_FIN_WANTED | TCP_CONN_FIN_QUEUED | TCP_CONN_RELEASED));
}

size_t tcp_send(struct tcp *tcp, handle h, struct span data)
{
    struct tcp_conn *c = tcp_conn_of(tcp, h);
    if (!c || !may_send(c) || data.size == 0)
        return 0;
    size_t taken = tcp_queue_append(tcp, c, data);
    tcp_output_want(tcp, c);
    return taken;
}

size_t tcp_send_room(const struct tcp *tcp, handle h)
{
    const struct tcp_conn *c = tcp_conn_of(tcp, h);
    return c && may_send(c) ? tcp_queue_room(tcp, c) : 0;
}

size_t tcp_unsent(const struct tcp *tcp, handle h)
{
    const struct tcp_conn *c = tcp_conn_of(tcp, h);
    return c ? c->send_bytes : 0;
}

void tcp_nagle(struct tcp *tcp, handle h, bool on)
{
    struct tcp_conn *c = tcp_conn_of(tcp, h);
    if (!c)
        return;
    c->flags &= ~(uint32_t)TCP_CONN_NAGLE;
    c->flags |= on ? TCP_CONN_NAGLE : 0;
    tcp_output_want(tcp, c);
}

void tcp_push(struct tcp *tcp, handle h)
{
    struct tcp_conn *c = tcp_conn_of(tcp, h);
    if (!c || !c->send_next)
        return;
    c->send_tail->bits |= TCP_SEGMENT_PUSH;
    tcp_output_want(tcp, c);
}

void tcp_finish(struct tcp *tcp, handle h)
{
    struct tcp_conn *c = tcp_conn_of(tcp, h);
    if (!c || c->state == TCP_CLOSED || c->flags & (TCP_CONN_FIN_WANTED | TCP_CONN_FIN_QUEUED))
        return;
    c->flags |= TCP_CONN_FIN_WANTED;
    tcp_output_want(tcp, c);
}

void tcp_abort(struct tcp *tcp, handle h)
{
    struct tcp_conn *c = tcp_conn_of(tcp, h);
    if (!c)
        return;
    if (c->state > TCP_SYN_SENT)
        tcp_output_reset(tcp, c);
    if (c->state != TCP_CLOSED) {
        tcp_trace_add(tcp, c, TRACE_ABORTED, 0);
        tcp_trace_keep(tcp, c, REASON_NONE);
    }
    tcp_conn_gone(tcp, c);
}

void tcp_give(struct tcp *tcp, handle h, uint64_t user)
{
    struct tcp_conn *c = tcp_conn_of(tcp, h);
    if (c)
        c->user = user;
}

void tcp_release(struct tcp *tcp, handle h)
{
    struct tcp_conn *c = tcp_conn_of(tcp, h);
    if (!c)
        return;
    if (c->state == TCP_CLOSED || c->state == TCP_SYN_SENT) {
        tcp_conn_gone(tcp, c);
        return;
    }
    c->events = 0;
    tcp_reassembly_drop_unread(tcp, c);
    tcp_output_opened(tcp, c);
    tcp_finish(tcp, h);
    c->flags |= TCP_CONN_RELEASED;
    tcp_timer_life(tcp, c, c->state == TCP_FIN_WAIT_2 ? TCP_FIN_WAIT_2_MS : TCP_LINGER_MS);
}

void tcp_advance(struct tcp *tcp, uint64_t now_us)
{
    tcp_conn_now(tcp, now_us);
    wheel_advance(&tcp->wheel, tcp->now_us, TCP_TIMERS_TURN, tcp_timer_fire, tcp);
    tcp_timewait_expire(tcp);
    tcp_output_turn(tcp);
}

uint64_t tcp_next_us(const struct tcp *tcp)
{
    if (tcp->output_head || tcp->event_head || tcp->closing)
        return tcp->now_us;
    uint64_t timer_us = wheel_next_us(&tcp->wheel);
    uint64_t wait_us = tcp_timewait_next_us(tcp);
    return timer_us < wait_us ? timer_us : wait_us;
}

void tcp_icmp(struct tcp *tcp, const struct packet *quoted, uint16_t next_mtu, bool hard,
              uint64_t now_us)
{
    tcp_conn_now(tcp, now_us);
    uint32_t ref =
        tcp_table_find(tcp, &quoted->src, quoted->src_port, &quoted->dst, quoted->dst_port);
    if (ref == 0 || ref & TCP_TABLE_WAIT)
        return;
    struct tcp_conn *c = tcp_conn_at(tcp, ref - 1);
    uint32_t flight = c->snd_nxt - c->snd_una;
    if (quoted->seq - c->snd_una >= flight) // not of anything in flight: RFC 5927, section 4.1
        return;
    if (hard && c->state == TCP_SYN_SENT) {
        tcp_conn_close(tcp, c, REASON_TCP_REFUSED);
        return;
    }
    if (next_mtu == 0 || c->state < TCP_ESTABLISHED || !tcp_mtu_lower(tcp, c, next_mtu))
        return;
    tcp_recovery_shrink(tcp, c);
    tcp_output_want(tcp, c);
}

bool tcp_info(const struct tcp *tcp, handle h, struct tcp_info *ret_info)
{
    const struct tcp_conn *c = tcp_conn_of(tcp, h);
    if (!c)
        return false;
    *ret_info = (struct tcp_info){
        .local = tcp->locals[c->local],
        .remote = c->remote,
        .local_port = c->local_port,
        .remote_port = c->remote_port,
        .state = tcp_conn_state_name(c->state),
        .rtt_us = c->srtt_us,
        .cwnd_bytes = c->cwnd,
        .retransmitted = c->retransmitted,
    };
    return true;
}

uint32_t tcp_connections(const struct tcp *tcp)
{
    return tcp->open;
}

void tcp_refuse(struct tcp *tcp, const struct packet *packet)
{
    tcp_header_reset(tcp, packet);
}

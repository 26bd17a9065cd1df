// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_queue.h"

#include "tcp/tcp_quota.h"

static uint32_t segments_most(const struct tcp *tcp)
{
    uint32_t quota = tcp_quota(tcp->buffers_send, tcp->buffers_most);
    return tcp_min(tcp_min(tcp->config.send_bytes / 512 + 4, quota), UINT16_MAX);
}

static struct tcp_segment *add_segment(struct tcp *tcp, struct tcp_conn *c)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(tcp->config.mbufs);
    if (!m) {
        counter_refuse(tcp->config.counters, REASON_TCP_NO_BUFFER);
        return NULL;
    }
    struct tcp_segment *s = m->buf_addr;
    *s = (struct tcp_segment){.mbuf = m,
                              .seq = c->send_head ? tcp_segment_end(c->send_tail) : c->snd_nxt};
    if (c->send_head)
        c->send_tail->next = s;
    else
        c->send_head = s;
    c->send_tail = s;
    if (!c->send_next)
        c->send_next = s;
    c->send_segments++;
    tcp->buffers_send++;
    return s;
}

// Room behind the last segment, when that was not sent yet.
static uint32_t tail_room(const struct tcp *tcp, const struct tcp_conn *c)
{
    if (!c->send_next || c->send_tail->size >= c->mss)
        return 0;
    const struct tcp_segment *tail = c->send_tail;
    return tcp_min(c->mss - tail->size, tcp->segment_room - tail->start - tail->size);
}

size_t tcp_queue_room(const struct tcp *tcp, const struct tcp_conn *c)
{
    uint32_t most = segments_most(tcp);
    uint32_t more = c->send_segments < most ? most - c->send_segments : 0;
    if (more)
        more = tcp_min(more, tcp->buffers_most - tcp->buffers_send);
    uint64_t room = (uint64_t)more * c->mss + tail_room(tcp, c);
    uint32_t left =
        c->send_bytes < tcp->config.send_bytes ? tcp->config.send_bytes - c->send_bytes : 0;
    return room < left ? room : left;
}

size_t tcp_queue_append(struct tcp *tcp, struct tcp_conn *c, struct span data)
{
    size_t room = tcp_queue_room(tcp, c);
    size_t taken = 0;
    size_t want = data.size < room ? data.size : room;
    while (taken < want) {
        uint32_t fits = tail_room(tcp, c);
        if (fits == 0) {
            if (!add_segment(tcp, c))
                break;
            fits = tail_room(tcp, c);
        }
        struct tcp_segment *s = c->send_tail;
        size_t step = fits < want - taken ? fits : want - taken;
        memcpy(s->bytes + s->start + s->size, data.at + taken, step);
        s->size = (uint16_t)(s->size + step);
        taken += step;
    }
    c->send_bytes += (uint32_t)taken;
    if (taken < data.size)
        c->flags |= TCP_CONN_WRITE_WANTED;
    return taken;
}

bool tcp_queue_finish(struct tcp *tcp, struct tcp_conn *c)
{
    if (!c->send_next && !add_segment(tcp, c))
        return false;
    c->send_tail->bits |= TCP_SEGMENT_FIN;
    c->flags |= TCP_CONN_FIN_QUEUED;
    c->flags &= ~(uint32_t)TCP_CONN_FIN_WANTED;
    return true;
}

bool tcp_queue_split(struct tcp *tcp, struct tcp_conn *c, struct tcp_segment *s, uint16_t size)
{
    CHECK(size > 0 && size < s->size);
    struct rte_mbuf *m = rte_pktmbuf_alloc(tcp->config.mbufs);
    if (!m) {
        counter_refuse(tcp->config.counters, REASON_TCP_NO_BUFFER);
        return false;
    }
    struct tcp_segment *rest = m->buf_addr;
    *rest = *s;
    rest->mbuf = m;
    rest->seq = s->seq + size;
    rest->size = (uint16_t)(s->size - size);
    rest->start = 0;
    memcpy(rest->bytes, s->bytes + s->start + size, rest->size);
    s->size = size;
    s->bits &= (uint8_t)~TCP_SEGMENT_FIN;
    s->next = rest;
    if (c->send_tail == s)
        c->send_tail = rest;
    c->send_segments++;
    tcp->buffers_send++;
    return true;
}

void tcp_queue_pop(struct tcp *tcp, struct tcp_conn *c)
{
    struct tcp_segment *s = c->send_head;
    c->send_head = s->next;
    if (c->send_next == s)
        c->send_next = s->next;
    c->send_bytes -= s->size;
    c->send_segments--;
    tcp->buffers_send--;
    rte_pktmbuf_free(s->mbuf);
}

void tcp_queue_trim(struct tcp_conn *c, struct tcp_segment *s, uint16_t size)
{
    CHECK(size <= s->size);
    s->seq += size;
    s->start = (uint16_t)(s->start + size);
    s->size = (uint16_t)(s->size - size);
    c->send_bytes -= size;
}

void tcp_queue_drop(struct tcp *tcp, struct tcp_conn *c)
{
    while (c->send_head)
        tcp_queue_pop(tcp, c);
    c->lost_bytes = c->sacked_bytes = c->again_bytes = 0;
}

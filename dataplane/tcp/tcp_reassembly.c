// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_reassembly.h"

#include "tcp/tcp_quota.h"

enum { JOIN_MOST = 512 }; // payloads up to this are copied behind the ones before them

static void give_back(struct tcp *tcp, struct rte_mbuf *m)
{
    tcp->buffers_recv--;
    tcp_mbuf_free(m);
}

// True when m's bytes went behind those of `tail` and m is freed.
static bool join(struct rte_mbuf *tail, struct rte_mbuf *m)
{
    uint16_t size = m->data_len;
    if (size > JOIN_MOST || !RTE_MBUF_DIRECT(tail) || rte_mbuf_refcnt_read(tail) != 1 ||
        rte_pktmbuf_tailroom(tail) < size)
        return false;
    memcpy(rte_pktmbuf_mtod_offset(tail, uint8_t *, tail->data_len), rte_pktmbuf_mtod(m, uint8_t *),
           size);
    tail->data_len = (uint16_t)(tail->data_len + size);
    tail->pkt_len = tail->data_len;
    tcp_mbuf_free(m);
    return true;
}

static uint32_t run_mbufs_most(const struct tcp *tcp)
{
    uint32_t quota = tcp_quota(tcp->buffers_recv, tcp->buffers_most / 2);
    return tcp_min(tcp_min(tcp->config.receive_bytes / 512 + 8, quota), UINT16_MAX);
}

// Moves a buffer that is in order now to the owner's list. Small ones are joined there too, or
// every second byte sent ahead would hold a buffer for each two bytes.
static void deliver(struct tcp *tcp, struct tcp_conn *c, struct rte_mbuf *m)
{
    uint16_t size = m->data_len;
    c->recv_bytes += size;
    c->rcv_nxt += size;
    if (c->recv_head && join(c->recv_tail, m))
        return;
    tcp->buffers_recv++;
    if (c->recv_head)
        c->recv_tail->next = m;
    else
        c->recv_head = m;
    c->recv_tail = m;
    m->next = NULL;
}

static void deliver_runs(struct tcp *tcp, struct tcp_conn *c)
{
    while (c->runs && c->runs->left == c->rcv_nxt) {
        struct tcp_run run = *c->runs; // it stands in the first buffer, which may be freed
        c->runs = run.next;
        c->run_count--;
        run.last->next = NULL;
        for (struct rte_mbuf *m = run.first; m;) {
            struct rte_mbuf *next = m->next;
            c->run_mbufs--;
            tcp->buffers_recv--;
            deliver(tcp, c, m);
            m = next;
        }
    }
}

static uint32_t next_stamp(const struct tcp_conn *c)
{
    uint32_t stamp = 0;
    for (const struct tcp_run *run = c->runs; run; run = run->next)
        stamp = tcp_max(stamp, run->stamp);
    return stamp + 1;
}

static bool may_hold(const struct tcp *tcp, const struct tcp_conn *c, bool ahead)
{
    return ahead ? c->run_mbufs < run_mbufs_most(tcp) : tcp->buffers_recv < tcp->buffers_most;
}

static enum tcp_reassembly_result refuse(struct tcp *tcp, struct rte_mbuf *m, enum reason reason)
{
    counter_refuse(tcp->config.counters, reason);
    rte_pktmbuf_free(m);
    return TCP_REASSEMBLY_REFUSED;
}

static enum tcp_reassembly_result take_next(struct tcp *tcp, struct tcp_conn *c, struct rte_mbuf *m)
{
    // What a run holds already is cut off; what lies behind that run will come again.
    if (c->runs && seq_after(c->rcv_nxt + m->data_len, c->runs->left))
        rte_pktmbuf_trim(m, (uint16_t)(c->rcv_nxt + m->data_len - c->runs->left));
    if (m->data_len == 0) {
        rte_pktmbuf_free(m);
    } else {
        if (!may_hold(tcp, c, false))
            return refuse(tcp, m, REASON_TCP_NO_BUFFER);
        deliver(tcp, c, m);
    }
    deliver_runs(tcp, c);
    return TCP_REASSEMBLY_NEXT;
}

static void append_to_run(struct tcp *tcp, struct tcp_conn *c, struct tcp_run *run,
                          struct rte_mbuf *m)
{
    run->stamp = next_stamp(c);
    run->right += m->data_len;
    if (join(run->last, m)) // its own descriptor stands in front of the data: untouched
        return;
    tcp->buffers_recv++;
    c->run_mbufs++;
    run->last->next = m;
    run->last = m;
    m->next = NULL;
}

static void merge_with_next(struct tcp_conn *c, struct tcp_run *run)
{
    struct tcp_run *next = run->next;
    if (!next || next->left != run->right)
        return;
    run->last->next = next->first;
    run->last = next->last;
    run->right = next->right;
    run->next = next->next;
    c->run_count--;
}

static enum tcp_reassembly_result take_ahead(struct tcp *tcp, struct tcp_conn *c,
                                             struct rte_mbuf *m, uint32_t seq)
{
    struct tcp_run **link = &c->runs;
    while (*link && seq_before((*link)->right, seq)) // at most TCP_RUNS_MAX
        link = &(*link)->next;
    struct tcp_run *run = *link; // the first that ends at seq or behind it

    struct tcp_run *before = NULL;
    if (run && !seq_before(seq, run->left)) { // starts within it or at its end
        uint32_t known = run->right - seq;
        if (known >= m->data_len) {
            run->stamp = next_stamp(c);
            rte_pktmbuf_free(m);
            return TCP_REASSEMBLY_AGAIN;
        }
        rte_pktmbuf_adj(m, (uint16_t)known);
        seq += known;
        before = run;
        run = run->next;
    }
    if (run && seq_after(seq + m->data_len, run->left))
        rte_pktmbuf_trim(m, (uint16_t)(seq + m->data_len - run->left));
    if (m->data_len == 0) {
        rte_pktmbuf_free(m);
        return TCP_REASSEMBLY_AHEAD;
    }

    if (!may_hold(tcp, c, true))
        return refuse(tcp, m, REASON_TCP_REASSEMBLY_FULL);
    if (before) {
        append_to_run(tcp, c, before, m);
        merge_with_next(c, before);
        return TCP_REASSEMBLY_AHEAD;
    }
    if (c->run_count == TCP_RUNS_MAX || m->data_off < sizeof(struct tcp_run) ||
        !RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1)
        return refuse(tcp, m, REASON_TCP_REASSEMBLY_FULL);
    uint32_t stamp = next_stamp(c);
    struct tcp_run *made = m->buf_addr;
    *made = (struct tcp_run){.next = *link,
                             .first = m,
                             .last = m,
                             .left = seq,
                             .right = seq + m->data_len,
                             .stamp = stamp};
    m->next = NULL;
    *link = made;
    c->run_count++;
    c->run_mbufs++;
    tcp->buffers_recv++;
    merge_with_next(c, made);
    return TCP_REASSEMBLY_AHEAD;
}

enum tcp_reassembly_result tcp_reassembly_take(struct tcp *tcp, struct tcp_conn *c,
                                               struct rte_mbuf *m, uint32_t seq)
{
    if (seq_before(seq, c->rcv_nxt)) {
        uint32_t known = c->rcv_nxt - seq;
        if (known >= m->data_len) {
            rte_pktmbuf_free(m);
            return TCP_REASSEMBLY_AGAIN;
        }
        rte_pktmbuf_adj(m, (uint16_t)known);
        seq = c->rcv_nxt;
    }
    if (seq == c->rcv_nxt)
        return take_next(tcp, c, m);
    return take_ahead(tcp, c, m, seq);
}

uint8_t tcp_reassembly_sack(struct tcp *tcp, struct tcp_conn *c, struct tcp_sack_block *ret_blocks,
                            uint8_t most)
{
    uint8_t count = 0;
    if (c->flags & TCP_CONN_DSACK && count < most) {
        const struct tcp_cold *cold = tcp_conn_cold(tcp, c);
        ret_blocks[count++] =
            (struct tcp_sack_block){cold->dsack_left, cold->dsack_left + cold->dsack_size};
        c->flags &= ~(uint32_t)TCP_CONN_DSACK;
    }
    uint32_t below = UINT32_MAX;
    while (count < most) {
        const struct tcp_run *latest = NULL;
        for (const struct tcp_run *run = c->runs; run; run = run->next)
            if (run->stamp < below && (!latest || run->stamp > latest->stamp))
                latest = run;
        if (!latest)
            break;
        below = latest->stamp;
        ret_blocks[count++] = (struct tcp_sack_block){latest->left, latest->right};
    }
    return count;
}

void tcp_reassembly_consume(struct tcp *tcp, struct tcp_conn *c, size_t size)
{
    while (size && c->recv_head) {
        struct rte_mbuf *m = c->recv_head;
        if (size < m->data_len) {
            m->data_off = (uint16_t)(m->data_off + size);
            m->data_len = (uint16_t)(m->data_len - size);
            m->pkt_len = m->data_len;
            c->recv_bytes -= (uint32_t)size;
            return;
        }
        size -= m->data_len;
        c->recv_bytes -= m->data_len;
        c->recv_head = m->next;
        give_back(tcp, m);
    }
}

void tcp_reassembly_drop_runs(struct tcp *tcp, struct tcp_conn *c)
{
    while (c->runs) {
        struct tcp_run run = *c->runs; // it stands in the first buffer: copy before that is freed
        c->runs = run.next;
        run.last->next = NULL;
        for (struct rte_mbuf *m = run.first; m;) {
            struct rte_mbuf *next = m->next;
            give_back(tcp, m);
            m = next;
        }
    }
    c->run_count = 0;
    c->run_mbufs = 0;
}

void tcp_reassembly_drop_unread(struct tcp *tcp, struct tcp_conn *c)
{
    tcp_reassembly_consume(tcp, c, SIZE_MAX);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_table.h"

#include "tcp/tcp_timewait.h"

#include <errno.h>
#include <stdlib.h>

int tcp_table_init(struct tcp *tcp, uint32_t connections)
{
    uint64_t heads = 64;
    while (heads < connections)
        heads *= 2;
    tcp->heads = calloc(heads, sizeof *tcp->heads);
    tcp->heads_mask = (uint32_t)(heads - 1);
    for (uint32_t i = 0; i < TCP_TABLE_KEYS; i++)
        tcp->table_keys[i] = siphash(&tcp->config.key, &i, sizeof i);
    return tcp->heads ? 0 : -ENOMEM;
}

void tcp_table_done(struct tcp *tcp)
{
    free(tcp->heads);
}

// The address's last four bytes, and its others.
static inline uint32_t low_word(const struct addr *a)
{
    uint32_t word;
    memcpy(&word, a->bytes + 12, sizeof word);
    return word;
}

static inline uint64_t high_pairs(const uint64_t keys[4], const struct addr *a)
{
    uint32_t word[3];
    memcpy(word, a->bytes, sizeof word);
    return (keys[0] + word[1]) * (keys[1] + word[0]) + keys[2] * (keys[3] + word[2]);
}

static inline uint32_t *head_of(const struct tcp *tcp, const struct addr *local,
                                uint16_t local_port, const struct addr *remote,
                                uint16_t remote_port)
{
    const uint64_t *keys = tcp->table_keys;
    uint32_t ports = (uint32_t)local_port << 16 | remote_port;
    uint64_t sum =
        (keys[0] + low_word(remote)) * (keys[1] + ports) + keys[2] * (keys[3] + low_word(local));
    if (!addr_is_v4(remote))
        sum += high_pairs(keys + 4, remote) + high_pairs(keys + 8, local);
    return &tcp->heads[(sum >> 32) & tcp->heads_mask];
}

struct tuple {
    const struct addr *local, *remote;
    uint16_t local_port, remote_port;
};

static struct tuple tuple_of(const struct tcp *tcp, uint32_t ref, uint32_t **ret_next)
{
    if (ref & TCP_TABLE_WAIT) {
        struct tcp_timewait *w = &tcp->waits[(ref & ~(uint32_t)TCP_TABLE_WAIT) - 1];
        *ret_next = &w->hash_next;
        return (struct tuple){&tcp->locals[w->local], &w->remote, w->local_port, w->remote_port};
    }
    struct tcp_conn *c = tcp_conn_at(tcp, ref - 1);
    *ret_next = &c->hash_next;
    return (struct tuple){&tcp->locals[c->local], &c->remote, c->local_port, c->remote_port};
}

uint32_t tcp_table_find(const struct tcp *tcp, const struct addr *local, uint16_t local_port,
                        const struct addr *remote, uint16_t remote_port)
{
    uint32_t ref = *head_of(tcp, local, local_port, remote, remote_port);
    while (ref) { // as long as a keyed hash makes chains
        uint32_t *next;
        struct tuple t = tuple_of(tcp, ref, &next);
        if (t.remote_port == remote_port && t.local_port == local_port &&
            addr_equal(t.remote, remote) && addr_equal(t.local, local))
            return ref;
        ref = *next;
    }
    return 0;
}

static void prefetch_object(const struct tcp *tcp, uint32_t ref)
{
    if (ref & TCP_TABLE_WAIT) {
        __builtin_prefetch(&tcp->waits[(ref & ~(uint32_t)TCP_TABLE_WAIT) - 1]);
        return;
    }
    const uint8_t *c = (const uint8_t *)tcp_conn_at(tcp, ref - 1);
    for (size_t at = 0; at < sizeof(struct tcp_conn); at += 64)
        __builtin_prefetch(c + at);
    __builtin_prefetch(&tcp->pool.generations[ref - 1]);
    __builtin_prefetch(&tcp->cold[ref - 1]);
}

// What the connection names: its neighbours on the wheel, the queue's ends.
static void prefetch_named(const struct tcp *tcp, uint32_t ref)
{
    if (ref & TCP_TABLE_WAIT)
        return;
    const struct tcp_conn *c = tcp_conn_at(tcp, ref - 1);
    __builtin_prefetch(c->timer.next);
    __builtin_prefetch(c->timer.prev);
    __builtin_prefetch(c->send_head);
    if (c->hash_next)
        prefetch_object(tcp, c->hash_next);
}

void tcp_table_prefetch(const struct tcp *tcp, const struct packet *packets, unsigned count)
{
    const uint32_t *heads[TCP_BURST];
    CHECK(count <= TCP_BURST);
    for (unsigned i = 0; i < count; i++) {
        const struct packet *p = &packets[i];
        heads[i] = head_of(tcp, &p->dst, p->dst_port, &p->src, p->src_port);
        __builtin_prefetch(heads[i]);
    }
    for (unsigned i = 0; i < count; i++)
        if (*heads[i])
            prefetch_object(tcp, *heads[i]);
    for (unsigned i = 0; i < count; i++)
        if (*heads[i])
            prefetch_named(tcp, *heads[i]);
}

void tcp_table_insert(struct tcp *tcp, uint32_t ref)
{
    uint32_t *next;
    struct tuple t = tuple_of(tcp, ref, &next);
    uint32_t *head = head_of(tcp, t.local, t.local_port, t.remote, t.remote_port);
    *next = *head;
    *head = ref;
    if (!(ref & TCP_TABLE_WAIT))
        tcp_conn_at(tcp, ref - 1)->flags |= TCP_CONN_TABLED;
}

void tcp_table_remove(struct tcp *tcp, uint32_t ref)
{
    uint32_t *next;
    struct tuple t = tuple_of(tcp, ref, &next);
    uint32_t *link = head_of(tcp, t.local, t.local_port, t.remote, t.remote_port);
    while (*link != ref) {
        CHECK(*link != 0);
        tuple_of(tcp, *link, &link);
    }
    *link = *next;
    if (!(ref & TCP_TABLE_WAIT))
        tcp_conn_at(tcp, ref - 1)->flags &= ~(uint32_t)TCP_CONN_TABLED;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_table.h"
#include "stage.h"

static struct tcp_conn *add(uint8_t last, uint16_t remote_port)
{
    struct tcp_conn *c = tcp_conn_take(s.tcp, 0);
    assert_non_null(c);
    c->remote = s.base.src;
    c->remote.bytes[15] = last;
    c->remote_port = remote_port;
    c->local_port = 25;
    c->local = (uint8_t)tcp_conn_local(s.tcp, &s.base.dst);
    tcp_table_insert(s.tcp, tcp_table_ref(s.tcp, c));
    return c;
}

static uint32_t find(uint8_t last, uint16_t remote_port, uint16_t local_port)
{
    struct addr remote = s.base.src;
    remote.bytes[15] = last;
    return tcp_table_find(s.tcp, &s.base.dst, local_port, &remote, remote_port);
}

static void a_tuple_that_differs_anywhere_is_not_found(void **state)
{
    add(1, 4000);
    assert_true(find(1, 4000, 25) != 0);
    assert_int_equal(find(2, 4000, 25), 0);
    assert_int_equal(find(1, 4001, 25), 0);
    assert_int_equal(find(1, 4000, 26), 0);
    assert_int_equal(tcp_table_find(s.tcp, &s.base.src, 25, &s.base.src, 4000), 0);
}

static void a_full_table_finds_each_and_forgets_each(void **state)
{
    s.tcp->buckets_count = 6; // 72 places: some buckets overflow
    struct tcp_conn *made[64];
    for (uint16_t i = 0; i < 64; i++)
        made[i] = add((uint8_t)(i / 8), (uint16_t)(1000 + i % 8));
    for (uint16_t i = 0; i < 64; i += 2) { // also from behind full buckets
        tcp_table_remove(s.tcp, tcp_table_ref(s.tcp, made[i]));
        assert_false(made[i]->flags & TCP_CONN_TABLED);
    }
    for (uint16_t i = 0; i < 64; i++) {
        uint32_t ref = find((uint8_t)(i / 8), (uint16_t)(1000 + i % 8), 25);
        assert_int_equal(ref, i % 2 ? tcp_table_ref(s.tcp, made[i]) : 0);
    }
    for (uint16_t i = 1; i < 64; i += 2)
        tcp_table_remove(s.tcp, tcp_table_ref(s.tcp, made[i]));
    const uint32_t *words = (const uint32_t *)(const void *)s.tcp->buckets;
    for (unsigned i = 0; i < 6 * 16; i++) // nothing is left, and nobody passed anything
        assert_int_equal(words[i], 0);
}

// In a burst packets are looked at together, and connections come and go before each one's turn.
static void a_look_finds_what_came_after_it_and_not_what_went(void **state)
{
    struct tcp_conn *old = add(1, 4000);
    struct packet packets[2] = {s.base, s.base};
    struct tcp_look looks[2];
    for (int i = 0; i < 2; i++) {
        packets[i].src.bytes[15] = (uint8_t)(i + 1);
        packets[i].src_port = 4000;
        packets[i].dst_port = 25;
    }
    static const uint8_t both[2] = {1, 0};
    tcp_table_look(s.tcp, packets, both, 2, looks);
    assert_int_equal(tcp_table_find_at(s.tcp, &looks[0], &packets[0]), tcp_table_ref(s.tcp, old));
    assert_int_equal(tcp_table_find_at(s.tcp, &looks[1], &packets[1]), 0);
    tcp_table_remove(s.tcp, tcp_table_ref(s.tcp, old));
    struct tcp_conn *new = add(2, 4000);
    assert_int_equal(tcp_table_find_at(s.tcp, &looks[0], &packets[0]), 0);
    assert_int_equal(tcp_table_find_at(s.tcp, &looks[1], &packets[1]), tcp_table_ref(s.tcp, new));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_bare(a_tuple_that_differs_anywhere_is_not_found),
        with_bare(a_full_table_finds_each_and_forgets_each),
        with_bare(a_look_finds_what_came_after_it_and_not_what_went),
    };
    return stage_run(tests);
}

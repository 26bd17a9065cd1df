// SPDX-License-Identifier: BSD-3-Clause
#include "stage.h"

static void local_addresses_have_a_bound(void **state)
{
    for (int i = 0; i < TCP_LOCALS_MAX; i++) {
        uint8_t four[4] = {10, 0, 0, (uint8_t)i};
        struct addr local = addr_from_v4(four);
        assert_int_equal(tcp_conn_local(s.tcp, &local), i);
        assert_int_equal(tcp_conn_local(s.tcp, &local), i);
    }
    uint8_t more[4] = {10, 0, 1, 0};
    struct addr local = addr_from_v4(more);
    assert_int_equal(tcp_conn_local(s.tcp, &local), -1);
}

static void every_state_has_its_rfc_name(void **state)
{
    assert_string_equal(tcp_conn_state_name(TCP_SYN_SENT), "SYN-SENT");
    assert_string_equal(tcp_conn_state_name(TCP_TIME_WAIT), "TIME-WAIT");
}

static void an_idle_connection_is_small(void **state)
{
    assert_true(sizeof(struct tcp_conn) + sizeof(struct tcp_cold) + 14 + 5 <= 320);
}

static void segments_fit_the_path_and_the_offer(void **state)
{
    struct tcp_conn *c = stage_conn(&s);
    assert_int_equal(c->mss, 1460);
    c->flags |= TCP_CONN_TIMESTAMPS;
    tcp_conn_resize(s.tcp, c, 1400);
    assert_int_equal(c->mss, 1400 - 40 - 12);
    c->peer_mss = 600;
    tcp_conn_resize(s.tcp, c, 1500);
    assert_int_equal(c->mss, 600 - 12);
}

static void a_connection_that_goes_is_given_back_once_unlisted(void **state)
{
    stage_give(&s, TCP_ACK, 0, 0, 10);    // on the list of events
    tcp_send(s.tcp, s.h, span_text("x")); // and of outputs
    tcp_abort(s.tcp, s.h);
    assert_int_equal(s.tcp->conns_used, 1);
    stage_advance(&s);
    assert_int_equal(s.tcp->conns_used, 1);
    assert_int_equal(stage_events(&s), 0);
    assert_int_equal(s.tcp->conns_used, 0);
    assert_int_equal(s.tcp->wheel.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_bare(local_addresses_have_a_bound),
        with_bare(every_state_has_its_rfc_name),
        with_bare(an_idle_connection_is_small),
        with(segments_fit_the_path_and_the_offer),
        with(a_connection_that_goes_is_given_back_once_unlisted),
    };
    return stage_run(tests);
}

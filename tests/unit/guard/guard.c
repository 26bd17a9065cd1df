// SPDX-License-Identifier: BSD-3-Clause
#include "scene_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static enum reason admit(struct scene *s, const char *client)
{
    struct packet packet = made_syn(client, 25);
    return admit_packet(s, &packet);
}

static void denied_sources_are_refused_at_once(void **state)
{
    assert_int_equal(admit(*state, "203.0.113.5"), REASON_DENY_LIST);
    assert_int_equal(admit(*state, "203.0.114.5"), REASON_NONE);
}

static void martian_sources_are_refused_but_for_the_allowed(void **state)
{
    struct scene *s = *state;
    made_prefix(&s->policy, CLASS_MARTIAN, "192.0.2.0/24");
    made_prefix(&s->policy, CLASS_MARTIAN, "2001:db8:a::/48");
    made_prefix(&s->policy, CLASS_MARTIAN, "100.64.0.0/10");
    made_prefix(&s->policy, CLASS_NAMED, "100.64.0.0/10");
    scene_policy(s);
    assert_int_equal(admit(s, "192.0.2.127"), REASON_MARTIAN_LIST);
    assert_int_equal(admit(s, "192.0.2.128"), REASON_NONE);
    assert_int_equal(admit(s, "2001:db8:a::1"), REASON_NONE);
    assert_int_equal(admit(s, "100.64.0.1"), REASON_NONE); // the operator knows these
}

static void other_ports_and_legs_are_no_service(void **state)
{
    struct scene *s = *state;
    struct packet syn = made_syn("198.18.0.1", 80);
    struct seen_synack seen;
    assert_int_equal(look_at(s, &syn).service, -1);
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_NO_SERVICE);
    syn = made_syn("198.18.0.1", 25);
    assert_int_equal(look_at(s, &syn).service, SERVICE_SMTP);
    syn.leg = LEG_INSIDE;
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_NO_SERVICE);
    struct packet ack = made_ack(&syn, 1, 2);
    struct tcp_handshake handshake;
    assert_int_equal(take_ack(s, &ack, &handshake), REASON_NO_SERVICE);
    assert_int_equal(s->counters.counters[COUNTER_SYN_RECEIVED], 0);
}

static void malformed_syns_are_refused_even_when_allowed(void **state)
{
    struct packet syn = made_syn("192.0.2.200", 25);
    struct seen_synack seen;
    syn.payload_size = 1;
    assert_int_equal(answer_syn(*state, &syn, &seen), REASON_SYN_MALFORMED);
    syn.payload_size = 0;
    syn.src_port = 0;
    assert_int_equal(answer_syn(*state, &syn, &seen), REASON_SYN_MALFORMED);
}

static void segments_of_no_connection_are_out_of_state(void **state)
{
    struct scene *s = *state;
    static const uint8_t flags[] = {0, TCP_RST, TCP_RST | TCP_ACK, TCP_FIN, TCP_SYN | TCP_ACK};
    struct packet packet = made_syn("198.18.0.1", 25);
    struct tcp_handshake handshake;
    for (unsigned i = 0; i < sizeof flags; i++) {
        packet.tcp_flags = flags[i];
        assert_int_equal(take_ack(s, &packet, &handshake), REASON_OUT_OF_STATE);
    }
    packet.tcp_flags = TCP_ACK;
    assert_int_equal(take_ack(s, &packet, &handshake), REASON_COOKIE_INVALID);
    packet.tcp_flags = TCP_ACK | TCP_FIN;
    assert_int_equal(take_ack(s, &packet, &handshake), REASON_COOKIE_INVALID);
}

static void syns_over_the_sources_rate_are_refused_and_nobody_is_banned(void **state)
{
    struct scene *s = *state;
    struct packet syn = made_syn("198.18.0.1", 25);
    struct seen_synack seen;
    for (int i = 0; i < 100; i++)
        assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(answer_syn(s, &syn, &seen), REASON_SYN_RATE_SOURCE);
    assert_int_equal(admit(s, "198.18.0.1"), REASON_NONE);
    syn = made_syn("198.18.0.2", 25);
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    s->now_us += 50000;
    syn = made_syn("198.18.0.1", 25);
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    assert_int_equal(s->counters.counters[COUNTER_SYN_RECEIVED], 1102);
    assert_int_equal(s->counters.counters[COUNTER_SYN_ANSWERED], 102);
    for (int i = 0; i < REASON_SLOTS; i++) // refusals are the caller's to count
        assert_int_equal(s->counters.reasons[i], 0);
}

static void a_rate_of_syns_refuses_only_where_it_is_enforced(void **state)
{
    struct scene *s = *state;
    struct packet syn = made_syn("198.18.0.1", 25);
    struct seen_synack seen;
    for (int i = 0; i < 100; i++)
        assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    s->policy.policy.modes[LIMIT_SYN_RATE_SOURCE] = MODE_OFF;
    scene_policy(s);
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    assert_int_equal(s->counters.shadows[REASON_SYN_RATE_SOURCE], 0);
    s->policy.policy.modes[LIMIT_SYN_RATE_SOURCE] = MODE_SHADOW;
    scene_policy(s);
    for (int i = 0; i < 10; i++)
        assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    assert_int_equal(s->counters.shadows[REASON_SYN_RATE_SOURCE], 10);
    struct packet ack = made_ack(&syn, seen.seq, seen.options.ts_value);
    struct tcp_handshake handshake;
    assert_int_equal(take_ack(s, &ack, &handshake), REASON_NONE);
    assert_true(handshake.shadowed == UINT64_C(1) << LIMIT_SYN_RATE_SOURCE);
    s->policy.policy.modes[LIMIT_SYN_RATE_SOURCE] = MODE_ENFORCE;
    scene_policy(s);
    syn.ttl++; // not as in its history
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_SYN_RATE_SOURCE);
}

static void allow_beats_ban_rate_and_every_limit(void **state)
{
    struct scene *s = *state;
    s->policy.policy.limits[LIMIT_SYN_BURST_SOURCE] = 1;
    s->policy.policy.limits[LIMIT_CONNECTIONS_SOURCE] = 1;
    s->policy.policy.limits[LIMIT_CONNECTIONS_SERVICE] = 1;
    s->policy.policy.limits[LIMIT_CONNECTIONS_TOTAL] = 1;
    scene_policy(s);
    struct ban ban = {.addr = made_addr("192.0.2.200"), .seconds = 60};
    assert_false(guard_ban_add(s->guard, &ban, s->now_us));
    assert_int_equal(admit(s, "192.0.2.200"), REASON_NONE);
    for (int i = 0; i < 50; i++)
        assert_int_equal(connect_from(s, i % 2 ? "192.0.2.200" : "2001:db8:a::1", 25), REASON_NONE);
    assert_int_equal(connect_from(s, "198.18.0.1", 25), REASON_CONNECTIONS_TOTAL);
}

static void a_ban_made_before_the_address_was_allowed_does_not_hold(void **state)
{
    struct scene *s = *state;
    struct ban ban = {.addr = made_addr("198.18.0.1"), .seconds = 60};
    assert_true(guard_ban_add(s->guard, &ban, s->now_us));
    assert_int_equal(admit(s, "198.18.0.1"), REASON_BANNED);
    made_prefix(&s->policy, CLASS_ALLOW, "198.18.0.0/15");
    scene_policy(s);
    assert_int_equal(admit(s, "198.18.0.1"), REASON_NONE);
}

static void connections_are_limited_in_all_by_service_and_by_source(void **state)
{
    struct scene *s = *state;
    uint64_t *limits = s->policy.policy.limits;
    limits[LIMIT_CONNECTIONS_SOURCE] = 2;
    limits[LIMIT_CONNECTIONS_SERVICE] = 3;
    limits[LIMIT_CONNECTIONS_TOTAL] = 4;
    scene_policy(s);
    assert_int_equal(connect_from(s, "198.18.0.1", 25), REASON_NONE);
    assert_int_equal(connect_from(s, "198.18.0.1", 993), REASON_NONE);
    assert_int_equal(connect_from(s, "198.18.0.1", 25), REASON_CONNECTIONS_SOURCE);
    assert_int_equal(connect_from(s, "198.18.0.2", 25), REASON_NONE);
    assert_int_equal(connect_from(s, "198.18.0.3", 25), REASON_NONE);
    assert_int_equal(connect_from(s, "198.18.0.4", 25), REASON_CONNECTIONS_TOTAL);
    struct addr client = made_addr("198.18.0.1");
    guard_connection_closed(s->guard, &client, SERVICE_IMAPS);
    assert_int_equal(connect_from(s, "198.18.0.4", 25), REASON_CONNECTIONS_SERVICE);
    assert_int_equal(connect_from(s, "198.18.0.4", 993), REASON_NONE);
}

static void a_policy_swap_forgets_nothing(void **state)
{
    struct scene *s = *state;
    struct ban ban = {.addr = made_addr("198.18.0.9"), .seconds = 60};
    assert_true(guard_ban_add(s->guard, &ban, s->now_us));
    struct packet syn = made_syn("198.18.0.1", 25);
    struct seen_synack seen;
    for (int i = 0; i < 100; i++)
        assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    assert_int_equal(connect_from(s, "198.18.0.2", 25), REASON_NONE);
    struct packet open_syn = made_syn("198.18.0.3", 25);
    assert_int_equal(answer_syn(s, &open_syn, &seen), REASON_NONE);

    s->policy.policy.limits[LIMIT_CONNECTIONS_SOURCE] = 1;
    scene_policy(s);
    assert_int_equal(admit(s, "198.18.0.9"), REASON_BANNED);
    assert_int_equal(connect_from(s, "198.18.0.2", 25), REASON_CONNECTIONS_SOURCE);
    struct packet ack = made_ack(&open_syn, seen.seq, 0);
    struct tcp_handshake handshake;
    assert_int_equal(take_ack(s, &ack, &handshake), REASON_NONE);
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_SYN_RATE_SOURCE);
}

static void bans_are_listed_and_lifted(void **state)
{
    struct scene *s = *state;
    struct ban ban = {.addr = made_addr("198.18.0.9"), .seconds = 60, .reason = 4};
    assert_true(guard_ban_add(s->guard, &ban, s->now_us));
    struct ban_page page = {0};
    do
        guard_ban_list(s->guard, page.next, s->now_us, &page);
    while (page.count == 0 && page.next);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.bans[0].seconds, 60);
    assert_true(guard_ban_remove(s->guard, &ban.addr));
    assert_int_equal(admit(s, "198.18.0.9"), REASON_NONE);
}

struct out { // what guard_advance emitted
    struct made_mbuf made;
    unsigned taken, sent;
    bool exhausted;
};

static struct rte_mbuf *out_take(void *context)
{
    struct out *out = context;
    if (out->exhausted)
        return NULL;
    out->taken++;
    return made_mbuf_init(&out->made, 0, 128);
}

static void what_is_known_of_a_source_is_explained(void **state)
{
    struct scene *s = *state;
    struct addr source = made_addr("198.18.0.1");
    struct explain_answer known = {0};
    guard_explain(s->guard, &source, s->now_us, &known);
    assert_int_equal(known.is_proven + known.connections + known.debt_us + known.ban_seconds, 0);
    assert_int_equal(connect_from(s, "198.18.0.1", 25), REASON_NONE);
    struct ban ban = {.addr = source, .seconds = 60, .reason = REASON_SMTP_HARVEST};
    assert_true(guard_ban_add(s->guard, &ban, s->now_us));
    s->now_us += 10000;
    guard_explain(s->guard, &source, s->now_us, &known);
    assert_true(known.is_proven);
    assert_int_equal(known.proven_s, 0);
    assert_int_equal(known.connections, 1);
    assert_int_equal(known.debt_us, 50000 - 10000); // one SYN of 20 a second
    assert_int_equal(known.tolerance_us, 99 * 50000);
    assert_int_equal(known.ban_seconds, 60);
    assert_int_equal(known.ban_reason, REASON_SMTP_HARVEST);
    s->now_us += 61 * 1000000;
    guard_explain(s->guard, &source, s->now_us, &known);
    assert_int_equal(known.proven_s, 61);
    assert_int_equal(known.debt_us, 0);

    struct policy_class *cgnat = &s->policy.policy.classes[CLASS_NAMED];
    cgnat->limits[LIMIT_SYN_BURST_SOURCE] = 1000;
    limit_set_add(&cgnat->own_limits, LIMIT_SYN_BURST_SOURCE);
    made_prefix(&s->policy, CLASS_NAMED, "100.64.0.0/10");
    scene_policy(s);
    struct addr of_class = made_addr("100.64.0.1");
    guard_explain(s->guard, &of_class, s->now_us, &known);
    assert_int_equal(known.tolerance_us, 999 * 50000);
    s->policy.policy.modes[LIMIT_SYN_RATE_SOURCE] = MODE_SHADOW;
    scene_policy(s);
    guard_explain(s->guard, &source, s->now_us, &known);
    assert_true(known.tolerance_us == UINT64_MAX);
}

static void out_send(void *context, struct rte_mbuf *m, enum leg leg, uint64_t now_us)
{
    struct out *out = context;
    assert_ptr_equal(m, &out->made.mbuf);
    assert_int_equal(leg, LEG_OUTSIDE);
    out->sent++;
}

static unsigned sent_by(struct scene *s, struct out *out, uint64_t after_us)
{
    *out = (struct out){.exhausted = out->exhausted};
    s->now_us += after_us;
    guard_advance(s->guard, &(struct guard_output){out_take, out_send, out}, s->now_us);
    assert_int_equal(out->sent, out->taken);
    return out->sent;
}

static void bans_are_counted_until_they_end(void **state)
{
    struct scene *s = *state;
    struct out out = {.exhausted = false};
    struct ban ban = {.addr = made_addr("198.18.0.1"), .seconds = 60};
    assert_true(guard_ban_add(s->guard, &ban, s->now_us));
    (void)sent_by(s, &out, 10000);
    assert_int_equal(s->counters.counters[COUNTER_SOURCES_BANNED], 1);
    s->now_us += 60000000;
    for (int i = 0; i < 520; i++) // nobody else comes
        (void)sent_by(s, &out, 10000);
    assert_int_equal(s->counters.counters[COUNTER_SOURCES_BANNED], 0);
}

static void under_attack_no_syn_ack_is_sent_again(void **state)
{
    struct scene *s = *state;
    s->policy.policy.limits[LIMIT_SYN_ATTACK_HIGH] = 1000;
    scene_policy(s);
    struct packet syn = made_syn("198.18.0.1", 25);
    struct seen_synack seen;
    struct out out = {.exhausted = false};
    for (int i = 0; i < 100; i++) {
        syn.src_port++;
        assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    }
    for (int i = 0; i < 10; i++)
        assert_int_equal(answer_syn(s, &syn, &seen), REASON_SYN_RATE_SOURCE);
    assert_int_equal(sent_by(s, &out, 1100000), 0);
    assert_int_equal(s->counters.counters[COUNTER_ATTACK_MODE], 1);
    assert_int_equal(sent_by(s, &out, 6000000), 0);
    assert_int_equal(s->counters.counters[COUNTER_ATTACK_MODE], 0);
}

// 1,000 SYNs forged, each from an own address of the prefix or its own /64; what is sent again in
// the 6 s after.
static uint64_t sent_again_to_a_prefix(struct scene *s, bool v4)
{
    struct packet syn = made_syn(v4 ? "198.18.5.0" : "2001:db8:5::1", 25);
    struct seen_synack seen;
    for (int i = 0; i < 1000; i++) {
        syn.src.bytes[v4 ? 15 : 7] = (uint8_t)(i / 4);
        syn.src_port++;
        assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    }
    uint64_t sent = 0;
    struct out out = {.exhausted = false};
    for (int i = 0; i < 600; i++)
        sent += sent_by(s, &out, 10000);
    return sent;
}

// 200 a second and 201 at once: all are due within 50 ms after 1 s, what was sent then 2 s later.
static void forged_syns_make_no_more_again_than_a_prefix_s_budget(void **state)
{
    struct scene *s = *state;
    uint64_t *counters = s->counters.counters;
    for (int family = 0; family < 2; family++) {
        uint64_t withheld = counters[COUNTER_SYN_ACKS_WITHHELD];
        uint64_t sent = sent_again_to_a_prefix(s, !family);
        print_message("sent again to a prefix: %lu\n", sent);
        assert_in_range(sent, 401, 2 * (201 + 10));
        assert_in_range(counters[COUNTER_SYN_ACKS_WITHHELD] - withheld, 1600 - 1000, 1600);
    }
    // Neither another prefix nor who is known pays for it.
    struct packet syn = made_syn("198.18.6.1", 25);
    struct seen_synack seen;
    struct out out = {.exhausted = false};
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    assert_int_equal(sent_by(s, &out, 1000000), 1);
}

static void budgets_in_shadow_or_off_withhold_no_syn_ack(void **state)
{
    struct scene *s = *state;
    s->policy.policy.modes[LIMIT_SYN_ANSWERS_PREFIX] = MODE_SHADOW;
    scene_policy(s);
    assert_int_equal(sent_again_to_a_prefix(s, true), 2000);
    assert_in_range(s->counters.shadows[REASON_SYN_BACKSCATTER_PREFIX], 1, 2000);
    assert_int_equal(s->counters.counters[COUNTER_SYN_ACKS_WITHHELD], 0);
}

static void who_is_known_or_allowed_gets_its_syn_ack_again_in_a_flooded_prefix(void **state)
{
    struct scene *s = *state;
    s->policy.policy.limits[LIMIT_SYN_ANSWERS_PREFIX] = 1;
    scene_policy(s);
    assert_int_equal(connect_from(s, "198.18.5.77", 25), REASON_NONE);
    struct packet syn = made_syn("198.18.5.1", 25), known = made_syn("198.18.5.77", 25),
                  allowed = made_syn("192.0.2.129", 25);
    struct seen_synack seen;
    struct out out = {.exhausted = false};
    for (int i = 0; i < 20; i++) {
        syn.src_port++;
        allowed.src_port++;
        assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
        assert_int_equal(answer_syn(s, &allowed, &seen), REASON_NONE);
    }
    known.src_port++;
    assert_int_equal(answer_syn(s, &known, &seen), REASON_NONE);
    assert_int_equal(sent_by(s, &out, 1000000), 2 + 20 + 1);
    assert_int_equal(s->counters.counters[COUNTER_SYN_ACKS_WITHHELD], 18);
}

static void without_an_mbuf_a_syn_ack_is_not_sent_again(void **state)
{
    struct scene *s = *state;
    struct packet syn = made_syn("198.18.0.1", 25);
    struct seen_synack seen;
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    struct out out = {.exhausted = true};
    assert_int_equal(sent_by(s, &out, 1100000), 0);
    assert_int_equal(s->counters.counters[COUNTER_SYN_ACKS_RETRANSMITTED], 0);
}

static void a_syn_ack_without_an_answer_is_sent_again_twice_and_the_same(void **state)
{
    struct scene *s = *state;
    struct packet syn = made_syn("2001:db8:7::1", 993);
    syn.options = (struct tcp_option){
        .mss = 1400, .has_window_scale = true, .has_timestamps = true, .ts_value = 7};
    struct seen_synack seen, again;
    struct out out = {.exhausted = false};
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    assert_int_equal(sent_by(s, &out, 900000), 0);
    assert_int_equal(sent_by(s, &out, 100000), 1);
    assert_true(seen_synack(&out.made.mbuf, &syn, &again));
    assert_memory_equal(&seen, &again, sizeof seen);
    assert_int_equal(sent_by(s, &out, 2000000), 1);
    assert_true(seen_synack(&out.made.mbuf, &syn, &again));
    assert_memory_equal(&seen, &again, sizeof seen);
    assert_int_equal(sent_by(s, &out, 10000000), 0);
    assert_int_equal(s->counters.counters[COUNTER_SYN_ACKS_RETRANSMITTED], 2);
    struct packet ack = made_ack(&syn, again.seq, again.options.ts_value);
    struct tcp_handshake handshake;
    assert_int_equal(take_ack(s, &ack, &handshake), REASON_NONE);
}

static void a_final_ack_or_a_rst_ends_the_wait(void **state)
{
    struct scene *s = *state;
    struct packet syn = made_syn("198.18.0.1", 25);
    struct seen_synack seen;
    struct out out = {.exhausted = false};
    struct tcp_handshake handshake;
    assert_int_equal(connect_from(s, "198.18.0.1", 25), REASON_NONE);
    assert_int_equal(sent_by(s, &out, 1000000), 0);
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    struct packet rst = made_ack(&syn, seen.seq, 0);
    rst.tcp_flags = TCP_RST;
    assert_int_equal(take_ack(s, &rst, &handshake), REASON_OUT_OF_STATE);
    assert_int_equal(sent_by(s, &out, 1000000), 0);
}

static void a_syn_of_good_history_is_counted(void **state)
{
    struct scene *s = *state;
    assert_int_equal(connect_from(s, "198.18.0.1", 25), REASON_NONE);
    assert_int_equal(s->counters.counters[COUNTER_SYN_PROVEN], 0);
    assert_int_equal(connect_from(s, "198.18.0.1", 25), REASON_NONE);
    assert_int_equal(s->counters.counters[COUNTER_SYN_PROVEN], 1);
}

static void without_room_for_an_answer_the_mbuf_stays_the_callers(void **state)
{
    struct packet syn = made_syn("198.18.0.1", 25);
    struct made_mbuf made;
    assert_int_equal(answer_mbuf(*state, &syn, made_mbuf_init(&made, 40, 40)),
                     REASON_TCP_NO_BUFFER);
}

static void a_burst_of_syns_is_answered_in_its_order(void **state)
{
    struct scene *s = *state;
    struct made_mbuf made[GUARD_BURST];
    struct packet syns[GUARD_BURST];
    struct guard_look looks[GUARD_BURST];
    for (unsigned i = 0; i < GUARD_BURST; i++) {
        syns[i] = made_syn(i % 3 ? "198.18.0.1" : "2001:db8:7::1", 25);
        syns[i].src_port = (uint16_t)(1000 + i);
        syns[i].options.has_timestamps = i % 2;
        made_mbuf_init(&made[i], 60, 128);
    }
    guard_look(s->guard, syns, GUARD_BURST, looks);
    for (unsigned i = 0; i < GUARD_BURST; i++)
        assert_int_equal(guard_syn(s->guard, &made[i].mbuf, &syns[i], &looks[i], s->now_us),
                         REASON_NONE);
    struct rte_mbuf *synacks[GUARD_BURST];
    assert_int_equal(guard_answer(s->guard, 0, synacks, s->now_us), GUARD_BURST);
    for (unsigned i = 0; i < GUARD_BURST; i++) {
        struct seen_synack seen;
        assert_ptr_equal(synacks[i], &made[i].mbuf);
        assert_true(seen_synack(synacks[i], &syns[i], &seen));
        struct packet ack = made_ack(&syns[i], seen.seq, seen.options.ts_value);
        struct tcp_handshake handshake;
        assert_int_equal(take_ack(s, &ack, &handshake), REASON_NONE);
    }
    assert_int_equal(guard_answer(s->guard, 0, synacks, s->now_us), 0);
}

static void syns_that_met_connections_are_the_callers_again(void **state)
{
    struct scene *s = *state;
    struct made_mbuf made[4];
    struct packet syns[4];
    struct guard_look looks[4];
    for (unsigned i = 0; i < 4; i++) {
        syns[i] = made_syn("198.18.0.1", 25);
        syns[i].src_port = (uint16_t)(1000 + i);
        made_mbuf_init(&made[i], 60, 128);
    }
    guard_look(s->guard, syns, 4, looks);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(guard_syn(s->guard, &made[i].mbuf, &syns[i], &looks[i], s->now_us),
                         REASON_NONE);
    struct rte_mbuf *synacks[GUARD_BURST];
    assert_int_equal(guard_answer(s->guard, 1u << 0 | 1u << 2, synacks, s->now_us), 2);
    struct seen_synack seen;
    assert_true(seen_synack(synacks[0], &syns[1], &seen));
    assert_true(seen_synack(synacks[1], &syns[3], &seen));
    assert_int_equal(guard_answer(s->guard, 0, synacks, s->now_us), 0);
}

// SYN at one worker, ACK at another: as after a change of steering.
static void any_worker_takes_any_workers_cookie(void **state)
{
    struct scene *s = *state;
    struct counter_block counters = {0};
    struct guard *other = open_guard(&counters, 1, 2);
    guard_policy(other, &s->policy.policy, s->lists);
    struct packet syn = made_syn("2001:db8:7::1", 993);
    syn.options = (struct tcp_option){.mss = 1400, .has_timestamps = true, .ts_value = 7};
    struct seen_synack seen;
    assert_int_equal(answer_syn(s, &syn, &seen), REASON_NONE);
    assert_int_equal(seen.options.mss, 1440);
    assert_int_equal(seen.window, 65535);
    struct packet ack = made_ack(&syn, seen.seq, seen.options.ts_value);
    struct tcp_handshake handshake;
    struct guard_look look;
    guard_look(other, &ack, 1, &look);
    assert_int_equal(guard_ack(other, &ack, &look, s->now_us + 1000, false, &handshake),
                     REASON_NONE);
    assert_int_equal(handshake.peer_mss, 1400);
    assert_int_equal(handshake.iss, seen.seq);
    guard_shut(other);
}

static void a_known_handshake_needs_no_cookie_but_fits_the_limits(void **state)
{
    struct scene *s = *state;
    struct packet syn = made_syn("198.18.0.1", 25);
    struct packet ack = made_ack(&syn, 4711, 0);
    struct tcp_handshake handshake = {.iss = 4711, .peer_mss = 1400};
    struct guard_look look = look_at(s, &ack);
    assert_int_equal(guard_ack(s->guard, &ack, &look, s->now_us, false, &handshake),
                     REASON_COOKIE_INVALID);
    look = look_at(s, &ack);
    assert_int_equal(guard_ack(s->guard, &ack, &look, s->now_us, true, &handshake), REASON_NONE);
    assert_int_equal(handshake.iss, 4711);
    assert_int_equal(handshake.peer_mss, 1400);
    enum reason reason = REASON_NONE;
    for (int i = 0; i < 100000 && reason == REASON_NONE; i++)
        reason = guard_connection_begun(s->guard, &ack, &look, s->now_us, &handshake);
    assert_int_equal(reason, REASON_CONNECTIONS_SOURCE);
}

static void without_a_policy_there_is_no_service(void **state)
{
    struct scene *s = *state;
    struct guard *fresh = open_guard(&s->counters, 0, 1);
    struct packet syn = made_syn("198.18.0.1", 25);
    struct guard_look look;
    guard_look(fresh, &syn, 1, &look);
    assert_int_equal(look.service, -1);
    assert_int_equal(guard_admit(fresh, &syn, &look, 0), REASON_NONE);
    guard_shut(fresh);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(denied_sources_are_refused_at_once),
        CASE(martian_sources_are_refused_but_for_the_allowed),
        CASE(other_ports_and_legs_are_no_service),
        CASE(malformed_syns_are_refused_even_when_allowed),
        CASE(segments_of_no_connection_are_out_of_state),
        CASE(syns_over_the_sources_rate_are_refused_and_nobody_is_banned),
        CASE(a_rate_of_syns_refuses_only_where_it_is_enforced),
        CASE(allow_beats_ban_rate_and_every_limit),
        CASE(a_ban_made_before_the_address_was_allowed_does_not_hold),
        CASE(connections_are_limited_in_all_by_service_and_by_source),
        CASE(a_policy_swap_forgets_nothing),
        CASE(what_is_known_of_a_source_is_explained),
        CASE(bans_are_listed_and_lifted),
        CASE(bans_are_counted_until_they_end),
        CASE(under_attack_no_syn_ack_is_sent_again),
        CASE(without_an_mbuf_a_syn_ack_is_not_sent_again),
        CASE(forged_syns_make_no_more_again_than_a_prefix_s_budget),
        CASE(budgets_in_shadow_or_off_withhold_no_syn_ack),
        CASE(who_is_known_or_allowed_gets_its_syn_ack_again_in_a_flooded_prefix),
        CASE(a_syn_ack_without_an_answer_is_sent_again_twice_and_the_same),
        CASE(a_final_ack_or_a_rst_ends_the_wait),
        CASE(a_syn_of_good_history_is_counted),
        CASE(without_room_for_an_answer_the_mbuf_stays_the_callers),
        CASE(a_burst_of_syns_is_answered_in_its_order),
        CASE(syns_that_met_connections_are_the_callers_again),
        CASE(any_worker_takes_any_workers_cookie),
        CASE(a_known_handshake_needs_no_cookie_but_fits_the_limits),
        CASE(without_a_policy_there_is_no_service),
    };
    return cmocka_run_group_tests_name("guard", cases, NULL, NULL);
}

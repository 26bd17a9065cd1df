// SPDX-License-Identifier: BSD-3-Clause
/* Stories of floods, seconds of them in milliseconds, through the guard's own doors: who still gets
 * connections, and how much is reflected. */
#include "guard/guard_answer.h"

#include "base/rng.h"
#include "scene_make.h"

enum { FLOOD_PER_SECOND = 100000, STEP_US = 1000000 / FLOOD_PER_SECOND };

struct host { // a real client
    const char *name;
    struct tcp_option options; // of its SYNs, but for the TSval
    uint32_t clock;            // of its timestamps, ms ahead of ours
    uint8_t ttl;
    uint16_t next_port;
};

static const struct host linux_host = {
    .name = "198.18.0.1",
    .options = {.mss = 1460,
                .has_window_scale = true,
                .window_scale = 7,
                .sack_permitted = true,
                .has_timestamps = true},
    .clock = 0x81234567,
    .ttl = 53,
    .next_port = 32768,
};

static const struct host windows_host = {
    .name = "2001:db8:7::1",
    .options = {.mss = 1440, .has_window_scale = true, .window_scale = 8, .sack_permitted = true},
    .ttl = 117,
    .next_port = 49152,
};

struct attempt { // to connect, with a SYN's retransmissions after 1 and 3 s
    struct packet syn;
    uint64_t begun_us;
    unsigned sent;
    bool answered;
};

static const uint64_t sends_us[] = {0, 1000000, 3000000};

static void attempt_begin(struct attempt *attempt, struct host *host, uint64_t now_us)
{
    *attempt = (struct attempt){.syn = made_syn(host->name, 25), .begun_us = now_us};
    attempt->syn.options = host->options;
    attempt->syn.ttl = host->ttl;
    attempt->syn.src_port = host->next_port++;
    attempt->syn.seq = host->next_port * 2654435761u;
}

// Sends what is due, and the final ACK when that was answered.
static void attempt_go_on(struct attempt *attempt, const struct host *host, struct scene *s)
{
    if (attempt->answered || attempt->sent == 3 ||
        s->now_us < attempt->begun_us + sends_us[attempt->sent])
        return;
    attempt->sent++;
    struct packet *syn = &attempt->syn;
    if (syn->options.has_timestamps)
        syn->options.ts_value = (uint32_t)(s->now_us / 1000) + host->clock;
    assert_int_equal(admit_packet(s, syn), REASON_NONE);
    struct seen_synack seen;
    if (answer_syn(s, syn, &seen) != REASON_NONE)
        return;
    struct packet ack = made_ack(syn, seen.seq, seen.options.ts_value);
    struct tcp_handshake handshake;
    assert_int_equal(take_ack(s, &ack, &handshake), REASON_NONE);
    guard_connection_closed(s->guard, &syn->src, SERVICE_SMTP);
    attempt->answered = true;
}

static void connect_once(struct host *host, struct scene *s)
{
    struct attempt attempt;
    attempt_begin(&attempt, host, s->now_us);
    attempt_go_on(&attempt, host, s);
    assert_true(attempt.answered);
}

static void forge_options(struct packet *syn, struct rng *rng)
{
    uint64_t bits = rng_next(rng);
    syn->options = (struct tcp_option){
        .mss = (uint16_t)(bits & 0x7ff),
        .has_window_scale = bits >> 11 & 1,
        .window_scale = (uint8_t)(bits >> 12 & 15) % 15,
        .sack_permitted = bits >> 16 & 1,
        .has_timestamps = bits >> 17 & 1,
        .ts_value = (uint32_t)(bits >> 32),
    };
}

// A SYN that nobody meant. `like` NULL: options at random, otherwise that host's.
static struct packet forged(const char *source, const struct host *like, struct rng *rng)
{
    struct packet syn = made_syn(source, 25);
    syn.ttl = (uint8_t)rng_next(rng);
    syn.seq = (uint32_t)rng_next(rng);
    syn.src_port = (uint16_t)(1 + rng_below(rng, 65535));
    forge_options(&syn, rng);
    if (like) {
        uint32_t ts_value = syn.options.ts_value;
        syn.options = like->options;
        syn.options.ts_value = ts_value;
    }
    return syn;
}

struct flood {
    struct packet (*next)(struct rng *rng);
    struct rng rng;
    uint64_t reasons[REASON_COUNT];
};

static void flood_send(struct flood *flood, struct scene *s)
{
    struct packet syn = flood->next(&flood->rng);
    struct made_mbuf made;
    struct rte_mbuf *m = made_mbuf_init(&made, 60, 128);
    assert_int_equal(admit_packet(s, &syn), REASON_NONE);
    flood->reasons[answer_mbuf(s, &syn, m)]++;
}

static struct rte_mbuf *no_mbuf(void *context)
{
    return NULL;
}

/* The flood for some seconds, at its rate, while `host` begins `per_second` connections a second.
 * The percentage of those that came about, retransmissions included. */
static unsigned success(struct scene *s, struct flood *flood, struct host *host, unsigned seconds,
                        unsigned per_second)
{
    enum { MOST = 200 };
    static struct attempt attempts[MOST];
    unsigned count = 0, answered = 0;
    uint64_t begun_us = s->now_us, end_us = begun_us + seconds * UINT64_C(1000000);
    assert_true(seconds * per_second <= MOST);
    struct guard_output output = {.take = no_mbuf};
    for (; s->now_us < end_us + 3100000; s->now_us += STEP_US) {
        flood_send(flood, s);
        if (s->now_us % 1000)
            continue;
        if (s->now_us < end_us && s->now_us >= begun_us + count * UINT64_C(1000000) / per_second)
            attempt_begin(&attempts[count++], host, s->now_us);
        for (unsigned i = 0; i < count; i++)
            attempt_go_on(&attempts[i], host, s);
        if (s->now_us % 10000 == 0)
            guard_advance(s->guard, &output, s->now_us);
    }
    for (unsigned i = 0; i < count; i++)
        answered += attempts[i].answered;
    return answered * 100 / count;
}

static struct packet in_the_name_of_linux(struct rng *rng)
{
    return forged(linux_host.name, NULL, rng);
}

static struct packet in_the_name_of_linux_and_like_it(struct rng *rng)
{
    struct packet syn = forged(linux_host.name, &linux_host, rng);
    syn.ttl = linux_host.ttl;
    return syn;
}

// Like a capture of 256 k packets, sent round and round: each SYN again after 2.6 s.
static struct packet in_the_name_of_linux_round_and_round(struct rng *rng)
{
    static uint32_t count;
    struct rng mine;
    rng_seed(&mine, count++ % (256 << 10));
    return forged(linux_host.name, NULL, &mine);
}

static struct packet in_the_name_of_windows(struct rng *rng)
{
    return forged(windows_host.name, NULL, rng);
}

static struct packet from_anywhere(struct rng *rng)
{
    struct packet syn = forged("198.18.0.1", NULL, rng);
    uint32_t address = (uint32_t)rng_next(rng) & 0xffffff7f; // no list has 0.0.0.0/1
    syn.src = addr_from_v4(&address);
    return syn;
}

static struct packet from_one_24(struct rng *rng)
{
    struct packet syn = forged("198.18.5.0", NULL, rng);
    syn.src.bytes[15] = (uint8_t)rng_next(rng);
    return syn;
}

static struct packet from_one_48(struct rng *rng)
{
    struct packet syn = forged("2001:db8:5::1", NULL, rng);
    syn.src.bytes[6] = (uint8_t)rng_next(rng);
    syn.src.bytes[7] = (uint8_t)rng_next(rng);
    return syn;
}

static void story(struct flood *flood, struct packet (*next)(struct rng *rng))
{
    *flood = (struct flood){.next = next};
    rng_seed(&flood->rng, 4711);
}

static void syns_forged_in_a_clients_name_do_not_keep_it_out(void **state)
{
    struct scene *s = *state;
    struct host host = linux_host;
    connect_once(&host, s);
    struct flood flood;
    story(&flood, in_the_name_of_linux);
    unsigned percent = success(s, &flood, &host, 10, 10);
    print_message("linux, random print forged: %u %%\n", percent);
    assert_true(percent >= 99);
    assert_true(flood.reasons[REASON_SYN_RATE_SOURCE] > 99 * 13 * FLOOD_PER_SECOND / 100);
    assert_int_equal(s->counters.counters[COUNTER_SOURCES_BANNED], 0);
}

static void a_forger_who_knows_all_but_the_clock_does_not_keep_it_out(void **state)
{
    struct scene *s = *state;
    struct host host = linux_host;
    connect_once(&host, s);
    struct flood flood;
    story(&flood, in_the_name_of_linux_and_like_it);
    unsigned percent = success(s, &flood, &host, 10, 10);
    print_message("linux, look forged: %u %%\n", percent);
    assert_true(percent >= 99);
}

static void a_client_without_timestamps_has_its_look(void **state)
{
    struct scene *s = *state;
    struct host host = windows_host;
    connect_once(&host, s);
    struct flood flood;
    story(&flood, in_the_name_of_windows);
    unsigned percent = success(s, &flood, &host, 10, 10);
    print_message("windows, random print forged: %u %%\n", percent);
    assert_true(percent >= 99);
}

static void a_client_without_history_gets_in_by_its_retransmission(void **state)
{
    struct scene *s = *state;
    struct host host = linux_host;
    struct flood flood;
    story(&flood, in_the_name_of_linux);
    unsigned percent = success(s, &flood, &host, 10, 10);
    print_message("no history, its address forged: %u %%\n", percent);
    assert_true(percent >= 99);
}

static void a_flood_that_goes_round_does_not_keep_it_out_either(void **state)
{
    struct scene *s = *state;
    struct host host = linux_host;
    struct flood flood;
    story(&flood, in_the_name_of_linux_round_and_round);
    unsigned percent = success(s, &flood, &host, 10, 10);
    print_message("no history, the same SYNs forged again: %u %%\n", percent);
    assert_true(percent >= 99);
}

static void a_random_flood_is_dropped_by_reason_and_not_reflected(void **state)
{
    struct scene *s = *state;
    struct host known = linux_host, stranger = windows_host;
    connect_once(&known, s);
    struct flood flood;
    story(&flood, from_anywhere);
    assert_int_equal(success(s, &flood, &known, 4, 10), 100);
    assert_int_equal(s->counters.counters[COUNTER_ATTACK_MODE], 1);
    uint64_t answered = flood.reasons[REASON_NONE];
    print_message("random flood: %lu answered of %u\n", answered, 71 * FLOOD_PER_SECOND / 10);
    assert_in_range(answered, 71 * 20000 / 10 * 99 / 100, 71 * 20000 / 10 * 105 / 100);
    assert_int_equal(flood.reasons[REASON_NONE] + flood.reasons[REASON_SYN_BACKSCATTER_TOTAL] +
                         flood.reasons[REASON_SYN_BACKSCATTER_PREFIX] +
                         flood.reasons[REASON_SYN_RATE_SOURCE],
                     71 * FLOOD_PER_SECOND / 10);
    unsigned percent = success(s, &flood, &stranger, 4, 10);
    print_message("random flood, no history: %u %%\n", percent);
    assert_true(percent >= 99);
}

static void under_attack_a_prefix_has_a_budget(void **state)
{
    struct scene *s = *state;
    static struct packet (*const nexts[])(struct rng *) = {from_one_24, from_one_48};
    for (int family = 0; family < 2; family++) {
        struct flood flood;
        story(&flood, nexts[family]);
        for (uint64_t i = 0; i < FLOOD_PER_SECOND; i++, s->now_us += STEP_US)
            flood_send(&flood, s); // attack mode from here on
        memset(flood.reasons, 0, sizeof flood.reasons);
        for (uint64_t i = 0; i < 3 * FLOOD_PER_SECOND; i++, s->now_us += STEP_US)
            flood_send(&flood, s);
        assert_in_range(flood.reasons[REASON_NONE], 590, 820);
        assert_true(flood.reasons[REASON_SYN_BACKSCATTER_PREFIX] > 0);
        struct packet neighbour = made_syn(family ? "2001:db8:6::1" : "198.18.6.1", 25);
        struct seen_synack seen;
        assert_int_equal(answer_syn(s, &neighbour, &seen), REASON_NONE);
    }
}

// A SYN of one prefix, and each again a second later, as it was or with a TSval that went on.
static struct packet twice(struct packet (*next)(struct rng *), bool clock, uint32_t i)
{
    struct rng mine;
    uint32_t second = i / FLOOD_PER_SECOND;
    rng_seed(&mine, i % FLOOD_PER_SECOND + second / 2 * FLOOD_PER_SECOND);
    struct packet syn = next(&mine);
    syn.options.has_timestamps = clock;
    syn.options.ts_value = clock ? i / (FLOOD_PER_SECOND / 1000) : 0;
    return syn;
}

// 200 a second and 201 at once, of SYNs that come and of either kind that returns.
static void what_returns_to_a_prefix_has_a_budget_like_the_first(void **state)
{
    struct scene *s = *state;
    static struct packet (*const nexts[])(struct rng *) = {from_one_24, from_one_48};
    struct guard_output output = {.take = no_mbuf};
    for (int kind = 0; kind < 4; kind++) {
        uint64_t answered = 0;
        for (uint32_t i = 0; i < 4 * FLOOD_PER_SECOND; i++, s->now_us += STEP_US) {
            struct packet syn = twice(nexts[kind / 2], kind % 2, i);
            struct made_mbuf made;
            enum reason reason = answer_mbuf(s, &syn, made_mbuf_init(&made, 60, 128));
            if (i >= FLOOD_PER_SECOND) // under attack for long
                answered += reason == REASON_NONE;
            if (s->now_us % 10000 == 0)
                guard_advance(s->guard, &output, s->now_us);
        }
        print_message("a prefix's SYNs twice: %lu answered\n", answered);
        assert_in_range(answered, 600 + 200, 2 * (600 + 201));
        s->now_us += 10000000;
    }
}

/* As many prefixes as are promised to be told apart, all flooded: one SYN of each every 50 ms of a
 * second, other hosts of it in turn. What is answered, for each prefix 1,000 times. */
static uint64_t answered_per_mille(struct scene *s, bool v4, uint32_t prefixes)
{
    enum { ROUNDS = 20 };
    uint64_t answered = 0;
    struct rng rng;
    rng_seed(&rng, prefixes);
    for (uint64_t round = 0; round < ROUNDS; round++, s->now_us += 1000000 / ROUNDS)
        for (uint32_t i = 0; i < prefixes; i++) {
            struct packet syn = forged(v4 ? "45.0.0.0" : "2a00::1", NULL, &rng);
            uint32_t v4_network = rte_cpu_to_be_32(45u << 24 | i << 8);
            uint32_t v6_network = rte_cpu_to_be_32(i);
            memcpy(v4 ? syn.src.bytes + 12 : syn.src.bytes + 2, v4 ? &v4_network : &v6_network, 4);
            syn.src.bytes[v4 ? 15 : 7] = (uint8_t)round;
            struct made_mbuf made;
            answered += answer_mbuf(s, &syn, made_mbuf_init(&made, 60, 128)) == REASON_NONE;
        }
    return answered * 1000 / prefixes;
}

// 2 a second and 3 at once, four until the second is over; a table that forgets answers up to 20.
static void budgets_are_held_for_as_many_prefixes_as_promised(void **state)
{
    struct scene *s = *state;
    s->policy.policy.limits[LIMIT_SYN_ATTACK_HIGH] = s->policy.policy.limits[LIMIT_SYN_ATTACK_LOW] =
        10;
    s->policy.policy.limits[LIMIT_SYN_ANSWERS_PREFIX] = 2;
    s->policy.policy.limits[LIMIT_SYN_ANSWERS_TOTAL] = 100000000;
    scene_policy(s);
    for (int family = 0; family < 2; family++) {
        uint32_t prefixes = family ? GUARD_ANSWER_PREFIXES_V6 : GUARD_ANSWER_PREFIXES_V4;
        uint64_t answered = answered_per_mille(s, !family, prefixes);
        print_message("%u prefixes flooded: each answered %lu / 1000\n", prefixes, answered);
        assert_in_range(answered, 4000, 4000 * 101 / 100);
    }
}

static void in_peace_no_prefix_and_no_total_is_refused(void **state)
{
    struct scene *s = *state;
    struct flood flood;
    story(&flood, from_one_48);
    for (uint64_t i = 0; i < 190000; i++, s->now_us += 100) // 10,000/s
        flood_send(&flood, s);
    assert_int_equal(flood.reasons[REASON_NONE], 190000);
}

/* Two workers under attack. A flood to one of them, or to both, and what is answered of it in 2 s
 * after the first 100 ms; `next` makes SYNs of either worker's sources, as steering does not matter
 * to what is wider than a source. */
static uint64_t answered_by_two(struct scene *s, struct packet (*next)(struct rng *rng), bool both)
{
    struct counter_block counters = {0};
    struct scene other = {.policy = s->policy, .lists = s->lists};
    guard_shut(s->guard);
    s->guard = open_guard(&s->counters, 0, 2);
    other.guard = open_guard(&counters, 1, 2);
    guard_policy(s->guard, &s->policy.policy, s->lists);
    guard_policy(other.guard, &s->policy.policy, s->lists);
    struct guard_output output = {.take = no_mbuf};
    struct flood flood;
    story(&flood, next);
    uint64_t begun_us = s->now_us;
    bool begun = false;
    for (; s->now_us < begun_us + 2100000; s->now_us += STEP_US) {
        other.now_us = s->now_us;
        if (!begun && s->now_us >= begun_us + 100000) {
            begun = true;
            assert_int_equal(s->counters.counters[COUNTER_ATTACK_MODE], 1);
            assert_int_equal(counters.counters[COUNTER_ATTACK_MODE], 1);
            memset(flood.reasons, 0, sizeof flood.reasons);
        }
        flood_send(&flood, s);
        if (both)
            flood_send(&flood, &other);
        if (s->now_us % 10000 == 0) {
            guard_advance(s->guard, &output, s->now_us);
            guard_advance(other.guard, &output, s->now_us);
        }
    }
    guard_shut(other.guard);
    return flood.reasons[REASON_NONE];
}

// 20,000 a second and 2,001 at once, whoever has the flood; one more for each other worker.
static void the_budget_in_all_is_whole_for_one_worker_and_one_for_two(void **state)
{
    for (int both = 0; both < 2; both++) {
        uint64_t answered = answered_by_two(*state, from_anywhere, both);
        print_message("random flood to %d of 2 workers: %lu answered\n", 1 + both, answered);
        assert_in_range(answered, 40000, 42001 + 1);
    }
}

// 200 a second and 201 at once; what returns after a second is beside it.
static void a_prefix_s_budget_is_whole_for_one_worker_and_one_for_two(void **state)
{
    struct packet (*const nexts[])(struct rng *) = {from_one_24, from_one_48};
    for (int i = 0; i < 4; i++) {
        struct scene *s = *state;
        uint64_t answered = answered_by_two(s, nexts[i / 2], i % 2);
        print_message("flood of a prefix to %d of 2 workers: %lu answered\n", 1 + i % 2, answered);
        assert_in_range(answered, 400, 400 + 201 + 1);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(syns_forged_in_a_clients_name_do_not_keep_it_out),
        CASE(a_forger_who_knows_all_but_the_clock_does_not_keep_it_out),
        CASE(a_client_without_timestamps_has_its_look),
        CASE(a_client_without_history_gets_in_by_its_retransmission),
        CASE(a_flood_that_goes_round_does_not_keep_it_out_either),
        CASE(a_random_flood_is_dropped_by_reason_and_not_reflected),
        CASE(under_attack_a_prefix_has_a_budget),
        CASE(what_returns_to_a_prefix_has_a_budget_like_the_first),
        CASE(budgets_are_held_for_as_many_prefixes_as_promised),
        CASE(the_budget_in_all_is_whole_for_one_worker_and_one_for_two),
        CASE(a_prefix_s_budget_is_whole_for_one_worker_and_one_for_two),
        CASE(in_peace_no_prefix_and_no_total_is_refused),
    };
    return cmocka_run_group_tests_name("guard_answer", cases, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
/* A glance at a SYN's headers against the whole way of judging it. */
#include "base/rng.h"
#include "scene_make.h"

// The whole way, without a glance.
static enum reason judge_syn(struct scene *s, const struct packet *syn)
{
    struct made_mbuf made;
    struct rte_mbuf *synacks[GUARD_BURST];
    struct guard_look look = look_at(s, syn);
    enum reason reason = guard_admit(s->guard, syn, &look, s->now_us);
    if (reason == REASON_NONE)
        reason = guard_syn(s->guard, made_mbuf_init(&made, 60, 128), syn, &look, s->now_us);
    (void)guard_answer(s->guard, 0, synacks, s->now_us);
    return reason;
}

static void in_peace_a_glance_tells_nothing(void **state)
{
    struct packet syn = made_syn("198.18.0.1", 25), denied = made_syn("203.0.113.9", 25);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(glance_at(*state, &syn), REASON_NONE);
    assert_int_equal(glance_at(*state, &denied), REASON_DENY_LIST);
}

static struct packet any_syn(struct rng *rng)
{
    static const char *const names[] = {"198.18.0.1", "198.18.0.2",  "198.18.7.1",
                                        "192.0.2.1",  "192.0.2.200", "203.0.113.9"};
    char name[] = "2001:db8:1::1";
    name[9] = (char)('1' + rng_below(rng, 4));
    struct packet syn =
        made_syn(rng_below(rng, 3) ? names[rng_below(rng, 6)] : name, rng_below(rng, 20) ? 25 : 26);
    syn.src_port = (uint16_t)rng_below(rng, 20); // also none, and some again
    syn.seq = (uint32_t)rng_below(rng, 1000);
    syn.options.mss = rng_below(rng, 2) ? 1460 : 1400;
    return syn;
}

// What the policy says of it changes now and then.
static void any_policy(struct scene *twins[2], struct rng *rng)
{
    static const enum limit limits[] = {LIMIT_SYN_RATE_SOURCE, LIMIT_SYN_ANSWERS_PREFIX,
                                        LIMIT_SYN_ANSWERS_TOTAL};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        uint8_t mode = (uint8_t)rng_below(rng, 3);
        uint64_t value = 1 + rng_below(rng, 40);
        if (limits[i] == LIMIT_SYN_ANSWERS_TOTAL && rng_below(rng, 2))
            value *= 1000; // then prefixes are full first
        for (int twin = 0; twin < 2; twin++) {
            twins[twin]->policy.policy.modes[limits[i]] = mode;
            twins[twin]->policy.policy.limits[limits[i]] = value;
        }
    }
    for (int twin = 0; twin < 2; twin++)
        scene_policy(twins[twin]);
}

static struct rte_mbuf *no_mbuf(void *context)
{
    return NULL;
}

// Two guards see the same; one of them glances first.
static void a_glance_refuses_what_judging_would_and_leaves_the_same_behind(void **state)
{
    struct scene *twins[2] = {*state};
    void *other;
    assert_int_equal(set_up(&other), 0);
    twins[1] = other;
    const struct guard_output output = {.take = no_mbuf};
    struct rng rng;
    rng_seed(&rng, 1);
    unsigned glanced_at[REASON_COUNT] = {0}, judged_at[REASON_COUNT] = {0};
    for (int twin = 0; twin < 2; twin++) {
        twins[twin]->policy.policy.limits[LIMIT_SYN_ATTACK_HIGH] = 1000;
        twins[twin]->policy.policy.limits[LIMIT_SYN_ATTACK_LOW] = 1000;
        scene_policy(twins[twin]);
    }
    for (unsigned i = 0; i < 400000; i++) {
        struct packet syn = any_syn(&rng);
        // So many that most are no longer looked at for retransmissions; now and then a rest.
        uint64_t step_us = rng_below(&rng, 80000) ? rng_below(&rng, 3) : rng_below(&rng, 3000000);
        if (i % 1000 == 0)
            any_policy(twins, &rng);
        bool connects = rng_below(&rng, 5000) == 0;
        for (int twin = 0; twin < 2; twin++) {
            twins[twin]->now_us += step_us;
            guard_advance(twins[twin]->guard, &output, twins[twin]->now_us);
            if (connects)
                (void)connect_from(twins[twin], "198.18.0.1", 25);
        }
        enum reason glanced = glance_at(twins[1], &syn);
        enum reason judged = judge_syn(twins[0], &syn);
        glanced_at[glanced]++;
        assert_int_equal(glanced == REASON_NONE ? judge_syn(twins[1], &syn) : glanced, judged);
        judged_at[judged]++;
    }
    assert_memory_equal(&twins[0]->counters, &twins[1]->counters, sizeof twins[0]->counters);
    static const enum reason of_rates[] = {REASON_SYN_RATE_SOURCE, REASON_SYN_BACKSCATTER_TOTAL,
                                           REASON_SYN_BACKSCATTER_PREFIX};
    for (size_t i = 0; i < sizeof of_rates / sizeof of_rates[0]; i++) {
        assert_true(glanced_at[of_rates[i]] > 1000);
        assert_true(judged_at[of_rates[i]] > glanced_at[of_rates[i]]);
    }
    assert_int_equal(tear_down(&other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_peace_a_glance_tells_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_glance_refuses_what_judging_would_and_leaves_the_same_behind, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

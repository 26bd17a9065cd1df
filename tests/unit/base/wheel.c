// SPDX-License-Identifier: BSD-3-Clause
#include "base/wheel.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { TIMERS = 200, ROUNDS = 3000 };

// Beside the wheel: for every timer when it must fire, and whether it runs.
struct model {
    struct wheel wheel;
    struct timer timers[TIMERS];
    uint64_t at_us[TIMERS];
    bool running[TIMERS];
    uint64_t now_us; // of this advance
    unsigned fired;
    struct rng rng;
    bool meddle; // callbacks set and stop others
};

static uint64_t fires_us(uint64_t at_us) // when a tick begins, not before at_us
{
    return (at_us + WHEEL_TICK_US - 1) / WHEEL_TICK_US * WHEEL_TICK_US;
}

static void set(struct model *m, size_t i, uint64_t at_us)
{
    timer_set(&m->wheel, &m->timers[i], at_us);
    m->at_us[i] = at_us;
    m->running[i] = true;
}

static void stop(struct model *m, size_t i)
{
    timer_stop(&m->wheel, &m->timers[i]);
    m->running[i] = false;
}

static uint64_t random_delay_us(struct model *m)
{
    return rng_next(&m->rng) >> (64 - 1 - rng_below(&m->rng, 41));
}

static void fire(void *context, struct timer *timer)
{
    struct model *m = context;
    size_t i = (size_t)(timer - m->timers);
    assert_true(m->running[i]);
    assert_false(timer_is_running(timer));
    assert_true(m->at_us[i] <= m->now_us);
    m->running[i] = false;
    m->fired++;
    if (!m->meddle)
        return;
    stop(m, rng_below(&m->rng, TIMERS));
    if (rng_below(&m->rng, 2))
        set(m, rng_below(&m->rng, TIMERS), m->now_us + 1 + random_delay_us(m));
}

static void advance(struct model *m, uint64_t now_us)
{
    m->now_us = now_us;
    wheel_advance(&m->wheel, now_us, UINT32_MAX, fire, m);
    uint32_t count = 0;
    uint64_t earliest_us = UINT64_MAX;
    for (size_t i = 0; i < TIMERS; i++) {
        assert_int_equal(timer_is_running(&m->timers[i]), m->running[i]);
        if (!m->running[i])
            continue;
        count++;
        assert_true(fires_us(m->at_us[i]) > now_us); // nothing due was left
        earliest_us = fires_us(m->at_us[i]) < earliest_us ? fires_us(m->at_us[i]) : earliest_us;
    }
    assert_int_equal(m->wheel.count, count);
    assert_true(wheel_next_us(&m->wheel) <= earliest_us);
    if (count)
        assert_true(wheel_next_us(&m->wheel) > now_us);
}

static void begin(struct model *m, uint64_t seed, uint64_t now_us)
{
    memset(m, 0, sizeof *m);
    rng_seed(&m->rng, seed);
    m->now_us = now_us;
    assert_int_equal(wheel_init(&m->wheel, m->timers, TIMERS, sizeof *m->timers, 0), 0);
    wheel_advance(&m->wheel, now_us, 1, fire, m);
}

static void stopping_a_stopped_timer_does_nothing(void **state)
{
    struct model m;
    begin(&m, 1, 0);
    stop(&m, 0);
    set(&m, 0, 5000);
    stop(&m, 0);
    stop(&m, 0);
    advance(&m, 1000000);
    assert_int_equal(m.fired, 0);
    assert_true(wheel_next_us(&m.wheel) == UINT64_MAX);
    wheel_done(&m.wheel);
}

static void a_time_in_the_past_fires_within_a_tick(void **state)
{
    struct model m;
    begin(&m, 1, 1000000);
    set(&m, 0, 5);
    m.now_us = 1000000 + WHEEL_TICK_US;
    assert_int_equal(wheel_advance(&m.wheel, m.now_us, 1, fire, &m), 1);
    wheel_done(&m.wheel);
}

static void no_timer_fires_before_its_time(void **state)
{
    struct model m;
    begin(&m, 1, 777);
    set(&m, 0, 5000);
    advance(&m, 4999);
    assert_int_equal(m.fired, 0);
    advance(&m, 5000 + WHEEL_TICK_US);
    assert_int_equal(m.fired, 1);
    wheel_done(&m.wheel);
}

static void an_advance_fires_no_more_than_it_may(void **state)
{
    struct model m;
    begin(&m, 1, 0);
    for (size_t i = 0; i < 10; i++)
        set(&m, i, 1000 * (i + 1));
    m.now_us = 100000;
    assert_int_equal(wheel_advance(&m.wheel, m.now_us, 4, fire, &m), 4);
    assert_true(wheel_next_us(&m.wheel) <= m.now_us);
    assert_int_equal(wheel_advance(&m.wheel, m.now_us, 4, fire, &m), 4);
    assert_int_equal(wheel_advance(&m.wheel, m.now_us, 4, fire, &m), 2);
    wheel_done(&m.wheel);
}

static void timers_fire_in_order_of_their_ticks(void **state)
{
    struct model m;
    begin(&m, 1, 0);
    for (size_t i = 0; i < TIMERS; i++)
        set(&m, i, 1 + random_delay_us(&m));
    uint64_t before = 0;
    while (m.wheel.count) { // a tick at a time, by sleeping as long as the wheel says
        uint64_t next_us = wheel_next_us(&m.wheel);
        assert_true(next_us >= before);
        before = next_us;
        advance(&m, next_us);
    }
    assert_int_equal(m.fired, TIMERS);
    wheel_done(&m.wheel);
}

static void a_wheel_does_as_its_model(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct model m;
        rng_seed(&m.rng, seed);
        begin(&m, seed, rng_next(&m.rng) >> rng_below(&m.rng, 60) >> 4);
        m.meddle = seed % 2;
        for (int round = 0; round < ROUNDS; round++) {
            size_t i = rng_below(&m.rng, TIMERS);
            switch (rng_below(&m.rng, 4)) {
            case 0:
                stop(&m, i);
                break;
            case 1:
                advance(&m, m.now_us + (random_delay_us(&m) >> rng_below(&m.rng, 30)));
                break;
            default:
                set(&m, i, m.now_us + 1 + random_delay_us(&m));
            }
        }
        m.meddle = false;
        advance(&m, m.now_us + (UINT64_C(1) << 43));
        assert_int_equal(m.wheel.count, 0);
        wheel_done(&m.wheel);
    }
}

static void sleeping_by_the_wheel_wakes_seldom(void **state)
{
    struct model m;
    begin(&m, 3, 123456789);
    set(&m, 0, m.now_us + (UINT64_C(1) << 41)); // 25 days
    int wakes = 0;
    for (; m.wheel.count; wakes++)
        advance(&m, wheel_next_us(&m.wheel));
    assert_in_range(wakes, 1, 2 * WHEEL_LEVELS);
    wheel_done(&m.wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopping_a_stopped_timer_does_nothing),
        cmocka_unit_test(a_time_in_the_past_fires_within_a_tick),
        cmocka_unit_test(no_timer_fires_before_its_time),
        cmocka_unit_test(an_advance_fires_no_more_than_it_may),
        cmocka_unit_test(timers_fire_in_order_of_their_ticks),
        cmocka_unit_test(a_wheel_does_as_its_model),
        cmocka_unit_test(sleeping_by_the_wheel_wakes_seldom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

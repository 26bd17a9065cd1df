// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_again.h"

#include "base/rng.h"
#include "packet_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MS = 1000 };

static struct guard_again again;
static const uint64_t start_us = 123456789;

static int set_up(void **state)
{
    static const struct siphash_key key = {{8, 9}};
    return guard_again_init(&again, -1, &key);
}

static int tear_down(void **state)
{
    guard_again_done(&again);
    return 0;
}

static bool note(const struct packet *syn, uint64_t after_ms)
{
    return guard_again_note(&again, syn, start_us + after_ms * MS);
}

static void a_first_syn_and_another_one_are_not_returning(void **state)
{
    struct packet syn = made_syn("198.18.0.1", 25), other = syn;
    assert_false(note(&syn, 0));
    other.seq++;
    assert_false(note(&other, 1000));
    other = syn;
    other.src_port++;
    assert_false(note(&other, 1000));
    other = made_syn("198.18.0.2", 25);
    assert_false(note(&other, 1000));
}

static void doubles_that_no_tcp_sends_are_not_returning(void **state)
{
    struct packet syn = made_syn("198.18.0.1", 25);
    for (uint64_t ms = 0; ms < 780; ms += 20)
        assert_false(note(&syn, ms));
    struct packet late = made_syn("2001:db8::1", 25);
    assert_false(note(&late, 0));
    assert_false(note(&late, 3700));
}

static void a_retransmission_is_returning_once(void **state)
{
    struct packet syn = made_syn("198.18.0.1", 25);
    assert_false(note(&syn, 0));
    assert_true(note(&syn, 1000));
    assert_false(note(&syn, 1001));
    struct packet slow = made_syn("2001:db8::1", 25);
    assert_false(note(&slow, 0));
    assert_true(note(&slow, 3000));
}

static void what_was_noted_survives_a_flood(void **state)
{
    struct packet real[100];
    for (unsigned i = 0; i < 100; i++) {
        real[i] = made_syn("198.18.0.1", 25);
        real[i].seq = i;
        assert_false(note(&real[i], 0));
    }
    struct rng rng;
    rng_seed(&rng, 5);
    unsigned forged_returning = 0;
    for (uint64_t i = 0; i < 1000000; i++) {
        struct packet forged = made_syn("198.18.0.1", 25);
        forged.src_port = (uint16_t)rng_next(&rng);
        forged.seq = (uint32_t)rng_next(&rng);
        forged_returning += note(&forged, i / 1000);
    }
    assert_true(forged_returning < 10);
    for (unsigned i = 0; i < 100; i++)
        assert_true(note(&real[i], 1000));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(a_first_syn_and_another_one_are_not_returning),
        CASE(doubles_that_no_tcp_sends_are_not_returning),
        CASE(a_retransmission_is_returning_once),
        CASE(what_was_noted_survives_a_flood),
    };
    return cmocka_run_group_tests_name("guard_again", cases, NULL, NULL);
}

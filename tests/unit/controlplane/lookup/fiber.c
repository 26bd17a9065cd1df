// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/fiber.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct story {
    int steps;
    struct fiber *inner;
};

static void count_to_three(void *argument)
{
    struct story *story = argument;
    for (int i = 0; i < 3; i++) {
        story->steps++;
        fiber_yield();
    }
}

static void end_at_once(void *argument)
{
    struct story *story = argument;
    story->steps++;
}

static void resume_inner(void *argument)
{
    struct story *story = argument;
    while (fiber_resume(story->inner))
        fiber_yield();
}

static void fiber_that_returns_is_gone_after_one_resume(void **state)
{
    struct story story = {0};
    assert_false(fiber_resume(fiber_create(end_at_once, &story)));
    assert_int_equal(story.steps, 1);
    assert_null(fiber_current());
}

static void fiber_goes_on_where_it_yielded(void **state)
{
    struct story story = {0};
    struct fiber *fiber = fiber_create(count_to_three, &story);
    for (int i = 1; i <= 3; i++) {
        assert_true(fiber_resume(fiber));
        assert_int_equal(story.steps, i);
    }
    assert_false(fiber_resume(fiber));
}

static void fiber_may_resume_another(void **state)
{
    struct story inner = {0}, outer = {0};
    outer.inner = fiber_create(count_to_three, &inner);
    struct fiber *fiber = fiber_create(resume_inner, &outer);
    int resumes = 1;
    while (fiber_resume(fiber))
        resumes++;
    assert_int_equal(inner.steps, 3);
    assert_int_equal(resumes, 4);
}

static void thousand_fibers_wait_at_a_time(void **state)
{
    enum { FIBERS = 1000 };
    static struct fiber *fibers[FIBERS];
    static struct story stories[FIBERS];
    for (int i = 0; i < FIBERS; i++) {
        stories[i].steps = 0;
        fibers[i] = fiber_create(count_to_three, &stories[i]);
        assert_non_null(fibers[i]);
    }
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < FIBERS; i++)
            assert_true(fiber_resume(fibers[i]) == (round < 3));
    fiber_stacks_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fiber_that_returns_is_gone_after_one_resume),
        cmocka_unit_test(fiber_goes_on_where_it_yielded),
        cmocka_unit_test(fiber_may_resume_another),
        cmocka_unit_test(thousand_fibers_wait_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

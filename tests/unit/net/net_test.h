// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What the tests of net/ have in common: one rig a test, asserts about one frame. */

#include "support/net_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct rig rig;

static inline int open_rig(void **state)
{
    rig_init(&rig);
    rig_open(&rig);
    return 0;
}

static inline int close_rig(void **state)
{
    rig_close(&rig);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

#define assert_refused(frame, leg, why)                                                            \
    do {                                                                                           \
        assert_int_equal(rig_give(&rig, (frame), (leg)), NET_REFUSED);                             \
        assert_string_equal(reason_name(rig.reason), reason_name(why));                            \
    } while (0)
#define assert_kind(frame, leg, kind) assert_int_equal(rig_give(&rig, (frame), (leg)), (kind))

// SPDX-License-Identifier: BSD-3-Clause
#include "api/api_inquiry.h"

#include "api_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void data_plane_that_is_not_there_is_told(void **state)
{
    static const char *const requests[] = {
        "{'command':'bans list'}",
        "{'command':'top'}",
        "{'command':'explain','address':'192.0.2.1'}",
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        api_rig.plane.link.state = LINK_DOWN;
        api_rig_start(requests[i]);
        api_rig_refused("the data plane is not attached");
        api_rig.plane.link.state = LINK_UP;
        api_rig_start(requests[i]);
        ops_desk_down(&api_rig.plane.desk);
        api_rig_refused("the data plane is not attached");
    }
}

static void silent_worker_is_told(void **state)
{
    api_rig_start("{'command':'bans list'}");
    api_rig.plane.desk.asks[0].deadline_ms = uv_now(&api_rig.plane.loop) + 1;
    assert_int_equal(uv_run(&api_rig.plane.loop, UV_RUN_DEFAULT), 0);
    api_rig_refused("a worker did not answer within 2000 ms");
}

static void questions_beyond_the_desk_are_refused(void **state)
{
    for (int i = 0; i < OPS_ASKS_MAX; i++)
        api_rig_start("{'command':'bans list'}");
    api_rig_start("{'command':'bans list'}");
    api_rig_refused("too many questions wait for the workers, try again");
}

static void a_source_is_an_address_or_a_64(void **state)
{
    char text[PREFIX_TEXT_SIZE];
    struct addr addr;
    assert_true(addr_parse("192.0.2.1", &addr));
    assert_string_equal(api_inquiry_source_text(&addr, text), "192.0.2.1");
    assert_true(addr_parse("2001:db8:1:2::", &addr));
    assert_string_equal(api_inquiry_source_text(&addr, text), "2001:db8:1:2::/64");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_rig_up, api_rig_down)
    const struct CMUnitTest tests[] = {
        TEST(data_plane_that_is_not_there_is_told),
        TEST(silent_worker_is_told),
        TEST(questions_beyond_the_desk_are_refused),
        TEST(a_source_is_an_address_or_a_64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "mail/splice.h"

#include "mail_test.h"

static void no_more_is_sent_than_there_is_room_and_leave(void **state)
{
    static const struct {
        size_t room;
        uint64_t most;
        size_t want;
    } cases[] = {{0, 10, 0}, {10, 0, 0},          {3, 10, 3},
                 {10, 3, 3}, {10, UINT64_MAX, 5}, {10, UINT64_C(1) << 32, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake->pipes[SIDE_CLIENT].room = cases[i].room;
        assert_int_equal(
            splice_forward(&fake->host, SIDE_CLIENT, span_text("hello"), cases[i].most),
            cases[i].want);
        assert_int_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT).size, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {FAKE_TEST(no_more_is_sent_than_there_is_room_and_leave)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

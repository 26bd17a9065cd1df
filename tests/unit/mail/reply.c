// SPDX-License-Identifier: BSD-3-Clause
#include "mail/reply.h"

#include "mail_test.h"

static void a_refusal_is_counted_and_noted_up_to_the_fields_end(void **state)
{
    reply_refused(&fake->host, REASON_MAIL_NUL);
    assert_int_equal(fake->counted[REASON_MAIL_NUL], 1);
    assert_int_equal(fake->host.report.refusals, 1);
    fake->host.report.refusals = UINT16_MAX;
    reply_refused(&fake->host, REASON_MAIL_NUL);
    assert_int_equal(fake->host.report.refusals, UINT16_MAX);
}

static void a_reply_ends_with_cr_lf(void **state)
{
    reply_line(&fake->host, SIDE_CLIENT, "%s %u", "a", 5u);
    assert_string_equal(mail_host_fake_sent(fake, SIDE_CLIENT), "a 5\r\n");
}

static void the_longest_reply_fits(void **state)
{
    reply_line(&fake->host, SIDE_CLIENT, "%*s", REPLY_MAX - 3, "x");
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT).size, REPLY_MAX - 1);
}

static void a_state_is_cut_to_its_field(void **state)
{
    reply_state(&fake->host, "a state that is far too long");
    assert_string_equal(fake->host.state, "a state that is");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(a_refusal_is_counted_and_noted_up_to_the_fields_end),
        FAKE_TEST(a_reply_ends_with_cr_lf),
        FAKE_TEST(the_longest_reply_fits),
        FAKE_TEST(a_state_is_cut_to_its_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_pace.h"

#include "smtp/smtp.h"
#include "smtp_plays.h"

enum { LEAST = 500, WINDOW_BYTES = LEAST * (PACE_WINDOW_US / 1000000) };

static void the_least_speed_is_a_limit(void **unused)
{
    for (int over = -1; over <= 1; over++) {
        struct smtp_pace pace;
        smtp_pace_start(&pace, 1000000);
        size_t first = WINDOW_BYTES + over - 1;
        assert_false(smtp_pace_is_slow(&pace, 2000000, first, false, LEAST));
        bool slow = smtp_pace_is_slow(&pace, 1000000 + PACE_WINDOW_US, 1, false, LEAST);
        assert_int_equal(slow, over < 0);
    }
}

static void a_window_is_judged_when_it_is_over(void **unused)
{
    struct smtp_pace pace;
    smtp_pace_start(&pace, 0);
    assert_false(smtp_pace_is_slow(&pace, PACE_WINDOW_US - 1, 1, false, LEAST));
    assert_true(smtp_pace_is_slow(&pace, PACE_WINDOW_US, 1, false, LEAST));
    // A long silence counts with all of its time.
    smtp_pace_start(&pace, 0);
    assert_true(smtp_pace_is_slow(&pace, 2 * PACE_WINDOW_US, WINDOW_BYTES, false, LEAST));
}

static void early_haste_does_not_pay_for_later_windows(void **unused)
{
    struct smtp_pace pace;
    smtp_pace_start(&pace, 0);
    assert_false(smtp_pace_is_slow(&pace, PACE_WINDOW_US, 100 * WINDOW_BYTES, false, LEAST));
    assert_true(smtp_pace_is_slow(&pace, 2 * PACE_WINDOW_US, 1, false, LEAST));
}

static void what_a_slow_backend_leaves_is_not_the_clients(void **unused)
{
    struct smtp_pace pace;
    smtp_pace_start(&pace, 0);
    assert_false(smtp_pace_is_slow(&pace, 2 * PACE_WINDOW_US, 0, true, LEAST));
    assert_false(smtp_pace_is_slow(&pace, 3 * PACE_WINDOW_US - 1, 1, false, LEAST));
}

static void without_a_limit_nothing_is_slow(void **unused)
{
    struct smtp_pace pace;
    smtp_pace_start(&pace, 0);
    assert_false(smtp_pace_is_slow(&pace, 10 * (uint64_t)PACE_WINDOW_US, 0, false, 0));
}

// `given`: bytes of the message that are part of the way.
static void drip(const char *way, int given, const char *end)
{
    for (int over = -1; over <= 1; over++) {
        struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
        fake->policy.policy.limits[LIMIT_DATA_BYTES_SECOND_LEAST] = 2;
        mail_host_fake_start(fake);
        mail_script_play(fake, way);
        for (int i = 0; i < 118 + over - given; i++)
            mail_host_fake_client(fake, "x");
        mail_host_fake_wait(fake, PACE_WINDOW_US);
        mail_host_fake_client(fake, "yz");
        (void)mail_host_fake_sent(fake, SIDE_BACKEND);
        mail_script_play(fake, over < 0 ? end : "");
        assert_int_equal(fake->finished, over < 0);
        mail_host_fake_close(fake);
    }
}

static void a_message_that_drips_ends_the_session(void **unused)
{
    static const char end[] = "S:421 4.4.2 Message too slow\n"
                              "E:disconnected\n"
                              "E:finish smtp_too_slow\n";
    drip(DATA, 0, end);
    drip(RECIPIENT "C:BDAT 200\nP:DATA\nB:354 go ahead\n" HEADERS, 0, end);
    drip(DATA "RC:\\n\nE:disconnected\n", 1, end);
}

static void time_between_chunks_is_no_slowness(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", CHUNKS);
    mail_host_fake_wait(fake, 2 * PACE_WINDOW_US);
    mail_script_play(fake, "RC:BDAT 2 LAST\\r\\ny\n"
                           "P:y\n");
    mail_host_fake_close(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_speed_is_a_limit),
        cmocka_unit_test(a_window_is_judged_when_it_is_over),
        cmocka_unit_test(early_haste_does_not_pay_for_later_windows),
        cmocka_unit_test(what_a_slow_backend_leaves_is_not_the_clients),
        cmocka_unit_test(without_a_limit_nothing_is_slow),
        cmocka_unit_test(a_message_that_drips_ends_the_session),
        cmocka_unit_test(time_between_chunks_is_no_slowness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

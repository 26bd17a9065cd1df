// SPDX-License-Identifier: BSD-3-Clause
#include "play.h"
#include "session/session_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t at_work(struct rig *rig)
{
    return rig_sessions(rig)->machines.used;
}

static void a_session_whose_client_says_nothing_has_no_machine(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    assert_int_equal(at_work(rig), 0); // DNS is asked
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    assert_int_equal(at_work(rig), 0);
    rig_say(rig, client, "EHLO client.example\r\n");
    rig_expect(rig, client, "250 ");
    assert_int_equal(at_work(rig), 0);
}

static void a_mail_has_one_until_it_is_over_and_the_next_is_like_it(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    assert_int_equal(at_work(rig), 1);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    assert_int_equal(at_work(rig), 1);
    play_into_data(rig, client, backend);
    rig_say(rig, client, "Subject: hello\r\n\r\nhello\r\n.\r\n");
    rig_expect(rig, backend, "\r\n.\r\n");
    rig_say(rig, backend, "250 2.0.0 queued\r\n");
    rig_expect(rig, client, "250 2.0.0 queued");
    assert_int_equal(at_work(rig), 0);
    rig_say(rig, client, "RSET\r\n");
    rig_expect(rig, client, "250 ");
    assert_int_equal(at_work(rig), 0);
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    rig_expect(rig, client, "503 "); // nothing of the mail is left
}

static void a_session_that_dies_gives_its_machine_back(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    assert_int_equal(at_work(rig), 1);
    rig_reset(rig, client);
    assert_int_equal(at_work(rig), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, play_setup, play_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_whose_client_says_nothing_has_no_machine),
        TEST(a_mail_has_one_until_it_is_over_and_the_next_is_like_it),
        TEST(a_session_that_dies_gives_its_machine_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

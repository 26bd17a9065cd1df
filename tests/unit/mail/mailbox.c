// SPDX-License-Identifier: BSD-3-Clause
#include "mail/mailbox.h"

#include "mail_test.h"

static struct mailbox mailbox;

static void connect_alice(void)
{
    mailbox = (struct mailbox){0};
    assert_true(login_take_user(&mailbox.sasl.login, span_text("alice")));
    assert_true(login_take_password(&mailbox.sasl.login, span_text("wonderland")));
    mailbox_connect(&mailbox, &fake->host);
    assert_int_equal(mailbox.backend, 2);
    assert_int_equal(fake->backend, 2);
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_UNAVAILABLE);
}

static void is_open(size_t room)
{
    fake->connecting = false;
    mailbox.up = fake->connected = fake->opened = true;
    fake->pipes[SIDE_BACKEND].room = room;
}

static void has_master(void)
{
    fake->policy.policy.backends[2].master_file[0] = '/';
    fake->masters[2].name_size = 1;
}

static void assert_wiped(void)
{
    static const struct sasl none;
    assert_memory_equal(&mailbox.sasl, &none, sizeof none);
}

static void whoever_is_not_let_in_leaves_nothing(void **state)
{
    connect_alice();
    mailbox_leave(&mailbox, &fake->host, REASON_MAIL_BACKEND_DOWN);
    assert_wiped();
    assert_int_equal(fake->disconnects, 0);
    assert_int_equal(fake->counted[REASON_MAIL_BACKEND_DOWN], 1);
    fake->connecting = false;
    connect_alice();
    is_open(0);
    mailbox_leave(&mailbox, &fake->host, REASON_POP3_AUTH_FAILED);
    assert_wiped();
    assert_false(mailbox.up);
    assert_int_equal(fake->disconnects, 1);
    assert_int_equal(fake->host.report.refusals, 2);
}

static void a_token_waits_until_it_is_asked_for_and_has_room(void **state)
{
    struct span line = span_text("dG9rZW4=\r\nnext");
    connect_alice();
    mailbox.held = true;
    assert_true(mailbox_wants_token(&mailbox, &fake->host));
    is_open(9);
    assert_int_equal(mailbox_token(&mailbox, &fake->host, line, false), 0);
    assert_int_equal(mailbox_token(&mailbox, &fake->host, line, true), 0);
    fake->pipes[SIDE_BACKEND].room = 10;
    assert_int_equal(mailbox_token(&mailbox, &fake->host, line, true), 10);
    assert_string_equal(mail_host_fake_sent(fake, SIDE_BACKEND), "dG9rZW4=\r\n");
    assert_false(mailbox.held);
    assert_wiped();
}

static void where_a_master_logs_in_nobody_gets_the_token(void **state)
{
    connect_alice();
    has_master();
    mailbox.held = true;
    assert_true(mailbox_has_master(&mailbox, &fake->host));
    assert_false(mailbox_wants_token(&mailbox, &fake->host));
    assert_int_equal(mailbox_token(&mailbox, &fake->host, span_text("dG9rZW4=\r\n"), false), 10);
    assert_false(mailbox.held);
    assert_string_equal(mail_host_fake_sent(fake, SIDE_BACKEND), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(whoever_is_not_let_in_leaves_nothing),
        FAKE_TEST(a_token_waits_until_it_is_asked_for_and_has_room),
        FAKE_TEST(where_a_master_logs_in_nobody_gets_the_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

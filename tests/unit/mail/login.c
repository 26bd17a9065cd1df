// SPDX-License-Identifier: BSD-3-Clause
#include "mail/login.h"

#include "mail_test.h"

static struct auth_question pair(const char *user, const char *password)
{
    struct auth_question login = {0};
    assert_true(login_take_user(&login, span_text(user)));
    assert_true(login_take_password(&login, span_text(password)));
    return login;
}

static void names_and_passwords_that_nobody_has_are_refused(void **state)
{
    struct auth_question login = {0};
    char text[300];
    memset(text, 'x', sizeof text);
    assert_false(login_take_user(&login, span_text("")));
    assert_false(login_take_user(&login, span_text("a\nb")));
    assert_false(login_take_user(&login, span_text("a\x7f")));
    assert_false(login_take_user(&login, span_of("a\0b", 3)));
    assert_true(login_take_user(&login, span_of(text, USER_NAME_MAX)));
    assert_false(login_take_user(&login, span_of(text, USER_NAME_MAX + 1)));
    assert_false(login_take_password(&login, span_text("")));
    assert_false(login_take_password(&login, span_of("a\0b", 3)));
    assert_true(login_take_password(&login, span_of(text, PASSWORD_MAX)));
    assert_false(login_take_password(&login, span_of(text, PASSWORD_MAX + 1)));
    assert_true(login_take_password(&login, span_text("\x01\r\n")));
    assert_true(login_take_user(&login, span_text("\xc3\xa4 b")));
}

static enum login_verdict judge(uint8_t status, uint8_t verdict, const char *user,
                                struct auth_question *login)
{
    struct message answer = message_make(MESSAGE_AUTH, status, 0);
    answer.auth_answer.verdict = verdict;
    answer.auth_answer.user_size = (uint8_t)strlen(user);
    memcpy(answer.auth_answer.user, user, strlen(user));
    return login_judge(&fake->host, &answer, login);
}

static void only_a_right_verdict_makes_a_user(void **state)
{
    struct auth_question login = pair("alice", "x");
    assert_int_equal(judge(STATUS_UNAVAILABLE, 0, "", &login), LOGIN_UNAVAILABLE);
    assert_int_equal(judge(STATUS_OK, AUTH_THROTTLED, "", &login), LOGIN_THROTTLED);
    assert_int_equal(judge(STATUS_OK, AUTH_WRONG, "", &login), LOGIN_WRONG);
    assert_int_equal(fake->host.report.user_size, 0);
    assert_int_equal(judge(STATUS_OK, AUTH_RIGHT, "", &login), LOGIN_RIGHT);
    assert_memory_equal(fake->host.report.user, "alice", 5);
}

static void the_canonical_name_takes_the_typed_ones_place(void **state)
{
    struct auth_question login = pair("Alice", "x");
    char text[LOGIN_PLAIN_SIZE];
    assert_int_equal(judge(STATUS_OK, AUTH_RIGHT, "alice@example.net", &login), LOGIN_RIGHT);
    assert_int_equal(fake->host.report.user_size, 17);
    login_plain(&fake->host, 2, &login, text);
    assert_string_equal(text, "AGFsaWNlQGV4YW1wbGUubmV0AHg=");
}

static void a_long_name_is_cut_in_the_report_only(void **state)
{
    char name[USER_NAME_MAX + 1];
    memset(name, 'u', USER_NAME_MAX);
    name[USER_NAME_MAX] = '\0';
    struct auth_question login = pair(name, "x");
    assert_int_equal(judge(STATUS_OK, AUTH_RIGHT, name, &login), LOGIN_RIGHT);
    assert_int_equal(fake->host.report.user_size, sizeof fake->host.report.user);
    assert_int_equal(login.user_size, USER_NAME_MAX);
}

static void the_longest_pair_fits_a_response(void **state)
{
    struct auth_question login = {0};
    char text[LOGIN_PLAIN_SIZE], bytes[255];
    memset(bytes, 'x', sizeof bytes);
    assert_true(login_take_user(&login, span_of(bytes, USER_NAME_MAX)));
    assert_true(login_take_password(&login, span_of(bytes, PASSWORD_MAX)));
    fake->policy.policy.backends[2].master_file[0] = '/';
    memset(&fake->masters[2], 'x', sizeof fake->masters[2]); // sizes, too
    fake->masters[2].name_size = USER_NAME_MAX;
    fake->masters[2].password_size = PASSWORD_MAX;
    assert_int_equal(login_plain(&fake->host, 2, &login, text), LOGIN_PLAIN_SIZE - 1);
}

static void a_master_logs_in_for_the_user(void **state)
{
    struct auth_question login = pair("alice", "x");
    struct mail_master *master = &fake->masters[2];
    char text[LOGIN_PLAIN_SIZE];
    assert_null(login_master(&fake->host, 2));
    fake->policy.policy.backends[2].master_file[0] = '/';
    memcpy(master->name, "weir", master->name_size = 4);
    memcpy(master->password, "secret", master->password_size = 6);
    assert_ptr_equal(login_master(&fake->host, 2), master);
    login_plain(&fake->host, 2, &login, text);
    assert_string_equal(text, "YWxpY2UAd2VpcgBzZWNyZXQ="); // alice NUL weir NUL secret
}

static void mailboxes_at_other_backends_need_masters_there_too(void **state)
{
    struct policy *policy = &fake->policy.policy;
    struct auth_question login = pair("alice", "x");
    assert_false(login_has_masters(&fake->host));
    policy->backends[2].master_file[0] = '/';
    assert_true(login_has_masters(&fake->host));
    policy->backends[3].protocol = PROTOCOL_POP3;
    assert_true(login_has_masters(&fake->host));
    policy->mailboxes.count = 1;
    assert_false(login_has_masters(&fake->host));
    policy->mailboxes.count = 0;
    assert_int_equal(login_backend(&fake->host, &login), 2);
}

static void the_autologout_is_the_protocols_and_has_a_mode(void **state)
{
    uint8_t *mode = &fake->policy.policy.modes[LIMIT_POP3_AUTOLOGOUT_SECONDS];
    assert_int_equal(login_idle_until(&fake->host, 5), 600000005);
    assert_true(login_may_log_out(&fake->host));
    *mode = MODE_SHADOW;
    assert_int_equal(login_idle_until(&fake->host, 5), 600000005);
    assert_false(login_may_log_out(&fake->host));
    assert_int_equal(fake->shadowed[REASON_POP3_AUTOLOGOUT], 1);
    *mode = MODE_OFF;
    assert_false(login_may_log_out(&fake->host));
    assert_int_equal(fake->shadowed[REASON_POP3_AUTOLOGOUT], 1);
}

static void the_question_names_client_and_service(void **state)
{
    struct auth_question login = pair("alice", "wonderland");
    login_ask(&fake->host, &login);
    assert_int_equal(fake->asked, 1);
    assert_true(addr_equal(&fake->question.auth_question.client.addr, &fake->host.client));
    assert_int_equal(fake->question.auth_question.client.protocol,
                     fake->host.policy->services[fake->host.service].protocol);
    assert_int_equal(fake->question.auth_question.client.session, fake->host.id);
    assert_int_equal(fake->question.auth_question.client.port, fake->host.client_port);
    assert_int_equal(fake->question.auth_question.client.tls, fake->host.tls);
    assert_memory_equal(fake->question.auth_question.password, "wonderland", 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(names_and_passwords_that_nobody_has_are_refused),
        FAKE_TEST(only_a_right_verdict_makes_a_user),
        FAKE_TEST(the_canonical_name_takes_the_typed_ones_place),
        FAKE_TEST(a_long_name_is_cut_in_the_report_only),
        FAKE_TEST(the_longest_pair_fits_a_response),
        FAKE_TEST(a_master_logs_in_for_the_user),
        FAKE_TEST(mailboxes_at_other_backends_need_masters_there_too),
        FAKE_TEST(the_autologout_is_the_protocols_and_has_a_mode),
        FAKE_TEST(the_question_names_client_and_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

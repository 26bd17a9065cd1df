// SPDX-License-Identifier: BSD-3-Clause
#include "mail/sasl.h"

#include "mail_test.h"

#define BYTES(literal) span_of(literal, sizeof(literal) - 1)

static const struct span no_initial_response = {NULL, 0};

static struct span encoded(struct span data)
{
    static char text[2048];
    return span_of(text, base64_encode(data, text));
}

static enum sasl_step feed_plain(struct sasl *sasl, struct span response)
{
    const char *challenge = NULL;
    sasl_start(sasl, MECHANISM_PLAIN);
    return sasl_feed(sasl, &fake->host, encoded(response), &challenge);
}

static void plain_that_is_not_plain_is_malformed(void **unused)
{
    struct sasl sasl;
    assert_int_equal(feed_plain(&sasl, BYTES("")), SASL_MALFORMED);
    assert_int_equal(feed_plain(&sasl, BYTES("alice")), SASL_MALFORMED);
    assert_int_equal(feed_plain(&sasl, BYTES("\0alice")), SASL_MALFORMED);
    assert_int_equal(feed_plain(&sasl, BYTES("\0\0pass")), SASL_MALFORMED);
    assert_int_equal(feed_plain(&sasl, BYTES("\0alice\0")), SASL_MALFORMED);
    assert_int_equal(feed_plain(&sasl, BYTES("\0alice\0pa\0ss")), SASL_MALFORMED);
    assert_int_equal(feed_plain(&sasl, BYTES("\0al\nice\0pass")), SASL_MALFORMED);
    assert_int_equal(feed_plain(&sasl, BYTES("bob\0alice\0pass")), SASL_MALFORMED);
}

static void names_and_passwords_end_at_their_limits(void **unused)
{
    char text[1 + USER_NAME_MAX + 1 + PASSWORD_MAX + 1];
    struct sasl sasl;
    memset(text, 'x', sizeof text);
    text[0] = '\0';
    text[1 + USER_NAME_MAX] = '\0';
    assert_int_equal(feed_plain(&sasl, span_of(text, sizeof text - 1)), SASL_READY);
    assert_int_equal(sasl.login.user_size, USER_NAME_MAX);
    assert_int_equal(sasl.login.password_size, PASSWORD_MAX);
    assert_int_equal(feed_plain(&sasl, span_of(text, sizeof text)), SASL_MALFORMED);
    memset(text, 'x', sizeof text);
    text[0] = '\0';
    text[2 + USER_NAME_MAX] = '\0';
    assert_int_equal(feed_plain(&sasl, span_of(text, sizeof text - 1)), SASL_MALFORMED);
}

static void plain_with_initial_response_is_ready(void **unused)
{
    struct sasl sasl;
    assert_int_equal(feed_plain(&sasl, BYTES("\0alice\0secret")), SASL_READY);
    assert_true(span_equal(span_of(sasl.login.user, sasl.login.user_size), span_text("alice")));
    assert_true(
        span_equal(span_of(sasl.login.password, sasl.login.password_size), span_text("secret")));
    assert_int_equal(feed_plain(&sasl, BYTES("alice\0alice\0secret")), SASL_READY);
}

static void plain_without_initial_response_asks_with_an_empty_challenge(void **unused)
{
    struct sasl sasl;
    const char *challenge = NULL;
    sasl_start(&sasl, MECHANISM_PLAIN);
    assert_int_equal(sasl_feed(&sasl, &fake->host, no_initial_response, &challenge), SASL_MORE);
    assert_string_equal(challenge, "");
    assert_int_equal(sasl_feed(&sasl, &fake->host, encoded(BYTES("\0bob\0builder")), &challenge),
                     SASL_READY);
}

static void login_asks_twice_or_once(void **unused)
{
    struct sasl sasl;
    const char *challenge = NULL;
    sasl_start(&sasl, MECHANISM_LOGIN);
    assert_int_equal(sasl_feed(&sasl, &fake->host, no_initial_response, &challenge), SASL_MORE);
    assert_string_equal(challenge, "VXNlcm5hbWU6");
    assert_int_equal(sasl_feed(&sasl, &fake->host, encoded(BYTES("bob")), &challenge), SASL_MORE);
    assert_string_equal(challenge, "UGFzc3dvcmQ6");
    assert_int_equal(sasl_feed(&sasl, &fake->host, encoded(BYTES("builder")), &challenge),
                     SASL_READY);

    sasl_start(&sasl, MECHANISM_LOGIN);
    assert_int_equal(sasl_feed(&sasl, &fake->host, encoded(BYTES("bob")), &challenge), SASL_MORE);
    assert_string_equal(challenge, "UGFzc3dvcmQ6");
    assert_int_equal(sasl_feed(&sasl, &fake->host, encoded(BYTES("")), &challenge), SASL_MALFORMED);
}

static void a_star_cancels_once_asked(void **unused)
{
    struct sasl sasl;
    const char *challenge = NULL;
    sasl_start(&sasl, MECHANISM_LOGIN);
    assert_int_equal(sasl_feed(&sasl, &fake->host, span_text("*"), &challenge), SASL_MALFORMED);
    sasl_start(&sasl, MECHANISM_PLAIN);
    assert_int_equal(sasl_feed(&sasl, &fake->host, no_initial_response, &challenge), SASL_MORE);
    assert_int_equal(sasl_feed(&sasl, &fake->host, span_text("*"), &challenge), SASL_CANCELLED);
}

static void an_equals_sign_is_an_empty_initial_response_only(void **unused)
{
    struct sasl sasl;
    const char *challenge = NULL;
    sasl_start(&sasl, MECHANISM_PLAIN);
    assert_int_equal(sasl_feed(&sasl, &fake->host, span_text("="), &challenge), SASL_MALFORMED);
    sasl_start(&sasl, MECHANISM_PLAIN);
    assert_int_equal(sasl_feed(&sasl, &fake->host, no_initial_response, &challenge), SASL_MORE);
    assert_int_equal(sasl_feed(&sasl, &fake->host, span_text("="), &challenge), SASL_MALFORMED);
}

static void a_password_is_not_asked_for_in_the_clear_nor_an_exchange_without_a_master(void **unused)
{
    char list[SASL_LIST_SIZE];
    fake->mechanisms = MECHANISMS_SCRAM | MECHANISMS_TOKEN;
    fake->host.tls = false;
    assert_int_equal(sasl_offer(&fake->host), 0);
    fake->host.tls = true;
    assert_int_equal(sasl_offer(&fake->host), MECHANISMS_PASSWORD | MECHANISMS_TOKEN);
    fake->policy.policy.backends[2].master_file[0] = '/';
    sasl_list(sasl_offer(&fake->host), "AUTH=", list);
    assert_string_equal(list, "AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=OAUTHBEARER "
                              "AUTH=XOAUTH2 AUTH=PLAIN AUTH=LOGIN");
    fake->host.tls_version = 2; // no binding
    sasl_list(sasl_offer(&fake->host), "", list);
    assert_string_equal(list, "SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN");
}

static void a_token_that_the_backend_wants_stays_and_is_found_in_its_line(void **unused)
{
    struct sasl token = {.mechanism = MECHANISM_XOAUTH2}, other = {.mechanism = MECHANISM_PLAIN};
    struct span found;
    assert_true(sasl_holds_token(&token, &fake->host));
    assert_false(sasl_holds_token(&other, &fake->host));
    fake->policy.policy.backends[2].master_file[0] = '/';
    assert_false(sasl_holds_token(&token, &fake->host));
    assert_int_equal(sasl_token(span_text("abc=\r\nmore\r\n"), &found), 6);
    assert_true(span_equal(found, span_text("abc=")));
    assert_int_equal(sasl_token(span_text("a AUTHENTICATE XOAUTH2 abc=\r\n"), &found), 29);
    assert_true(span_equal(found, span_text("abc=")));
}

static enum login_verdict judge(struct sasl *sasl, uint8_t status, struct sasl_answer answer,
                                char *challenge)
{
    struct message m = message_make(MESSAGE_SASL, status, 0);
    m.sasl_answer = answer;
    fake->pending[MESSAGE_SASL] = false;
    return sasl_judge(sasl, &fake->host, &m, challenge);
}

static void an_exchange_ends_as_the_child_says(void **unused)
{
    struct sasl sasl = {.mechanism = MECHANISM_XOAUTH2};
    char text[SASL_TEXT_SIZE];
    struct sasl_answer nobody = {.verdict = AUTH_RIGHT}, throttled = {.verdict = AUTH_THROTTLED},
                       wrong = {.verdict = AUTH_WRONG};
    assert_int_equal(judge(&sasl, STATUS_UNAVAILABLE, wrong, text), LOGIN_UNAVAILABLE);
    assert_int_equal(judge(&sasl, STATUS_OK, nobody, text), LOGIN_UNAVAILABLE);
    assert_int_equal(judge(&sasl, STATUS_OK, throttled, text), LOGIN_THROTTLED);
    assert_int_equal(judge(&sasl, STATUS_OK, wrong, text), LOGIN_WRONG);
    assert_int_equal(fake->host.report.user_size, 0);
}

static void the_last_word_must_be_heard_before_anybody_is_in(void **unused)
{
    struct sasl sasl;
    char text[SASL_TEXT_SIZE];
    const char *challenge = NULL;
    struct sasl_answer right = {.verdict = AUTH_RIGHT,
                                .user_size = 3,
                                .user = "bob",
                                .challenge_size = 3,
                                .challenge = {'v', '=', 'x'}};
    sasl_start(&sasl, MECHANISM_SCRAM_SHA_256);
    assert_int_equal(sasl_feed(&sasl, &fake->host, encoded(BYTES("n,,n=bob,r=x")), &challenge),
                     SASL_ASKED);
    assert_int_equal(fake->question.sasl_question.flags, EXCHANGE_FIRST);
    assert_int_equal(judge(&sasl, STATUS_OK, right, text), LOGIN_GOES_ON);
    assert_string_equal(text, "dj14");
    struct sasl other = sasl;
    assert_int_equal(sasl_feed(&other, &fake->host, encoded(BYTES("x")), &challenge),
                     SASL_MALFORMED);
    assert_int_equal(sasl_feed(&sasl, &fake->host, span_text(""), &challenge), SASL_DONE);
    assert_memory_equal(sasl.login.user, "bob", 3);
    assert_int_equal(fake->asked, 1);
}

static void the_longest_response_goes_in_parts(void **unused)
{
    static uint8_t response[SASL_RESPONSE_MAX];
    static char text[BASE64_SIZE(SASL_RESPONSE_MAX) + 4];
    struct sasl sasl;
    const char *challenge = NULL;
    memset(response, 'x', sizeof response);
    size_t size = base64_encode(span_of(response, sizeof response), text);
    assert_int_equal(size, SASL_LINE_MAX);
    sasl_start(&sasl, MECHANISM_OAUTHBEARER);
    assert_int_equal(sasl_feed(&sasl, &fake->host, span_of(text, size), &challenge), SASL_ASKED);
    assert_int_equal(fake->told, SASL_RESPONSE_MAX / SASL_PART_MAX);
    assert_int_equal(fake->told_bytes + fake->question.sasl_question.response_size,
                     sizeof response);
    assert_int_equal(fake->question.sasl_question.flags, 0);

    fake->pending[MESSAGE_SASL] = false;
    memcpy(text + size, "AAAA", 4); // one more
    sasl_start(&sasl, MECHANISM_OAUTHBEARER);
    assert_int_equal(sasl_feed(&sasl, &fake->host, span_of(text, size + 4), &challenge),
                     SASL_MALFORMED);
}

static void the_child_is_told_when_a_part_was_lost(void **unused)
{
    uint8_t response[SASL_PART_MAX + 1] = {0};
    char text[BASE64_SIZE(sizeof response)];
    struct sasl sasl;
    const char *challenge = NULL;
    fake->tell_full = true;
    sasl_start(&sasl, MECHANISM_XOAUTH2);
    size_t size = base64_encode(span_of(response, sizeof response), text);
    assert_int_equal(sasl_feed(&sasl, &fake->host, span_of(text, size), &challenge), SASL_ASKED);
    assert_int_equal(fake->question.sasl_question.flags, EXCHANGE_LOST);
}

static void an_exchange_without_end_is_malformed(void **unused)
{
    struct sasl sasl;
    const char *challenge = NULL;
    sasl_start(&sasl, MECHANISM_XOAUTH2);
    for (int i = 0; i < SASL_ROUNDS_MAX; i++) {
        assert_int_equal(sasl_feed(&sasl, &fake->host, span_text("AAAA"), &challenge), SASL_ASKED);
        fake->pending[MESSAGE_SASL] = false;
    }
    assert_int_equal(sasl_feed(&sasl, &fake->host, span_text("AAAA"), &challenge), SASL_MALFORMED);
}

static void the_binding_goes_with_the_exchange(void **unused)
{
    struct sasl sasl;
    const char *challenge = NULL;
    sasl_start(&sasl, MECHANISM_SCRAM_SHA_256_PLUS);
    assert_int_equal(sasl_feed(&sasl, &fake->host, span_text("AAAA"), &challenge), SASL_ASKED);
    assert_int_equal(fake->question.sasl_question.has_binding, 1);
    assert_int_equal(fake->question.sasl_question.binding[31], 'b');
    assert_int_equal(fake->question.sasl_question.client.session, fake->host.id);
}

static void wiping_leaves_no_secret(void **unused)
{
    static const struct sasl zero;
    struct sasl sasl;
    assert_int_equal(feed_plain(&sasl, BYTES("\0alice\0secret")), SASL_READY);
    sasl_wipe(&sasl);
    assert_memory_equal(&sasl, &zero, sizeof sasl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(plain_that_is_not_plain_is_malformed),
        FAKE_TEST(names_and_passwords_end_at_their_limits),
        FAKE_TEST(plain_with_initial_response_is_ready),
        FAKE_TEST(plain_without_initial_response_asks_with_an_empty_challenge),
        FAKE_TEST(login_asks_twice_or_once),
        FAKE_TEST(a_star_cancels_once_asked),
        FAKE_TEST(an_equals_sign_is_an_empty_initial_response_only),
        FAKE_TEST(a_password_is_not_asked_for_in_the_clear_nor_an_exchange_without_a_master),
        FAKE_TEST(a_token_that_the_backend_wants_stays_and_is_found_in_its_line),
        FAKE_TEST(an_exchange_ends_as_the_child_says),
        FAKE_TEST(the_last_word_must_be_heard_before_anybody_is_in),
        FAKE_TEST(the_longest_response_goes_in_parts),
        FAKE_TEST(the_child_is_told_when_a_part_was_lost),
        FAKE_TEST(an_exchange_without_end_is_malformed),
        FAKE_TEST(the_binding_goes_with_the_exchange),
        FAKE_TEST(wiping_leaves_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

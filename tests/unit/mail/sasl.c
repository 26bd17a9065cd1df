// SPDX-License-Identifier: BSD-3-Clause
#include "mail/sasl.h"

#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

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
    sasl_start(sasl, SASL_PLAIN);
    return sasl_feed(sasl, encoded(response), &challenge);
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
    sasl_start(&sasl, SASL_PLAIN);
    assert_int_equal(sasl_feed(&sasl, no_initial_response, &challenge), SASL_MORE);
    assert_string_equal(challenge, "");
    assert_int_equal(sasl_feed(&sasl, encoded(BYTES("\0bob\0builder")), &challenge), SASL_READY);
}

static void login_asks_twice_or_once(void **unused)
{
    struct sasl sasl;
    const char *challenge = NULL;
    sasl_start(&sasl, SASL_LOGIN);
    assert_int_equal(sasl_feed(&sasl, no_initial_response, &challenge), SASL_MORE);
    assert_string_equal(challenge, "VXNlcm5hbWU6");
    assert_int_equal(sasl_feed(&sasl, encoded(BYTES("bob")), &challenge), SASL_MORE);
    assert_string_equal(challenge, "UGFzc3dvcmQ6");
    assert_int_equal(sasl_feed(&sasl, encoded(BYTES("builder")), &challenge), SASL_READY);

    sasl_start(&sasl, SASL_LOGIN);
    assert_int_equal(sasl_feed(&sasl, encoded(BYTES("bob")), &challenge), SASL_MORE);
    assert_string_equal(challenge, "UGFzc3dvcmQ6");
    assert_int_equal(sasl_feed(&sasl, encoded(BYTES("")), &challenge), SASL_MALFORMED);
}

static void a_star_cancels_once_asked(void **unused)
{
    struct sasl sasl;
    const char *challenge = NULL;
    sasl_start(&sasl, SASL_LOGIN);
    assert_int_equal(sasl_feed(&sasl, span_text("*"), &challenge), SASL_MALFORMED);
    sasl_start(&sasl, SASL_PLAIN);
    assert_int_equal(sasl_feed(&sasl, no_initial_response, &challenge), SASL_MORE);
    assert_int_equal(sasl_feed(&sasl, span_text("*"), &challenge), SASL_CANCELLED);
}

static void an_equals_sign_is_an_empty_initial_response_only(void **unused)
{
    struct sasl sasl;
    const char *challenge = NULL;
    sasl_start(&sasl, SASL_PLAIN);
    assert_int_equal(sasl_feed(&sasl, span_text("="), &challenge), SASL_MALFORMED);
    sasl_start(&sasl, SASL_PLAIN);
    assert_int_equal(sasl_feed(&sasl, no_initial_response, &challenge), SASL_MORE);
    assert_int_equal(sasl_feed(&sasl, span_text("="), &challenge), SASL_MALFORMED);
}

static void mechanisms_are_found_in_any_case(void **unused)
{
    assert_int_equal(sasl_find(span_text("plain")), SASL_PLAIN);
    assert_int_equal(sasl_find(span_text("LOGIN")), SASL_LOGIN);
    assert_int_equal(sasl_find(span_text("PLAINER")), SASL_NONE);
    assert_int_equal(sasl_find(span_text("CRAM-MD5")), SASL_NONE);
    assert_int_equal(sasl_find(span_text("")), SASL_NONE);
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
        cmocka_unit_test(plain_that_is_not_plain_is_malformed),
        cmocka_unit_test(names_and_passwords_end_at_their_limits),
        cmocka_unit_test(plain_with_initial_response_is_ready),
        cmocka_unit_test(plain_without_initial_response_asks_with_an_empty_challenge),
        cmocka_unit_test(login_asks_twice_or_once),
        cmocka_unit_test(a_star_cancels_once_asked),
        cmocka_unit_test(an_equals_sign_is_an_empty_initial_response_only),
        cmocka_unit_test(mechanisms_are_found_in_any_case),
        cmocka_unit_test(wiping_leaves_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

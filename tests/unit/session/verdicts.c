// SPDX-License-Identifier: BSD-3-Clause
#include "session/verdicts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct siphash_key key = {{1, 2}};
static struct verdicts verdicts;

static int start(void **state)
{
    return verdicts_init(&verdicts, 64, &key);
}

static int stop(void **state)
{
    verdicts_done(&verdicts);
    return 0;
}

static struct message rdns(const char *addr)
{
    struct message m = message_make(MESSAGE_RDNS, STATUS_ASKED, 7);
    assert_true(addr_parse(addr, &m.rdns_question.addr));
    return m;
}

static struct message spf(const char *addr, const char *from)
{
    struct message m = message_make(MESSAGE_SPF, STATUS_ASKED, 8);
    assert_true(addr_parse(addr, &m.spf_question.addr));
    m.spf_question.mail_from_size = (uint16_t)strlen(from);
    memcpy(m.spf_question.mail_from, from, strlen(from));
    return m;
}

static struct message spf_answer(enum spf_result result, uint32_t keep_s)
{
    struct message m = message_make(MESSAGE_SPF, STATUS_OK, 1);
    m.spf_answer.result = (uint8_t)result;
    m.keep_s = keep_s;
    return m;
}

static bool knows(const struct message *question, uint64_t now_us)
{
    struct message answer;
    return verdicts_find(&verdicts, question, now_us, &answer);
}

static void what_was_never_answered_is_unknown(void **state)
{
    struct message question = rdns("192.0.2.1");
    assert_false(knows(&question, 0));
}

static void another_client_or_sender_is_unknown(void **state)
{
    struct message question = spf("192.0.2.1", "a@example.org");
    struct message answer = spf_answer(SPF_PASS, 30);
    verdicts_put(&verdicts, &question, &answer, 1000);
    struct message other = spf("192.0.2.2", "a@example.org");
    assert_false(knows(&other, 1000));
    other = spf("192.0.2.1", "b@example.org");
    assert_false(knows(&other, 1000));
    other = rdns("192.0.2.1");
    assert_false(knows(&other, 1000));
    assert_true(knows(&question, 1000));
}

static void what_does_not_hold_is_not_kept(void **state)
{
    struct message question = spf("192.0.2.1", "a@example.org");
    struct message answer = spf_answer(SPF_TEMPERROR, 0);
    verdicts_put(&verdicts, &question, &answer, 1000);
    assert_false(knows(&question, 1000));
    answer.keep_s = 30;
    answer.status = STATUS_UNAVAILABLE;
    verdicts_put(&verdicts, &question, &answer, 1000);
    assert_false(knows(&question, 1000));
}

static void a_password_is_never_kept(void **state)
{
    struct message question = message_make(MESSAGE_AUTH, STATUS_ASKED, 1);
    struct message answer = message_make(MESSAGE_AUTH, STATUS_OK, 1);
    answer.auth_answer.verdict = AUTH_RIGHT;
    answer.keep_s = 30;
    verdicts_put(&verdicts, &question, &answer, 1000);
    assert_false(knows(&question, 1000));
}

static void it_is_forgotten_when_it_holds_no_longer(void **state)
{
    struct message question = spf("192.0.2.1", "a@example.org");
    struct message answer = spf_answer(SPF_PASS, 30);
    verdicts_put(&verdicts, &question, &answer, 1000);
    assert_true(knows(&question, 30000999));
    assert_false(knows(&question, 30001000));
}

static void nothing_is_kept_longer_than_the_most(void **state)
{
    struct message question = spf("192.0.2.1", "a@example.org");
    struct message answer = spf_answer(SPF_PASS, UINT32_MAX);
    verdicts_put(&verdicts, &question, &answer, 0);
    assert_true(knows(&question, VERDICT_KEEP_MOST_S * UINT64_C(1000000) - 1));
    assert_false(knows(&question, VERDICT_KEEP_MOST_S * UINT64_C(1000000)));
}

static void a_flush_forgets_all(void **state)
{
    struct message question = spf("192.0.2.1", "a@example.org");
    struct message answer = spf_answer(SPF_PASS, 30);
    verdicts_put(&verdicts, &question, &answer, 1000);
    verdicts_flush(&verdicts);
    assert_false(knows(&question, 1000));
    verdicts_put(&verdicts, &question, &answer, 1000);
    assert_true(knows(&question, 1000));
}

static void the_answer_carries_the_handle_of_its_question(void **state)
{
    struct message question = rdns("2001:db8::1");
    struct message answer = message_make(MESSAGE_RDNS, STATUS_OK, 1), found;
    answer.rdns_answer.verdict = RDNS_CONFIRMED;
    assert_true(message_name_set(&answer.rdns_answer.name, span_text("mx.example.org")));
    answer.keep_s = 10;
    verdicts_put(&verdicts, &question, &answer, 0);
    question.handle = 99;
    assert_true(verdicts_find(&verdicts, &question, 1, &found));
    assert_true(message_is_sound(&found));
    assert_int_equal(found.handle, 99);
    assert_int_equal(found.status, STATUS_OK);
    assert_memory_equal(&found.rdns_answer, &answer.rdns_answer, sizeof answer.rdns_answer);
}

static void a_later_answer_takes_the_place_of_the_older(void **state)
{
    struct message question = spf("192.0.2.1", "a@example.org"), found;
    struct message first = spf_answer(SPF_PASS, 30), second = spf_answer(SPF_FAIL, 10);
    verdicts_put(&verdicts, &question, &first, 0);
    verdicts_put(&verdicts, &question, &second, 0);
    assert_true(verdicts_find(&verdicts, &question, 1, &found));
    assert_int_equal(found.spf_answer.result, SPF_FAIL);
    assert_false(knows(&question, 10000000));
}

static void more_than_there_is_room_for_keeps_what_holds_longest(void **state)
{
    struct message longest = spf("192.0.2.1", "a@example.org");
    struct message answer = spf_answer(SPF_PASS, 60);
    verdicts_put(&verdicts, &longest, &answer, 0);
    for (uint32_t i = 0; i < 10000; i++) {
        struct message other = rdns("192.0.2.2");
        struct message none = message_make(MESSAGE_RDNS, STATUS_OK, 1);
        none.keep_s = 30;
        memcpy(other.rdns_question.addr.bytes + 12, &i, sizeof i);
        verdicts_put(&verdicts, &other, &none, 0);
    }
    assert_true(knows(&longest, 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(what_was_never_answered_is_unknown),
        TEST(another_client_or_sender_is_unknown),
        TEST(what_does_not_hold_is_not_kept),
        TEST(a_password_is_never_kept),
        TEST(it_is_forgotten_when_it_holds_no_longer),
        TEST(nothing_is_kept_longer_than_the_most),
        TEST(a_flush_forgets_all),
        TEST(the_answer_carries_the_handle_of_its_question),
        TEST(a_later_answer_takes_the_place_of_the_older),
        TEST(more_than_there_is_room_for_keeps_what_holds_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
/* Against a back end that is none: it says what the test wants, when the test wants. */
#include "lookup/auth_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct auth_gate gate;
static struct auth_exchanges *exchanges;
static struct auth_questions_config config;
static uint64_t limits[LIMIT_COUNT], figures[FIGURE_COUNT];
static uint8_t modes[LIMIT_COUNT];
static uint64_t now_ms;
static unsigned answers;
static struct message last;

static struct {
    bool refuses;
    unsigned steps, drops;
    uint32_t id; // of the last step
    bool first;
    size_t response_size;
    bool done; // a result waits
    struct auth_step_result result;
} fake;

static bool fake_step(void *context, const struct auth_step *step, uint64_t now)
{
    if (fake.refuses)
        return false;
    fake.steps++;
    fake.id = step->id;
    fake.first = step->first;
    fake.response_size = step->response.size;
    return true;
}

static bool fake_take_step(void *context, struct auth_step_result *ret_result)
{
    bool done = fake.done;
    fake.done = false;
    *ret_result = fake.result;
    return done;
}

static void fake_drop(void *context, uint32_t id)
{
    fake.drops++;
}

static void on_answer(void *context, unsigned worker, const struct message *answer)
{
    assert_true(message_is_sound(answer));
    last = *answer;
    answers++;
}

static int start(void **state)
{
    for (int i = 0; i < LIMIT_COUNT; i++)
        limits[i] = limit_facts((enum limit)i)->value;
    memset(figures, 0, sizeof figures);
    memset(&fake, 0, sizeof fake);
    now_ms = 1000000;
    answers = 0;
    config = (struct auth_questions_config){
        .backend = {.step = fake_step, .take_step = fake_take_step, .drop = fake_drop},
        .limits = limits,
        .modes = modes,
        .answer = on_answer};
    return auth_gate_init(&gate, limits, modes) < 0 ||
           auth_exchange_open(&exchanges, &gate, &config, figures) < 0;
}

static int stop(void **state)
{
    auth_exchange_close(exchanges);
    auth_gate_done(&gate);
    return 0;
}

static void say_from(const char *addr, uint64_t session, enum mechanism mechanism, unsigned flags,
                     struct span response)
{
    struct message m = message_make(MESSAGE_SASL, STATUS_ASKED, session + 1000);
    struct sasl_question *question = &m.sasl_question;
    assert_true(addr_parse(addr, &question->client.addr));
    question->client.session = session;
    question->mechanism = (uint8_t)mechanism;
    question->flags = (uint8_t)flags;
    question->response_size = (uint16_t)response.size;
    memcpy(question->response, response.at, response.size);
    auth_exchange_take(exchanges, 0, &m, now_ms);
}

static void say(uint64_t session, enum mechanism mechanism, unsigned flags, const char *response)
{
    say_from("192.0.2.1", session, mechanism, flags, span_text(response));
}

static void find_out(enum auth_outcome outcome)
{
    fake.done = true;
    fake.result = (struct auth_step_result){
        .id = fake.id, .outcome = outcome, .user_size = 5, .user = "alice", .challenge_size = 1};
    auth_exchange_finish(exchanges, now_ms);
}

#define SCRAM "n,,n=Alice,r=x"
#define TOKEN                                                                                      \
    "user=alice\x01"                                                                               \
    "auth=Bearer x\x01\x01"

static void scram(uint64_t session, enum auth_outcome outcome)
{
    say(session, MECHANISM_SCRAM_SHA_256, EXCHANGE_FIRST, SCRAM);
    find_out(OUTCOME_CHALLENGE);
    assert_int_equal(last.sasl_answer.goes_on, 1);
    say(session, MECHANISM_SCRAM_SHA_256, 0, "proof");
    find_out(outcome);
}

static void what_goes_on_must_have_begun(void **state)
{
    say(1, MECHANISM_SCRAM_SHA_256, EXCHANGE_MORE, "part");
    assert_int_equal(answers, 0);
    say(1, MECHANISM_SCRAM_SHA_256, 0, "rest");
    assert_int_equal(last.status, STATUS_UNAVAILABLE);
    assert_int_equal(last.handle, 1001);
    assert_int_equal(fake.steps, 0);
}

static void an_exchange_about_nobody_is_wrong_and_no_guess(void **state)
{
    for (int i = 0; i < 100; i++) {
        say(1, MECHANISM_XOAUTH2, EXCHANGE_FIRST, "whoever");
        assert_int_equal(last.sasl_answer.verdict, AUTH_WRONG);
    }
    assert_int_equal(fake.steps, 0);
    assert_int_equal(figures[FIGURE_EXCHANGES], 0);
    say(1, MECHANISM_XOAUTH2, EXCHANGE_FIRST, TOKEN);
    assert_int_equal(fake.steps, 1);
}

static void a_back_end_that_cannot_makes_it_unavailable(void **state)
{
    fake.refuses = true;
    say(1, MECHANISM_XOAUTH2, EXCHANGE_FIRST, TOKEN);
    assert_int_equal(last.status, STATUS_UNAVAILABLE);
    assert_int_equal(fake.drops, 0);
    fake.refuses = false;
    for (int i = 0; i < 100; i++) { // nor is it a guess
        say(1, MECHANISM_XOAUTH2, EXCHANGE_FIRST, TOKEN);
        find_out(OUTCOME_UNAVAILABLE);
        assert_int_equal(last.status, STATUS_UNAVAILABLE);
    }
    say(1, MECHANISM_XOAUTH2, EXCHANGE_FIRST, TOKEN);
    find_out(OUTCOME_RIGHT);
    assert_int_equal(last.sasl_answer.verdict, AUTH_RIGHT);
}

static void each_wrong_proof_is_a_guess(void **state)
{
    for (uint64_t i = 0; i < limits[LIMIT_AUTH_GUESSES_PAIR]; i++) {
        scram(i, OUTCOME_WRONG);
        assert_int_equal(last.sasl_answer.verdict, AUTH_WRONG);
    }
    say(9, MECHANISM_SCRAM_SHA_256, EXCHANGE_FIRST, SCRAM);
    assert_int_equal(last.sasl_answer.verdict, AUTH_THROTTLED);
    assert_int_equal(figures[FIGURE_EXCHANGES], 0);
}

static void guesses_side_by_side_are_counted_too(void **state)
{
    unsigned guessed = 0;
    for (uint64_t i = 0; i < 20; i++) {
        say(i, MECHANISM_SCRAM_SHA_256, EXCHANGE_FIRST, SCRAM);
        find_out(OUTCOME_CHALLENGE);
    }
    for (uint64_t i = 0; i < 20; i++) {
        unsigned before = fake.steps;
        say(i, MECHANISM_SCRAM_SHA_256, 0, "proof");
        if (fake.steps == before)
            continue;
        find_out(OUTCOME_WRONG);
        guessed++;
    }
    assert_int_equal(guessed, limits[LIMIT_AUTH_GUESSES_PAIR]);
    assert_int_equal(last.sasl_answer.verdict, AUTH_THROTTLED);
}

static void an_exchange_left_half_open_is_no_guess(void **state)
{
    for (uint64_t i = 0; i < 20; i++) {
        say(1, MECHANISM_SCRAM_SHA_256, EXCHANGE_FIRST, SCRAM);
        find_out(OUTCOME_CHALLENGE);
    }
    assert_int_equal(fake.drops, 19); // the next took its place
    scram(1, OUTCOME_RIGHT);
    assert_int_equal(last.sasl_answer.verdict, AUTH_RIGHT);
}

static void a_wrong_token_is_counted_once_and_not_asked_again(void **state)
{
    say(1, MECHANISM_XOAUTH2, EXCHANGE_FIRST, TOKEN);
    find_out(OUTCOME_CHALLENGE); // says what is wrong
    say(1, MECHANISM_XOAUTH2, 0, "");
    find_out(OUTCOME_WRONG);
    assert_int_equal(last.sasl_answer.verdict, AUTH_WRONG);
    for (int i = 0; i < 100; i++) {
        say(1, MECHANISM_XOAUTH2, EXCHANGE_FIRST, TOKEN);
        assert_int_equal(last.sasl_answer.verdict, AUTH_WRONG);
    }
    assert_int_equal(fake.steps, 2);
    assert_int_equal(figures[FIGURE_REMEMBERED], 100);
    char token[64];
    for (int i = 0; i < 4; i++) {
        snprintf(token, sizeof token,
                 "user=alice\x01"
                 "auth=Bearer %d\x01\x01",
                 i);
        say(1, MECHANISM_XOAUTH2, EXCHANGE_FIRST, token);
        find_out(OUTCOME_WRONG);
    }
    say(1, MECHANISM_XOAUTH2, EXCHANGE_FIRST,
        "user=alice\x01"
        "auth=Bearer 9\x01\x01");
    assert_int_equal(last.sasl_answer.verdict, AUTH_THROTTLED);
}

static void a_right_one_makes_the_pair_known(void **state)
{
    scram(1, OUTCOME_RIGHT);
    assert_memory_equal(last.sasl_answer.user, "alice", 5);
    assert_int_equal(last.sasl_answer.challenge_size, 1);
    struct addr addr;
    assert_true(addr_parse("192.0.2.1", &addr));
    assert_true(auth_gate_keys(&gate, &addr, span_text("alice"), span_of(NULL, 0), now_ms).known);
    assert_int_equal(figures[FIGURE_EXCHANGES], 0);
}

static void parts_make_one_response_to_the_limit(void **state)
{
    static char part[SASL_PART_MAX];
    static_assert(SASL_RESPONSE_MAX / SASL_PART_MAX == 10, "and something");
    memset(part, 'x', sizeof part);
    memcpy(part, TOKEN, sizeof TOKEN - 1);
    struct span whole = span_of(part, sizeof part);
    size_t rest = SASL_RESPONSE_MAX % SASL_PART_MAX;
    for (size_t more = 0; more < 2; more++) {
        say_from("192.0.2.1", 1, MECHANISM_XOAUTH2, EXCHANGE_FIRST | EXCHANGE_MORE, whole);
        for (int i = 1; i < 10; i++)
            say_from("192.0.2.1", 1, MECHANISM_XOAUTH2, EXCHANGE_MORE, whole);
        say_from("192.0.2.1", 1, MECHANISM_XOAUTH2, 0, span_head(whole, rest + more));
        if (more == 0)
            find_out(OUTCOME_RIGHT);
    }
    assert_int_equal(fake.steps, 1);
    assert_int_equal(fake.response_size, SASL_RESPONSE_MAX);
    assert_int_equal(last.status, STATUS_UNAVAILABLE);
    say(2, MECHANISM_XOAUTH2, EXCHANGE_FIRST | EXCHANGE_LOST, TOKEN);
    assert_int_equal(last.status, STATUS_UNAVAILABLE);
    assert_int_equal(fake.steps, 1);
}

static void the_oldest_gives_way(void **state)
{
    char addr[32];
    for (uint64_t i = 0; i < AUTH_EXCHANGES_MAX; i++) {
        snprintf(addr, sizeof addr, "10.%u.%u.1", (unsigned)i / 256, (unsigned)i % 256);
        now_ms++;
        say_from(addr, i, MECHANISM_SCRAM_SHA_256, EXCHANGE_FIRST, span_text(SCRAM));
    }
    assert_int_equal(answers, 0);
    say(5000, MECHANISM_SCRAM_SHA_256, EXCHANGE_FIRST, SCRAM);
    assert_int_equal(answers, 1);
    assert_int_equal(last.status, STATUS_UNAVAILABLE);
    assert_int_equal(last.handle, 1000);
    assert_int_equal(figures[FIGURE_EXCHANGES], AUTH_EXCHANGES_MAX);
}

static void a_prefix_takes_no_more_than_its_share(void **state)
{
    say_from("192.0.3.1", 1, MECHANISM_SCRAM_SHA_256, EXCHANGE_FIRST, span_text(SCRAM));
    for (uint64_t i = 0; i < 2 * AUTH_EXCHANGES_PREFIX_MAX; i++) {
        now_ms++;
        say(100 + i, MECHANISM_SCRAM_SHA_256, EXCHANGE_FIRST, SCRAM);
    }
    assert_int_equal(figures[FIGURE_EXCHANGES], 1 + AUTH_EXCHANGES_PREFIX_MAX);
}

static void what_is_old_ends(void **state)
{
    say(1, MECHANISM_SCRAM_SHA_256, EXCHANGE_FIRST, SCRAM);
    find_out(OUTCOME_CHALLENGE);
    now_ms += EXCHANGE_MS - 1;
    auth_exchange_expire(exchanges, now_ms);
    assert_int_equal(figures[FIGURE_EXCHANGES], 1);
    auth_exchange_expire(exchanges, now_ms + 1);
    assert_int_equal(figures[FIGURE_EXCHANGES], 0);
    assert_int_equal(fake.drops, 1);
    assert_int_equal(answers, 1); // nobody waited
}

#define EXCHANGE_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXCHANGE_TEST(what_goes_on_must_have_begun),
        EXCHANGE_TEST(an_exchange_about_nobody_is_wrong_and_no_guess),
        EXCHANGE_TEST(a_back_end_that_cannot_makes_it_unavailable),
        EXCHANGE_TEST(each_wrong_proof_is_a_guess),
        EXCHANGE_TEST(guesses_side_by_side_are_counted_too),
        EXCHANGE_TEST(an_exchange_left_half_open_is_no_guess),
        EXCHANGE_TEST(a_wrong_token_is_counted_once_and_not_asked_again),
        EXCHANGE_TEST(a_right_one_makes_the_pair_known),
        EXCHANGE_TEST(parts_make_one_response_to_the_limit),
        EXCHANGE_TEST(the_oldest_gives_way),
        EXCHANGE_TEST(a_prefix_takes_no_more_than_its_share),
        EXCHANGE_TEST(what_is_old_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup.h"

#include "contract/attach.h"
#include "plane_fake.h"
#include "support/dns_fake.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct dns_fake dns;
static struct plane_fake plane;

static int run(int socket, const void *config)
{
    struct lookup_area area = {.dns = *(const struct dns_child_config *)config};
    return dns_child_run(socket, &area);
}

static int start(void **state)
{
    struct dns_child_config config = {.servers_count = 1,
                                      .timeout_ms = 600,
                                      .user = "nobody",
                                      .host_name = "mail.example.net",
                                      .parent = getpid()};
    if (!dns_fake_open(&dns))
        return 1;
    dns_fake_server(&dns, config.servers[0], sizeof config.servers[0]);
    dns_fake_add_ptr(&dns, "192.0.2.1", "mx.example.org");
    dns_fake_add_addr(&dns, "mx.example.org", "192.0.2.1");
    dns_fake_add_ptr(&dns, "2001:db8::1", "mx6.example.org");
    dns_fake_add_addr(&dns, "mx6.example.org", "2001:db8::1");
    dns_fake_add_ptr(&dns, "192.0.2.66", "evil\r\nReceived: x.example.org");
    dns_fake_add_txt(&dns, "good.example.org", "v=spf1 a:mx.example.org -all");
    return plane_fake_open(&plane, ROLE_DNS, run, &config) ? 0 : 1;
}

static int stop(void **state)
{
    int result = plane_fake_close(&plane);
    dns_fake_close(&dns);
    return result;
}

static void dns_turn(void *context)
{
    dns_fake_turn(&dns);
}

static struct message rdns_question(const char *addr, uint64_t handle)
{
    struct message m = message_make(MESSAGE_RDNS, STATUS_ASKED, handle);
    assert_true(addr_parse(addr, &m.rdns_question.addr));
    return m;
}

static struct message spf_question(const char *addr, const char *mail_from, uint64_t handle)
{
    struct message m = message_make(MESSAGE_SPF, STATUS_ASKED, handle);
    assert_true(addr_parse(addr, &m.spf_question.addr));
    assert_true(message_name_set(&m.spf_question.helo, span_text("mx.example.org")));
    m.spf_question.mail_from_size = (uint16_t)strlen(mail_from);
    memcpy(m.spf_question.mail_from, mail_from, strlen(mail_from));
    return m;
}

static struct message answer_of(unsigned worker, struct message question)
{
    struct message answer;
    assert_true(plane_fake_ask(&plane, worker, &question));
    assert_true(plane_fake_answer(&plane, worker, &answer, 5000, dns_turn, NULL));
    assert_true(message_is_sound(&answer));
    assert_int_equal(answer.kind, question.kind);
    assert_int_equal(answer.handle, question.handle);
    return answer;
}

static void unsound_questions_are_dropped_and_the_next_is_answered(void **state)
{
    struct message m = rdns_question("192.0.2.1", 1);
    m.version = 99;
    assert_true(plane_fake_ask(&plane, 0, &m));
    m = message_make(MESSAGE_AUTH, STATUS_ASKED, 2); // sound, but not for this child
    m.auth_question.user_size = 1;
    m.auth_question.user[0] = 'a';
    assert_true(plane_fake_ask(&plane, 0, &m));
    m = spf_question("192.0.2.1", "a@good.example.org", 3);
    m.spf_question.mail_from_size = 60000;
    assert_true(plane_fake_ask(&plane, 0, &m));
    assert_int_equal(answer_of(0, rdns_question("192.0.2.1", 4)).status, STATUS_OK);
}

static void name_with_line_ends_does_not_come_back(void **state)
{
    struct message answer = answer_of(0, rdns_question("192.0.2.66", 1));
    assert_int_equal(answer.status, STATUS_OK);
    assert_int_equal(answer.rdns_answer.verdict, RDNS_NONE);
    assert_int_equal(answer.rdns_answer.name.size, 0);
}

static void dead_servers_make_it_a_temporary_error_in_time(void **state)
{
    dns.manner = DNS_FAKE_SILENT;
    struct message answer = answer_of(0, rdns_question("192.0.2.7", 1));
    assert_int_equal(answer.rdns_answer.verdict, RDNS_TEMPERROR);
    answer = answer_of(0, spf_question("192.0.2.7", "a@b.example.org", 2));
    assert_int_equal(answer.status, STATUS_OK);
    assert_int_equal(answer.spf_answer.result, SPF_TEMPERROR);
    dns.manner = DNS_FAKE_HONEST;
}

static void address_is_confirmed_by_its_name(void **state)
{
    struct message answer = answer_of(0, rdns_question("192.0.2.1", 7));
    assert_int_equal(answer.rdns_answer.verdict, RDNS_CONFIRMED);
    assert_true(
        span_equal(message_name_span(&answer.rdns_answer.name), span_text("mx.example.org")));
    answer = answer_of(1, rdns_question("2001:db8::1", 8));
    assert_int_equal(answer.rdns_answer.verdict, RDNS_CONFIRMED);
}

static void truncated_answers_are_fetched_by_tcp_within_the_sandbox(void **state)
{
    dns.manner = DNS_FAKE_TRUNCATES;
    struct message answer = answer_of(0, rdns_question("192.0.2.1", 7));
    assert_int_equal(answer.rdns_answer.verdict, RDNS_CONFIRMED);
    assert_int_equal(dns.tcp_queries, 2);
    dns.manner = DNS_FAKE_HONEST;
}

static void spf_passes_and_fails(void **state)
{
    assert_int_equal(
        answer_of(1, spf_question("192.0.2.1", "a@good.example.org", 1)).spf_answer.result,
        SPF_PASS);
    assert_int_equal(
        answer_of(0, spf_question("192.0.2.9", "a@good.example.org", 2)).spf_answer.result,
        SPF_FAIL);
    assert_int_equal(answer_of(0, spf_question("192.0.2.9", "", 3)).spf_answer.result, SPF_NONE);
}

static void more_answers_than_the_ring_holds_all_arrive(void **state)
{
    enum { QUESTIONS = SPSC_SLOTS + 300 };
    struct message m = answer_of(0, rdns_question("192.0.2.1", 0)); // remembered from here on
    unsigned asked = 0, answered = 0;
    for (int tries = 0; asked < QUESTIONS && tries < 5000; tries++) {
        m = rdns_question("192.0.2.1", asked);
        if (plane_fake_ask(&plane, 0, &m))
            asked++;
        else
            poll(NULL, 0, 1);
    }
    assert_int_equal(asked, QUESTIONS);
    while (answered < QUESTIONS && plane_fake_answer(&plane, 0, &m, 2000, NULL, NULL)) {
        assert_int_equal(m.status, STATUS_OK);
        answered++;
    }
    assert_int_equal(answered, QUESTIONS);
}

static void child_ends_with_the_connection(void **state)
{
    assert_int_equal(plane_fake_close(&plane), 0);
    dns_fake_close(&dns);
}

static void child_ends_with_sigterm(void **state)
{
    answer_of(0, rdns_question("192.0.2.1", 1));
    assert_int_equal(kill(plane.child, SIGTERM), 0);
    assert_int_equal(plane_fake_wait(&plane), 0);
    plane.child = 0;
    plane_fake_close(&plane);
    dns_fake_close(&dns);
}

static void child_with_a_broken_channel_ends(void **state)
{
    plane.channels[1].memory->questions.tail = 0x7fffffff;
    doorbell_ring(plane.bell[DOORBELL_BUTTON]);
    assert_int_equal(plane_fake_wait(&plane), 1);
    plane.child = 0;
    plane_fake_close(&plane);
    dns_fake_close(&dns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unsound_questions_are_dropped_and_the_next_is_answered,
                                        start, stop),
        cmocka_unit_test_setup_teardown(name_with_line_ends_does_not_come_back, start, stop),
        cmocka_unit_test_setup_teardown(dead_servers_make_it_a_temporary_error_in_time, start,
                                        stop),
        cmocka_unit_test_setup_teardown(address_is_confirmed_by_its_name, start, stop),
        cmocka_unit_test_setup_teardown(truncated_answers_are_fetched_by_tcp_within_the_sandbox,
                                        start, stop),
        cmocka_unit_test_setup_teardown(spf_passes_and_fails, start, stop),
        cmocka_unit_test_setup_teardown(more_answers_than_the_ring_holds_all_arrive, start, stop),
        cmocka_unit_test_setup(child_ends_with_the_connection, start),
        cmocka_unit_test_setup(child_ends_with_sigterm, start),
        cmocka_unit_test_setup(child_with_a_broken_channel_ends, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

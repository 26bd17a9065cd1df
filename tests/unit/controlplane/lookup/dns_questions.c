// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dns_questions.h"

#include "lookup_rig.h"
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TIMEOUT_MS = 400 };

struct scene {
    struct lookup_rig *rig;
    struct dns_questions *questions;
    uint64_t now_ms;
    unsigned wanted, answers;
    bool done; // as many answers as wanted
    struct message last;
};

static struct scene scene;
static struct lookup_dnsbl lists[] = {{.zone = "dnsbl.example", .weight = 3}};

static void on_answer(void *context, unsigned worker, const struct message *answer)
{
    struct scene *s = context;
    assert_true(message_is_sound(answer));
    s->last = *answer;
    s->answers++;
    s->done = s->answers >= s->wanted;
}

static int start(void **state)
{
    memset(&scene, 0, sizeof scene);
    scene.now_ms = 1000000;
    scene.rig = lookup_rig_open(TIMEOUT_MS);
    if (!scene.rig)
        return 1;
    struct dns_questions_config config = {
        scene.rig->resolver, TIMEOUT_MS, "mail.example.net", lists, 1, on_answer, &scene};
    assert_true(addr_pattern_parse("127.0.0.2", &lists[0].replies));
    dns_fake_add_addr(&scene.rig->dns, "1.2.0.192.dnsbl.example", "127.0.0.2");
    dns_fake_add_ptr(&scene.rig->dns, "192.0.2.1", "mx.example.org");
    dns_fake_add_addr(&scene.rig->dns, "mx.example.org", "192.0.2.1");
    dns_fake_add_txt(&scene.rig->dns, "good.example.org", "v=spf1 a:mx.example.org -all");
    return dns_questions_open(&scene.questions, &config) ? 1 : 0;
}

static int stop(void **state)
{
    dns_resolver_close(scene.rig->resolver);
    scene.rig->resolver = NULL;
    dns_questions_close(scene.questions);
    lookup_rig_close(scene.rig);
    return 0;
}

static struct message rdns(const char *addr)
{
    struct message m = message_make(MESSAGE_RDNS, STATUS_ASKED, 42);
    assert_true(addr_parse(addr, &m.rdns_question.addr));
    return m;
}

static struct message spf(const char *from)
{
    struct message m = message_make(MESSAGE_SPF, STATUS_ASKED, 43);
    assert_true(addr_parse("192.0.2.1", &m.spf_question.addr));
    assert_true(message_name_set(&m.spf_question.helo, span_text("mx.example.org")));
    m.spf_question.mail_from_size = (uint16_t)strlen(from);
    memcpy(m.spf_question.mail_from, from, strlen(from));
    return m;
}

static struct message dnsbl(const char *addr)
{
    struct message m = message_make(MESSAGE_DNSBL, STATUS_ASKED, 44);
    assert_true(addr_parse(addr, &m.dnsbl_question.addr));
    return m;
}

static struct message helo(const char *helo, const char *name)
{
    struct message m = message_make(MESSAGE_HELO, STATUS_ASKED, 45);
    assert_true(addr_parse("192.0.2.1", &m.helo_question.addr));
    assert_true(message_name_set(&m.helo_question.helo, span_text(helo)));
    assert_true(message_name_set(&m.helo_question.name, span_text(name)));
    return m;
}

static void take(struct message m)
{
    scene.wanted++;
    scene.done = scene.answers >= scene.wanted;
    dns_questions_take(scene.questions, 0, &m, scene.now_ms);
}

static const struct message *wait_all(void)
{
    assert_true(lookup_rig_run(scene.rig, &scene.done, 5000));
    assert_int_equal(scene.answers, scene.wanted);
    return &scene.last;
}

static void beyond_the_limit_it_is_unavailable_at_once(void **state)
{
    scene.rig->dns.manner = DNS_FAKE_SILENT;
    for (uint32_t i = 0; i < DNS_JOBS_MAX; i++) {
        struct message m = rdns("192.0.2.1");
        memcpy(m.rdns_question.addr.bytes, &i, sizeof i);
        take(m);
    }
    assert_int_equal(scene.answers, 0);
    take(rdns("192.0.2.2"));
    assert_int_equal(scene.answers, 1);
    assert_int_equal(scene.last.status, STATUS_UNAVAILABLE);
    assert_int_equal(dns_questions_counters(scene.questions)->refused, 1);
}

static void one_source_cannot_take_all_room(void **state)
{
    scene.rig->dns.manner = DNS_FAKE_SILENT;
    for (unsigned i = 0; i < DNS_SOURCE_JOBS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "h%u.example.org", i);
        take(helo(name, ""));
    }
    assert_int_equal(scene.answers, 0);
    take(rdns("192.0.2.1"));
    assert_int_equal(scene.answers, 1);
    assert_int_equal(scene.last.status, STATUS_UNAVAILABLE);
    take(rdns("192.0.2.2"));
    assert_int_equal(scene.answers, 1);
    dns_questions_expire(scene.questions, scene.now_ms + TIMEOUT_MS);
    scene.done = false;
    lookup_rig_run(scene.rig, &scene.done, TIMEOUT_MS + 200); // the look-ups end
    scene.rig->dns.manner = DNS_FAKE_HONEST;
    take(rdns("192.0.2.1"));
    assert_int_equal(wait_all()->rdns_answer.verdict, RDNS_CONFIRMED);
}

static void addresses_of_one_64_are_one_source(void **state)
{
    scene.rig->dns.manner = DNS_FAKE_SILENT;
    for (unsigned i = 0; i <= DNS_SOURCE_JOBS_MAX; i++) {
        char addr[32];
        snprintf(addr, sizeof addr, "2001:db8::%x", i + 1);
        take(rdns(addr));
    }
    assert_int_equal(scene.answers, 1);
    assert_int_equal(scene.last.status, STATUS_UNAVAILABLE);
}

static void question_past_its_time_is_answered_once(void **state)
{
    scene.rig->dns.manner = DNS_FAKE_SILENT;
    take(rdns("192.0.2.1"));
    assert_int_equal(dns_questions_timeout_ms(scene.questions, scene.now_ms), TIMEOUT_MS);
    dns_questions_expire(scene.questions, scene.now_ms + TIMEOUT_MS - 1);
    assert_int_equal(scene.answers, 0);
    dns_questions_expire(scene.questions, scene.now_ms + TIMEOUT_MS);
    assert_int_equal(scene.answers, 1);
    assert_int_equal(scene.last.rdns_answer.verdict, RDNS_TEMPERROR);
    scene.done = false;
    lookup_rig_run(scene.rig, &scene.done, TIMEOUT_MS + 200); // the look-up fails, too late
    assert_int_equal(scene.answers, 1);
}

static void list_past_its_time_counts_nothing(void **state)
{
    scene.rig->dns.manner = DNS_FAKE_SILENT;
    take(dnsbl("192.0.2.1"));
    take(helo("mx.example.org", ""));
    dns_questions_expire(scene.questions, scene.now_ms + TIMEOUT_MS);
    assert_int_equal(scene.answers, 2);
    assert_int_equal(scene.last.helo_answer.match, HELO_TEMPERROR);
    scene.rig->dns.manner = DNS_FAKE_HONEST;
    take(dnsbl("192.0.2.1")); // not remembered
    assert_int_equal(wait_all()->dnsbl_answer.score, 3);
}

static void names_and_lists_are_remembered(void **state)
{
    take(helo("mx.example.org", ""));
    assert_int_equal(wait_all()->helo_answer.match, HELO_FORWARD);
    take(dnsbl("192.0.2.1"));
    assert_int_equal(wait_all()->dnsbl_answer.score, 3);
    take(helo("mail.example.org", "mx.example.org"));
    assert_int_equal(wait_all()->helo_answer.match, HELO_ORGANISATION);
    take(helo("MX.example.org", "mx.EXAMPLE.org"));
    assert_int_equal(wait_all()->helo_answer.match, HELO_EQUAL);
    unsigned queries = scene.rig->dns.queries;
    take(helo("MX.example.ORG", ""));
    take(dnsbl("192.0.2.1"));
    assert_int_equal(wait_all()->dnsbl_answer.score, 3);
    assert_int_equal(scene.rig->dns.queries, queries);
    assert_int_equal(dns_questions_counters(scene.questions)->from_cache, 2);
}

static void sender_policy_past_its_time_is_a_temporary_error(void **state)
{
    scene.rig->dns.manner = DNS_FAKE_SILENT;
    take(spf("a@good.example.org"));
    dns_questions_expire(scene.questions, scene.now_ms + TIMEOUT_MS);
    assert_int_equal(scene.answers, 1);
    assert_int_equal(scene.last.status, STATUS_OK);
    assert_int_equal(scene.last.spf_answer.result, SPF_TEMPERROR);
}

static void no_verdict_is_not_remembered(void **state)
{
    scene.rig->dns.manner = DNS_FAKE_SERVFAIL;
    take(rdns("192.0.2.1"));
    assert_int_equal(wait_all()->rdns_answer.verdict, RDNS_TEMPERROR);
    assert_int_equal(scene.last.keep_s, 0);
    take(spf("a@good.example.org"));
    assert_int_equal(wait_all()->spf_answer.result, SPF_TEMPERROR);
    assert_int_equal(scene.last.keep_s, 0);
    scene.rig->dns.manner = DNS_FAKE_HONEST;
    take(rdns("192.0.2.1"));
    assert_int_equal(wait_all()->rdns_answer.verdict, RDNS_CONFIRMED);
    take(spf("a@good.example.org"));
    assert_int_equal(wait_all()->spf_answer.result, SPF_PASS);
}

static void pending_questions_survive_the_resolvers_end(void **state)
{
    scene.rig->dns.manner = DNS_FAKE_SILENT;
    take(rdns("192.0.2.1"));
    take(spf("a@good.example.org")); // stop, after this, must find no job left
}

static void equal_questions_are_asked_once_and_answered_each(void **state)
{
    for (int i = 0; i < 50; i++) {
        take(rdns("192.0.2.1"));
        take(spf(i % 2 ? "a@good.example.org" : "A@GOOD.example.org"));
    }
    wait_all();
    assert_int_equal(scene.rig->dns.queries, 3); // PTR, TXT, and A for both
    assert_int_equal(dns_questions_counters(scene.questions)->joined, 98);
}

static void answer_is_remembered_for_its_time(void **state)
{
    take(rdns("192.0.2.1"));
    assert_int_equal(wait_all()->keep_s, 300);
    const struct dns_questions_counters *counters = dns_questions_counters(scene.questions);
    scene.now_ms += 299 * 1000;
    take(rdns("192.0.2.1"));
    assert_int_equal(wait_all()->rdns_answer.verdict, RDNS_CONFIRMED);
    assert_int_equal(counters->from_cache, 1);
    assert_int_equal(scene.last.keep_s, 1);
    scene.now_ms += 2 * 1000;
    take(rdns("192.0.2.1"));
    wait_all();
    assert_int_equal(counters->from_cache, 1);
}

static void new_verdict_from_known_records_asks_nobody(void **state)
{
    take(spf("a@good.example.org"));
    wait_all();
    unsigned queries = scene.rig->dns.queries;
    take(spf("b@good.example.org"));
    assert_int_equal(wait_all()->spf_answer.result, SPF_PASS);
    struct message other = spf("a@good.example.org");
    other.spf_question.addr.bytes[15]++;
    take(other);
    assert_int_equal(wait_all()->spf_answer.result, SPF_FAIL);
    take(helo("mx.example.org", ""));
    assert_int_equal(wait_all()->helo_answer.match, HELO_FORWARD);
    assert_int_equal(scene.rig->dns.queries, queries);
    assert_int_equal(dns_questions_counters(scene.questions)->from_cache, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(beyond_the_limit_it_is_unavailable_at_once, start, stop),
        cmocka_unit_test_setup_teardown(one_source_cannot_take_all_room, start, stop),
        cmocka_unit_test_setup_teardown(addresses_of_one_64_are_one_source, start, stop),
        cmocka_unit_test_setup_teardown(list_past_its_time_counts_nothing, start, stop),
        cmocka_unit_test_setup_teardown(names_and_lists_are_remembered, start, stop),
        cmocka_unit_test_setup_teardown(question_past_its_time_is_answered_once, start, stop),
        cmocka_unit_test_setup_teardown(sender_policy_past_its_time_is_a_temporary_error, start,
                                        stop),
        cmocka_unit_test_setup_teardown(no_verdict_is_not_remembered, start, stop),
        cmocka_unit_test_setup_teardown(pending_questions_survive_the_resolvers_end, start, stop),
        cmocka_unit_test_setup_teardown(equal_questions_are_asked_once_and_answered_each, start,
                                        stop),
        cmocka_unit_test_setup_teardown(answer_is_remembered_for_its_time, start, stop),
        cmocka_unit_test_setup_teardown(new_verdict_from_known_records_asks_nobody, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

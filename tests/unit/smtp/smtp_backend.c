// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_backend.h"

#include "smtp/smtp.h"
#include "smtp_plays.h"

#include <stdio.h>

#define TO_ALICE SENDER "C:RCPT TO:<alice@example.net>\n"

#define DOWN "S:451 4.3.2 Mail server not available, try later\nE:counted mail_backend_down\n"
#define LOST "S:451 4.4.2 Mail server lost, try again\nE:counted mail_backend_lost\n"
#define BAD  "S:451 4.3.0 Mail server not usable, try later\nE:counted mail_backend_bad\n"

#define PIPELINED                                                                                  \
    TO_ALICE CONNECT "B:250-postfix\n"                                                             \
                     "B:250 PIPELINING\n"                                                          \
                     "P:MAIL FROM:<joe@good.example.org>\n"                                        \
                     "P:RCPT TO:<alice@example.net>\n"

static void play_to_mail(const char *way, const char *event, const char *reply)
{
    char script[8192];
    snprintf(script, sizeof script, TO_ALICE "%s%s%sE:disconnected\nE:state mail\n" QUIT, way,
             event, reply);
    smtp_play("smtp", script);
}

// What may go wrong at each step, and what the client is told. Every time the connection is given
// up, and a later recipient may try again.
static void a_backend_may_fail_at_every_step(void **unused)
{
    static const char *const ways[] = {
        "E:connect\n",
        CONNECT,
        CONNECT "B:250-postfix\n" XCLIENT_OFFER "B:250 8BITMIME\nP:XCLIENT *\n",
        CONNECT "B:250-postfix\n" XCLIENT_OFFER "B:250 8BITMIME\nP:XCLIENT *\nB:220 hello\n"
                "P:EHLO client.example\n",
        CONNECT IDENTITY "P:MAIL FROM:<joe@good.example.org>\n",
        CONNECT IDENTITY BACKEND_MAIL "P:RCPT TO:<alice@example.net>\n",
    };
    static const struct {
        const char *event, *reply;
    } failures[] = {
        {"E:close\n", LOST},
        {"E:timeout\n", LOST},
        {"B:garbage\n", BAD},
        {"B:\n", BAD},
        {"B:25\n", BAD},
        {"B:250x\n", BAD},
        {"B:199 early\n", BAD},
        {"B:600 late\n", BAD},
        {"B:354 go ahead\n", BAD},
        {"B:550-one\nB:551 two\n", BAD},
        {"RB:220 bare\\n\n", BAD},
        {"RB:220 nul\\0\\r\\n\n", BAD},
        {"RB:220 bare\\rcr\\r\\n\n", BAD},
    };
    play_to_mail("E:connecting 0\n", "E:fail\n", DOWN);
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++)
        for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
            bool opening = way < 2 && strcmp(failures[i].event, "E:timeout\n") != 0;
            play_to_mail(ways[way], failures[i].event, opening ? DOWN : failures[i].reply);
        }
}

static void a_backend_that_does_not_want_us_is_not_the_clients_fault(void **unused)
{
    play_to_mail("E:connect\n", "B:554 5.7.1 Go away\n", DOWN);
    play_to_mail("E:connect\n", "B:421 4.3.2 Busy\n", DOWN);
    play_to_mail(CONNECT, "B:502 5.5.1 No EHLO here\n", DOWN);
    play_to_mail(CONNECT "B:250-x\n" XCLIENT_OFFER "B:250 x\nP:XCLIENT *\n",
                 "B:501 5.5.4 Bad attribute\n", BAD);
}

static void refusals_of_the_client_are_passed_on(void **unused)
{
    play_to_mail(CONNECT "B:250-x\n" XCLIENT_OFFER "B:250 x\nP:XCLIENT *\n",
                 "B:554 5.7.1 Client blocked\n", "S:554 5.7.1 Client blocked\n");
    play_to_mail(CONNECT "B:250-x\n" XCLIENT_OFFER "B:250 x\nP:XCLIENT *\nB:220 hello\n"
                         "P:EHLO client.example\n",
                 "B:501 No such name\n", "S:501 No such name\n");
    smtp_play("smtp",
              TO_ALICE CONNECT IDENTITY "P:MAIL FROM:<joe@good.example.org>\n"
                                        "B:550 5.1.8 No such sender domain\n"
                                        "S:550 5.1.8 No such sender domain\n"
                                        "E:state mail\n"
                                        "C:RCPT TO:<alice@example.net>\n" BACKEND_MAIL ALICE);
    smtp_play("smtp", TO_ALICE CONNECT IDENTITY BACKEND_MAIL "P:RCPT TO:<alice@example.net>\n"
                                                             "B:450-4.2.0 Greylisted\n"
                                                             "B:450-4.2.0 Come\n"
                                                             "B:450 4.2.0 again\n"
                                                             "S:450-4.2.0 Greylisted\n"
                                                             "S:450-4.2.0 Come\n"
                                                             "S:450 4.2.0 again\n");
}

static void a_closing_backend_is_a_lost_one_for_the_client(void **unused)
{
    play_to_mail(CONNECT IDENTITY "P:MAIL FROM:<joe@good.example.org>\n", "B:421 4.3.2 Bye\n",
                 LOST);
    play_to_mail(CONNECT IDENTITY BACKEND_MAIL "P:RCPT TO:<alice@example.net>\n",
                 "B:421 4.3.2 Bye\n", LOST);
}

// The recipient's reply still comes: it must not be taken for another's.
static void a_sender_refused_by_a_pipelining_backend_ends_the_connection(void **unused)
{
    smtp_play("smtp",
              PIPELINED "B:550 5.1.8 No such sender domain\n"
                        "S:550 5.1.8 No such sender domain\n"
                        "E:disconnected\n"
                        "E:state mail\n"
                        "C:RCPT TO:<alice@example.net>\n" CONNECT IDENTITY BACKEND_MAIL ALICE);
    smtp_play("smtp", PIPELINED "B:421 4.3.2 Bye\n" LOST "E:disconnected\nE:state mail\n");
    smtp_play("smtp", PIPELINED "B:354 go ahead\n" BAD "E:disconnected\nE:state mail\n");
}

static void the_recipient_goes_with_the_sender_where_the_backend_pipelines(void **unused)
{
    smtp_play("smtp", PIPELINED "B:250 2.1.0 Ok\n"
                                "B:550 5.1.1 No such user\n"
                                "S:550 5.1.1 No such user\n"
                                "E:state mail\n"
                                "C:RCPT TO:<alice@example.net>\n" ALICE);
    smtp_play("smtp", PIPELINED "B:250 2.1.0 Ok\n"
                                "B:250 2.1.5 Ok\n"
                                "S:250 2.1.5 Ok\n"
                                "E:state rcpt\n"
                                "C:RCPT TO:<alice@example.net>\n" ALICE);
}

static void odd_bytes_in_replies_are_blunted(void **unused)
{
    smtp_play("smtp", TO_ALICE CONNECT IDENTITY BACKEND_MAIL "P:RCPT TO:<alice@example.net>\n"
                                                             "B:550 5.1.1 \\x1b[2J\\xe9\\x7f\n"
                                                             "S:550 5.1.1 ?[2J??\n");
}

static void replies_have_limits(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", TO_ALICE CONNECT IDENTITY BACKEND_MAIL
                                                 "P:RCPT TO:<alice@example.net>\n");
    for (int i = 0; i < SMTP_REPLY_LINES - 1; i++)
        mail_host_fake_backend(fake, "550-5.1.1 one more line of a long explanation\r\n");
    mail_host_fake_backend(fake, "550 5.1.1 and the last\r\n");
    struct span got = mail_host_fake_sent_span(fake, SIDE_CLIENT);
    assert_in_range(got.size, 300, SMTP_REPLY_KEEP);
    struct span tail = span_text("\r\n550 reply cut\r\n");
    assert_true(span_equal(span_skip(got, got.size - tail.size), tail));
    mail_host_fake_close(fake);

    fake = smtp_play_open("smtp",
                          TO_ALICE CONNECT IDENTITY BACKEND_MAIL "P:RCPT TO:<alice@example.net>\n");
    for (int i = 0; i <= SMTP_REPLY_LINES && fake->connected; i++)
        mail_host_fake_backend(fake, "550-5.1.1 one more line of a long explanation\r\n");
    mail_script_play(fake, BAD "E:disconnected\n");
    mail_host_fake_close(fake);
}

static void parameters_go_where_they_are_offered(void **unused)
{
    const char *all = "C:MAIL FROM:<j\\xc3\\xa9@good.example.org> SIZE=100 BODY=8BITMIME SMTPUTF8 "
                      "AUTH=<>\nE:spf pass\nS:250 2.1.0 Ok\nC:RCPT TO:<alice@example.net>\n";
    char script[4096];
    snprintf(script, sizeof script,
             HELLO "%s" CONNECT IDENTITY
                   "P:MAIL FROM:<j\xc3\xa9@good.example.org> SIZE=100 BODY=8BITMIME SMTPUTF8\n",
             all);
    smtp_play("smtp", script);
    snprintf(script, sizeof script,
             HELLO "%s" CONNECT "B:250 plain\n"
                   "S:550 5.6.7 SMTPUTF8 not supported for this domain\n"
                   "E:state mail\n",
             all);
    smtp_play("smtp", script);
    smtp_play("smtp",
              HELLO "C:MAIL FROM:<joe@good.example.org> SIZE=100 BODY=8BITMIME\n"
                    "E:spf pass\n"
                    "S:250 2.1.0 Ok\n"
                    "C:RCPT TO:<alice@example.net>\n" CONNECT "B:250 plain\n" BACKEND_MAIL ALICE);
}

static struct mail_host_fake *with_offer(uint16_t bits, uint64_t size)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->offer = (struct mail_offer){.known = true, .bits = bits, .size = size};
    mail_host_fake_start(fake);
    mail_script_play(fake, "E:rdns confirmed client.example\nS:220 mail.example.net ESMTP\n");
    mail_host_fake_client(fake, "EHLO client.example\r\n");
    return fake;
}

static void the_offer_is_the_backends_and_what_is_ours_alone(void **unused)
{
    struct mail_host_fake *fake = with_offer(0, 0);
    mail_script_play(fake, "S:250-mail.example.net\nS:250-PIPELINING\nS:250-SIZE 52428800\n"
                           "S:250-STARTTLS\nS:250-CHUNKING\nS:250 ENHANCEDSTATUSCODES\n");
    mail_host_fake_close(fake);
    fake = with_offer(OFFER_8BITMIME | OFFER_SMTPUTF8 | OFFER_DSN, 1000000);
    mail_script_play(fake, "S:250-mail.example.net\nS:250-PIPELINING\nS:250-SIZE 1000000\n"
                           "S:250-8BITMIME\nS:250-STARTTLS\nS:250-SMTPUTF8\nS:250-DSN\n"
                           "S:250-CHUNKING\nS:250 ENHANCEDSTATUSCODES\n");
    mail_host_fake_close(fake);
}

static void delivery_reports_are_asked_of_a_backend_that_has_them(void **unused)
{
    static const char *const ends[] = {
        "B:250 DSN\nP:MAIL FROM:<joe@good.example.org> RET=HDRS ENVID=q+2B1\nB:250 ok\n"
        "P:RCPT TO:<alice@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;al@x\n",
        "B:250 none\nP:MAIL FROM:<joe@good.example.org>\nB:250 ok\n"
        "P:RCPT TO:<alice@example.net>\n",
    };
    for (int i = 0; i < 2; i++) {
        struct mail_host_fake *fake = with_offer(OFFER_DSN, 0);
        mail_host_fake_forget(fake);
        mail_script_play(fake,
                         "C:MAIL FROM:<joe@good.example.org> RET=HDRS ENVID=q+2B1\nE:spf pass\n"
                         "S:250 2.1.0 Ok\n"
                         "C:RCPT TO:<alice@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;al@x\n"
                         "E:connect\nB:220 postfix\nP:EHLO mail.example.net\nB:250-postfix\n");
        mail_script_play(fake, ends[i]);
        mail_host_fake_close(fake);
    }
}

static void what_was_not_offered_is_a_parameter_unknown(void **unused)
{
    smtp_play("smtp", HELLO "C:MAIL FROM:<joe@good.example.org> RET=HDRS\n"
                            "S:555 5.5.4 Parameter not known\n");
    smtp_play("smtp", SENDER "C:RCPT TO:<alice@example.net> NOTIFY=NEVER\n"
                             "S:555 5.5.4 Parameter not known\n");
}

static void an_unfaithful_idle_connection_is_replaced(void **unused)
{
    smtp_play("smtp", MAIL_TAKEN "E:close\n" MAIL "C:RCPT TO:<alice@example.net>\n" CONNECT);
    smtp_play("smtp", MAIL_TAKEN "B:421 4.4.2 Timeout\n"
                                 "E:disconnected\n" MAIL "C:RCPT TO:<alice@example.net>\n" CONNECT);
}

static void a_backend_that_needs_no_identity_is_told_none(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->policy.policy.backends[0].identity = IDENTITY_NONE;
    mail_host_fake_start(fake);
    mail_script_play(fake, TO_ALICE CONNECT "B:250-postfix\n" XCLIENT_OFFER
                                            "B:250 8BITMIME\n" BACKEND_MAIL ALICE);
    mail_host_fake_close(fake);
}

// An open relay was seen where a connection that carried one client's login served another. Here a
// connection belongs to one session, and one that authenticated anew would have to be greeted anew.
static void a_login_reaches_only_a_connection_of_its_own(void **unused)
{
    smtp_play("submissions", LOGGED_IN
              "C:MAIL FROM:<alice@example.net>\n"
              "S:250 2.1.0 Ok\n"
              "C:RCPT TO:<x@elsewhere.example>\n" CONNECT "B:250-x\n" XCLIENT_OFFER "B:250 x\n"
              "P:XCLIENT NAME=[UNAVAILABLE] PORT=40000 PROTO=ESMTP HELO=client.example "
              "DESTADDR=198.51.100.1 DESTPORT=465 ADDR=198.51.100.10 "
              "LOGIN=alice@example.net\n"
              "B:220 x\n"
              "P:EHLO client.example\n"
              "B:250 x\n"
              "P:MAIL FROM:<alice@example.net>\n"
              "B:250 2.1.0 Ok\n"
              "P:RCPT TO:<x@elsewhere.example>\n"
              "B:250 2.1.5 Ok\n"
              "S:250 2.1.5 Ok\n"
              "C:EHLO other.example\n"
              "P:QUIT\n"
              "E:disconnected\n" OFFERS_HEAD OFFERS_TAIL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backend_may_fail_at_every_step),
        cmocka_unit_test(a_backend_that_does_not_want_us_is_not_the_clients_fault),
        cmocka_unit_test(refusals_of_the_client_are_passed_on),
        cmocka_unit_test(a_closing_backend_is_a_lost_one_for_the_client),
        cmocka_unit_test(a_sender_refused_by_a_pipelining_backend_ends_the_connection),
        cmocka_unit_test(the_recipient_goes_with_the_sender_where_the_backend_pipelines),
        cmocka_unit_test(odd_bytes_in_replies_are_blunted),
        cmocka_unit_test(replies_have_limits),
        cmocka_unit_test(parameters_go_where_they_are_offered),
        cmocka_unit_test(the_offer_is_the_backends_and_what_is_ours_alone),
        cmocka_unit_test(delivery_reports_are_asked_of_a_backend_that_has_them),
        cmocka_unit_test(what_was_not_offered_is_a_parameter_unknown),
        cmocka_unit_test(an_unfaithful_idle_connection_is_replaced),
        cmocka_unit_test(a_backend_that_needs_no_identity_is_told_none),
        cmocka_unit_test(a_login_reaches_only_a_connection_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

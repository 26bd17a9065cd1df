// SPDX-License-Identifier: BSD-3-Clause
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

int play_setup(void **state)
{
    *state = rig_open();
    return 0;
}

int play_teardown(void **state)
{
    rig_close(*state);
    return 0;
}

void play_answer_rdns(struct rig *rig)
{
    const struct message *question = rig_asked(rig, MESSAGE_RDNS);
    assert_non_null(question);
    struct message answer = message_make(MESSAGE_RDNS, STATUS_OK, question->handle);
    answer.rdns_answer.verdict = RDNS_CONFIRMED;
    assert_true(message_name_set(&answer.rdns_answer.name, span_text("client.example.org")));
    rig_answer(rig, &answer);
}

void play_answer_spf(struct rig *rig)
{
    const struct message *question = rig_asked(rig, MESSAGE_SPF);
    assert_non_null(question);
    struct message answer = message_make(MESSAGE_SPF, STATUS_OK, question->handle);
    answer.spf_answer.result = SPF_PASS;
    rig_answer(rig, &answer);
}

struct rig_peer *play_client_after_mail(struct rig *rig)
{
    struct rig_peer *client = rig_connect(rig, 25);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 mail.example.net");
    rig_say(rig, client, "EHLO client.example.org\r\n");
    rig_expect(rig, client, "250 ");
    rig_say(rig, client, "MAIL FROM:<a@example.org>\r\n");
    rig_run(rig, 5000);
    play_answer_spf(rig);
    rig_expect(rig, client, "250 ");
    return client;
}

struct rig_peer *play_backend_after_rcpt(struct rig *rig, struct rig_peer *client, unsigned n)
{
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    rig_run(rig, 10000);
    struct rig_peer *backend = rig_backend(rig, n);
    assert_non_null(backend);
    rig_say(rig, backend, "220 backend ESMTP\r\n");
    rig_expect(rig, backend, "EHLO ");
    rig_say(rig, backend, "250-backend\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
    rig_expect(rig, backend, "MAIL FROM:<a@example.org>");
    rig_say(rig, backend, "250 2.1.0 Ok\r\n");
    rig_expect(rig, backend, "RCPT TO:<alice@example.net>");
    rig_say(rig, backend, "250 2.1.5 Ok\r\n");
    rig_expect(rig, client, "250 ");
    return backend;
}

void play_into_data(struct rig *rig, struct rig_peer *client, struct rig_peer *backend)
{
    rig_say(rig, client, "DATA\r\n");
    rig_expect(rig, backend, "DATA\r\n");
    rig_say(rig, backend, "354 go on\r\n");
    rig_expect(rig, client, "354 ");
}

// SPDX-License-Identifier: BSD-3-Clause

/* smtp.proxy: mails a second through the shield's own stations (guard, tcp, session, rules, smtp)
 * on one core, in plaintext: each session is one mail of 4 KB from a client to a backend, every
 * command answered before the next. The first figure is of the shield's time alone, the second of
 * all on the one core.
 *
 * Usage: bench_smtp_proxy [--smoke]
 */

#include "mail_rig.h"
#include "tcp_pair.h"

enum { MAIL_BYTES = 4096, MAILS = 200000, MAILS_SMOKE = 1000 };

static const char *const commands[] = {
    "EHLO client.example\r\n",
    "MAIL FROM:<joe@good.example.org>\r\n",
    "RCPT TO:<alice@example.net>\r\n",
    "DATA\r\n",
    NULL, // the mail
    "QUIT\r\n",
};
static const char expected[] = "2222322"; // first digits of greeting and replies
enum { COMMANDS = sizeof commands / sizeof commands[0], REPLY_TO_MAIL = 5 };

static uint64_t mails;
static char mail[MAIL_BYTES + 8];

static void client_line(struct mail_rig *rig, struct mail_rig_peer *client, const char *line)
{
    if (line[3] == '-')
        return;
    CHECK(client->step < sizeof expected - 1 && line[0] == expected[client->step]);
    mails += client->step == REPLY_TO_MAIL;
    if (client->step < COMMANDS) {
        const char *command = commands[client->step];
        mail_rig_say(rig, client, span_text(command ? command : mail));
    } else {
        client->leaving = true; // the shield hangs up
    }
    client->step++;
}

static void backend_line(struct mail_rig *rig, struct mail_rig_peer *backend, const char *line)
{
    switch (line[0]) {
    case 'E':
        mail_rig_say(rig, backend,
                     span_text("250-backend\r\n250-PIPELINING\r\n250-SIZE\r\n250 8BITMIME\r\n"));
        return;
    case 'D':
        backend->raw = true;
        backend->step = 2; // of CR LF . CR LF seen
        mail_rig_say(rig, backend, span_text("354 go ahead\r\n"));
        return;
    case 'Q':
        return;
    default:
        mail_rig_say(rig, backend, span_text("250 2.0.0 Ok\r\n"));
    }
}

// Bytes of the message up to its end.
static size_t backend_message(struct mail_rig *rig, struct mail_rig_peer *backend, struct span text)
{
    static const char end[] = "\r\n.\r\n";
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == (uint8_t)end[backend->step])
            backend->step++;
        else
            backend->step = text.at[i] == '\r';
        if (backend->step == sizeof end - 1) {
            backend->raw = false;
            mail_rig_say(rig, backend, span_text("250 2.0.0 Ok: queued\r\n"));
            return i + 1;
        }
    }
    return text.size;
}

static void answer(const struct message *question, struct message *answer)
{
    if (question->kind == MESSAGE_RDNS) {
        answer->rdns_answer.verdict = RDNS_CONFIRMED;
        CHECK(message_name_set(&answer->rdns_answer.name, span_text("client.example")));
    } else {
        answer->spf_answer.result = SPF_PASS;
    }
}

static void mail_make(void)
{
    size_t size = (size_t)snprintf(mail, MAIL_BYTES,
                                   "From: joe@good.example.org\r\n"
                                   "To: alice@example.net\r\n"
                                   "Subject: bench\r\n\r\n");
    while (size < MAIL_BYTES - 1) {
        bool end_of_line = size % 72 == 70;
        mail[size++] = end_of_line ? '\r' : 'x';
        if (end_of_line)
            mail[size++] = '\n';
    }
    snprintf(mail + size - 2, 8, "\r\n.\r\n");
}

int main(int argc, char **argv)
{
    bool is_smoke = tcp_pair_main(argc, argv);
    const struct mail_rig_play play = {.protocol = PROTOCOL_SMTP,
                                       .greeting = "220 backend ESMTP\r\n",
                                       .client = client_line,
                                       .backend = backend_line,
                                       .raw = backend_message,
                                       .answer = answer};
    uint64_t count = is_smoke ? MAILS_SMOKE : MAILS;
    mail_make();
    struct mail_rig *rig = mail_rig_open(&play);
    uint64_t start_ns = tcp_pair_clock_ns();
    uint64_t shield_ns = mail_rig_run(rig, count);
    uint64_t all_ns = tcp_pair_clock_ns() - start_ns;
    CHECK(mails == count);
    mail_rig_shut(rig);
    tcp_pair_report("smtp.proxy", "ipv4 4 KB plaintext", (double)count * 1e9 / (double)shield_ns,
                    "mails/s");
    tcp_pair_report("smtp.proxy", "ipv4 4 KB plaintext, client and backend on the same core",
                    (double)count * 1e9 / (double)all_ns, "mails/s");
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
/* A whole SMTP session: the first byte chooses the service, its highest bit a client that need not
 * keep to CR LF; then events, each behind a 0xff: a letter and its bytes. What the fake host does
 * not allow at that moment is left out.
 *
 *   C bytes, B bytes   input from the client, from the backend
 *   c f x              the backend is connected, cannot be, closes
 *   r s a with 0..9    answers to the questions, u: unavailable
 *   t e w              TLS is up, the client closes, the deadline strikes
 *   m with a byte      room that each call gets from now on, towards the backend
 */
#include "contract/mechanism.h"
#include "fuzz/fuzz.h"
#include "support/mail_host_fake.h"

static void answer(struct mail_host_fake *fake, enum message_kind kind, uint8_t choice)
{
    if (!fake->pending[kind])
        return;
    if (choice == 'u') {
        mail_host_fake_unavailable(fake, kind);
    } else if (kind == MESSAGE_RDNS) {
        mail_host_fake_answer_rdns(fake, (enum rdns_verdict)(choice % RDNS_VERDICT_COUNT),
                                   "client.example");
    } else if (kind == MESSAGE_SPF) {
        mail_host_fake_answer_spf(fake, (enum spf_result)(choice % SPF_RESULT_COUNT));
    } else if (kind == MESSAGE_SASL) {
        mail_host_fake_answer_sasl(fake, (enum auth_verdict)(choice % AUTH_VERDICT_COUNT),
                                   "alice@example.net", choice & 4 ? "challenge" : "");
    } else {
        mail_host_fake_answer_auth(fake, (enum auth_verdict)(choice % AUTH_VERDICT_COUNT),
                                   "alice@example.net");
    }
}

static void play(struct mail_host_fake *fake, uint8_t event, struct span bytes)
{
    uint8_t choice = bytes.size ? bytes.at[0] : 0;
    switch (event) {
    case 'C':
        // More than the machine wants to read waits in TCP.
        bytes = span_head(bytes, INPUT_BUFFER_SIZE - fake->pipes[SIDE_CLIENT].in_size);
        mail_host_fake_input(fake, SIDE_CLIENT, bytes);
        break;
    case 'B':
        bytes = span_head(bytes, INPUT_BUFFER_SIZE - fake->pipes[SIDE_BACKEND].in_size);
        if (fake->connected)
            mail_host_fake_input(fake, SIDE_BACKEND, bytes);
        break;
    case 'c':
    case 'f':
        if (fake->connecting)
            mail_host_fake_event(fake, event == 'c' ? BACKEND_CONNECTED : BACKEND_FAILED);
        break;
    case 'x':
        if (fake->connected)
            mail_host_fake_event(fake, BACKEND_CLOSED);
        break;
    case 'r':
        answer(fake, MESSAGE_RDNS, choice);
        break;
    case 's':
        answer(fake, MESSAGE_SPF, choice);
        break;
    case 'a':
        answer(fake, MESSAGE_AUTH, choice);
        answer(fake, MESSAGE_SASL, choice);
        break;
    case 't':
        if (fake->tls_wanted)
            mail_host_fake_tls(fake);
        break;
    case 'e':
        if (fake->pipes[SIDE_CLIENT].in_size == 0 && !fake->tls_wanted)
            mail_host_fake_client_eof(fake);
        break;
    case 'w':
        if (fake->deadline_us != UINT64_MAX)
            mail_host_fake_wait(fake, fake->deadline_us - fake->now_us);
        break;
    case 'm':
        fake->pipes[SIDE_BACKEND].room_call = LINE_BYTES_MAX + REPLY_MAX + choice * 64u;
        break;
    default:
        break;
    }
}

static bool next_line(struct span *text, struct span *ret_line)
{
    const uint8_t *end = text->size ? memmem(text->at, text->size, "\r\n", 2) : NULL;
    if (!end)
        return false;
    *ret_line = span_head(*text, (size_t)(end - text->at));
    *text = span_skip(*text, ret_line->size + 2);
    return true;
}

// Our replies are whole lines that start with a code, and the client reads nothing else.
static void check_client(struct span sent)
{
    struct span line;
    while (next_line(&sent, &line)) {
        CHECK(line.size >= 3 && line.at[0] >= '2' && line.at[0] <= '5');
        for (size_t i = 0; i < line.size; i++)
            CHECK(line.at[i] >= 0x20 && line.at[i] < 0x7f);
    }
    CHECK(sent.size == 0);
}

static bool ends_with(struct span s, const char *tail)
{
    struct span end = span_text(tail);
    return s.size >= end.size && span_equal_nocase(span_skip(s, s.size - end.size), end);
}

// Never a relay: what a stranger's session asks of a backend is for our domains, and routes
// nowhere.
static void check_recipient(struct span line)
{
    CHECK(ends_with(line, "@example.net>") || ends_with(line, "@example.org>") ||
          ends_with(line, "TO:<postmaster>"));
    CHECK(span_find(line, '%') == line.size && span_find(line, '!') == line.size);
    size_t at = span_find(line, '@');
    CHECK(at == line.size || span_find(span_skip(line, at + 1), '@') + at + 1 == line.size);
}

static void check_backend(struct span sent)
{
    struct span line;
    while (next_line(&sent, &line)) {
        if (span_equal(line, span_text("DATA")))
            return; // the rest may be message
        if (span_starts_nocase(line, span_text("RCPT TO:")))
            check_recipient(line);
    }
    CHECK(sent.size == 0);
}

static bool is_streaming(const struct mail_host_fake *fake)
{
    return strncmp(fake->host.state, "data", 4) == 0 || strncmp(fake->host.state, "chunk", 5) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const services[] = {"smtp", "submission", "submissions"};
    if (size == 0)
        return 0;
    unsigned service = data[0] % 3;
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, services[service]);
    fake->policy.policy.lenient_networks.count = data[0] >> 7;
    struct span left = span_of(data + 1, size - 1);
    fake->mechanisms = MECHANISMS_SCRAM | MECHANISMS_TOKEN;
    mail_host_fake_start(fake);
    check_client(mail_host_fake_sent_span(fake, SIDE_CLIENT));
    while (left.size && !fake->finished) {
        size_t end = span_find(left, 0xff);
        struct span event = span_head(left, end);
        bool streaming = is_streaming(fake);
        if (event.size)
            play(fake, event.at[0], span_skip(event, 1));
        check_client(mail_host_fake_sent_span(fake, SIDE_CLIENT));
        struct span sent = mail_host_fake_sent_span(fake, SIDE_BACKEND);
        if (service == 0 && !streaming)
            check_backend(sent);
        mail_host_fake_forget(fake);
        left = span_skip(left, end + 1);
    }
    CHECK(fake->host.report.mails == 0 || fake->host.report.recipients > 0);
    mail_host_fake_close(fake);
    return 0;
}

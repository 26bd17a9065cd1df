// SPDX-License-Identifier: BSD-3-Clause
#include "support/mail_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SCRIPT_LINE_MAX = INPUT_BUFFER_SIZE };

static size_t unescape(struct span text, uint8_t *out)
{
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        if (c == '\\' && i + 1 < text.size) {
            c = text.at[++i];
            if (c == 'x') {
                char hex[3] = {(char)text.at[i + 1], (char)text.at[i + 2], 0};
                c = (uint8_t)strtoul(hex, NULL, 16);
                i += 2;
            } else {
                c = c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
            }
        }
        out[used++] = c;
    }
    return used;
}

// The next line that the machine sent and the script has not seen.
static struct span next_line(struct fake_pipe *pipe)
{
    struct span left = span_of(pipe->out + pipe->out_told, pipe->out_size - pipe->out_told);
    const uint8_t *end = left.size ? memmem(left.at, left.size, "\r\n", 2) : NULL;
    size_t size = end ? (size_t)(end - left.at) : left.size;
    pipe->out_told += end ? size + 2 : size;
    return span_head(left, size);
}

static void expect(struct mail_host_fake *fake, enum mail_side side, struct span want)
{
    struct fake_pipe *pipe = &fake->pipes[side];
    const char *name = side == SIDE_CLIENT ? "client" : "backend";
    bool prefix = want.size && want.at[want.size - 1] == '*';
    if (prefix)
        want.size--;
    if (pipe->out_told == pipe->out_size)
        fail_msg("nothing was sent to the %s, state %s, wanted: %.*s", name, fake->host.state,
                 (int)want.size, (const char *)want.at);
    struct span got = next_line(pipe);
    if (!span_equal(prefix ? span_head(got, want.size) : got, want))
        fail_msg("sent to the %s: %.*s\n   wanted: %.*s", name, (int)got.size, (const char *)got.at,
                 (int)want.size, (const char *)want.at);
}

static void say(struct mail_host_fake *fake, enum mail_side side, struct span text, bool line)
{
    uint8_t bytes[SCRIPT_LINE_MAX + 2];
    assert_true(text.size <= SCRIPT_LINE_MAX);
    size_t size = unescape(text, bytes);
    if (line) {
        bytes[size++] = '\r';
        bytes[size++] = '\n';
    }
    if (side == SIDE_BACKEND)
        assert_true(fake->connected);
    mail_host_fake_input(fake, side, span_of(bytes, size));
}

static const char *const rdns_words[] = {"none", "unconfirmed", "confirmed", "temperror"};
static const char *const helo_words[] = {"equal", "organisation", "forward", "mismatch",
                                         "temperror"};
static const char *const spf_words[] = {"none",     "neutral",   "pass",     "fail",
                                        "softfail", "temperror", "permerror"};
static const char *const auth_words[] = {"wrong", "right", "throttled"};

static unsigned word_index(const char *word, const char *const *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    fail_msg("unknown word in a script: %s", word);
    return 0;
}

static enum reason reason_of(const char *name)
{
    for (int i = 0; i < REASON_COUNT; i++)
        if (strcasecmp(name, reason_name((enum reason)i)) == 0)
            return (enum reason)i;
    fail_msg("unknown reason in a script: %s", name);
    return REASON_NONE;
}

static void answer(struct mail_host_fake *fake, const char *what, const char *first,
                   const char *second)
{
    if (strcmp(what, "rdns") == 0)
        mail_host_fake_answer_rdns(fake, (enum rdns_verdict)word_index(first, rdns_words, 4),
                                   second);
    else if (strcmp(what, "dnsbl") == 0)
        mail_host_fake_answer_dnsbl(fake, atoi(first));
    else if (strcmp(what, "helo") == 0)
        mail_host_fake_answer_helo(fake, (enum helo_match)word_index(first, helo_words, 5));
    else if (strcmp(what, "spf") == 0)
        mail_host_fake_answer_spf(fake, (enum spf_result)word_index(first, spf_words, 7));
    else if (strcmp(what, "auth") == 0)
        mail_host_fake_answer_auth(fake, (enum auth_verdict)word_index(first, auth_words, 3),
                                   second);
    else if (strcmp(what, "sasl") == 0)
        mail_host_fake_answer_sasl(fake, (enum auth_verdict)word_index(first, auth_words, 3), "",
                                   second);
    else if (strcmp(what, "proven") == 0)
        mail_host_fake_answer_sasl(fake, AUTH_RIGHT, first, second);
    else if (strcmp(what, "unavailable") == 0)
        mail_host_fake_unavailable(fake, strcmp(first, "rdns") == 0    ? MESSAGE_RDNS
                                         : strcmp(first, "dnsbl") == 0 ? MESSAGE_DNSBL
                                         : strcmp(first, "helo") == 0  ? MESSAGE_HELO
                                         : strcmp(first, "spf") == 0   ? MESSAGE_SPF
                                         : strcmp(first, "sasl") == 0  ? MESSAGE_SASL
                                                                       : MESSAGE_AUTH);
    else
        fail_msg("unknown event in a script: %s", what);
}

static void assert_backend(struct mail_host_fake *fake, const char *what, const char *first)
{
    if (strcmp(what, "connecting") == 0) {
        assert_true(fake->connecting);
        assert_int_equal(fake->backend, strtoul(first, NULL, 10));
    } else {
        assert_false(fake->connecting || fake->connected);
    }
}

static void event(struct mail_host_fake *fake, struct span text)
{
    char line[256], what[32] = "", first[200] = "", second[200] = "";
    span_to_text(text, line, sizeof line);
    assert_true(sscanf(line, "%31s %199s %199s", what, first, second) >= 1);
    if (strcmp(what, "connect") == 0) {
        mail_host_fake_event(fake, BACKEND_CONNECTED);
    } else if (strcmp(what, "fail") == 0) {
        mail_host_fake_event(fake, BACKEND_FAILED);
    } else if (strcmp(what, "close") == 0) {
        mail_host_fake_event(fake, BACKEND_CLOSED);
    } else if (strcmp(what, "connecting") == 0 || strcmp(what, "disconnected") == 0) {
        assert_backend(fake, what, first);
    } else if (strcmp(what, "tls") == 0) {
        mail_host_fake_tls(fake);
    } else if (strcmp(what, "drain") == 0) {
        mail_host_fake_drain(fake, strcmp(first, "now") == 0);
    } else if (strcmp(what, "eof") == 0) {
        mail_host_fake_client_eof(fake);
    } else if (strcmp(what, "timeout") == 0) {
        assert_true(fake->deadline_us != UINT64_MAX);
        mail_host_fake_wait(fake, fake->deadline_us - fake->now_us);
    } else if (strcmp(what, "finish") == 0) {
        assert_true(fake->finished && fake->done);
        assert_string_equal(reason_name(fake->reason), reason_name(reason_of(first)));
    } else if (strcmp(what, "counted") == 0) {
        assert_true(fake->counted[reason_of(first)] > 0);
    } else if (strcmp(what, "shadowed") == 0) {
        assert_int_equal(fake->shadowed[reason_of(first)], 1);
        assert_int_equal(fake->counted[reason_of(first)], 0);
    } else if (strcmp(what, "state") == 0) {
        assert_string_equal(fake->host.state, span_skip(text, 6).at ? line + 6 : "");
    } else {
        answer(fake, what, first, second);
    }
}

static void play_line(struct mail_host_fake *fake, struct span line)
{
    size_t colon = span_find(line, ':');
    struct span who = span_head(line, colon), text = span_skip(line, colon + 1);
    if (span_equal(who, span_text("C")) || span_equal(who, span_text("RC")))
        say(fake, SIDE_CLIENT, text, who.size == 1);
    else if (span_equal(who, span_text("B")) || span_equal(who, span_text("RB")))
        say(fake, SIDE_BACKEND, text, who.size == 1);
    else if (span_equal(who, span_text("S")))
        expect(fake, SIDE_CLIENT, text);
    else if (span_equal(who, span_text("P")))
        expect(fake, SIDE_BACKEND, text);
    else if (span_equal(who, span_text("E")))
        event(fake, text);
    else
        fail_msg("not a line of a script: %.*s", (int)line.size, (const char *)line.at);
}

void mail_script_play(struct mail_host_fake *fake, const char *script)
{
    struct span left = span_text(script);
    while (left.size) {
        size_t end = span_find(left, '\n');
        play_line(fake, span_head(left, end));
        left = span_skip(left, end + 1);
    }
    for (int side = 0; side < 2; side++) {
        struct fake_pipe *pipe = &fake->pipes[side];
        if (pipe->out_told < pipe->out_size) {
            struct span rest = next_line(pipe);
            fail_msg("not expected by the %s: %.*s", side ? "backend" : "client", (int)rest.size,
                     (const char *)rest.at);
        }
    }
}

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The session, played for a mail protocol in a test: a struct mail_host whose other side is the
 * test. What the machine sends is kept as text to be compared, questions and connects are kept for
 * the test to answer, the clock stands until it is moved.
 *
 * BACKEND_CONNECTED connects; the test then plays the server's greeting and capabilities too, as
 * the session would get them, and the machine learns of the connection once it is opened.
 *
 * The fake is as strict as the contract in mail/mail.h allows: before every call there is just the
 * promised room (or what the test sets), and a machine that sends more, talks to a backend that is
 * not connected, asks twice or goes on after finish() fails a CHECK. It needs no test framework, so
 * fuzz targets use it too.
 */

#include "mail/opening.h"

enum {
    FAKE_OUT_MAX = 1 << 20, // bytes sent that a test may leave lying, a side
    FAKE_SCAN_MAX = 8192,   // bytes of each part that are kept
    FAKE_DOMAINS = 2,
};

struct fake_policy {
    struct policy policy;
    struct policy_domain domains[FAKE_DOMAINS]; // example.net: backend 0; example.org: backend 3
    struct prefix relay_networks[1];            // 192.0.2.0/28
    struct prefix lenient_networks[1];          // the client, once a test counts it
    struct policy_rule rules[1];                // "fake", reject
};

struct fake_pipe {
    uint8_t in[INPUT_BUFFER_SIZE]; // waits for the machine
    size_t in_size;
    char out[FAKE_OUT_MAX + 1]; // sent by the machine
    size_t out_size;
    size_t out_told;  // bytes that the test was told of
    size_t room;      // left in this call
    size_t room_call; // what every call gets
};

struct mail_host_fake {
    struct mail_host host;
    struct fake_policy policy;
    const struct mail_protocol *protocol;
    void *state;
    uint64_t now_us;
    int64_t unix_us_offset;
    uint64_t deadline_us; // UINT64_MAX: none
    struct fake_pipe pipes[2];

    struct message question; // the last one
    bool pending[MESSAGE_KIND_COUNT];
    unsigned asked; // questions in all
    bool tell_full; // messages told find no room
    unsigned told;
    size_t told_bytes;   // of SASL responses
    uint32_t mechanisms; // of the back end
    struct mail_master masters[BACKENDS_MAX];

    enum reason charge_reason; // what every charge is answered with
    unsigned charged[CHARGE_COUNT];
    bool charged_user;        // the last one was for a user, too
    enum reason login_reason; // what a login is answered with
    bool logged_in;
    uint64_t held_us;           // that the machine wanted its input held, in all; it is not
    unsigned connects, backend; // how often; the last one's index
    bool connecting, connected;
    bool opened;             // and the machine knows
    struct opening opening;  // plays the session's part until then
    struct mail_offer offer; // what may be offered to the client
    unsigned disconnects;

    bool tls_wanted; // start_tls was called, tls_started not yet
    size_t plaintext_discarded;
    bool finished, done;
    enum reason reason; // of finish
    unsigned counted[REASON_COUNT], shadowed[REASON_COUNT];
    bool unknown; // the client has no good history

    const char *scan_word; // a rule that looks for it; NULL: none
    unsigned scan_parts;   // in these parts
    unsigned scans;        // scan_start calls
    char scanned[3][FAKE_SCAN_MAX];
    size_t scanned_size[3]; // envelope, headers, body
};

// The service by name: smtp, submission, submissions, imap, imaps, pop3, pop3s. Backend 0 is the
// SMTP one, 1 IMAP, 2 POP3, 3 another SMTP. Client 198.51.100.10:40000, we are 198.51.100.1. The
// test may change policy and host before it calls start. Implicit TLS is up already.
struct mail_host_fake *mail_host_fake_open(const struct mail_protocol *protocol,
                                           const char *service);
void mail_host_fake_start(struct mail_host_fake *fake);
void mail_host_fake_close(struct mail_host_fake *fake); // done(), if it was not called yet

// What happens to the machine. All of them offer waiting input again afterwards.
void mail_host_fake_input(struct mail_host_fake *fake, enum mail_side side, struct span data);
void mail_host_fake_client(struct mail_host_fake *fake, const char *text);
void mail_host_fake_backend(struct mail_host_fake *fake, const char *text);
void mail_host_fake_client_eof(struct mail_host_fake *fake);
void mail_host_fake_event(struct mail_host_fake *fake, enum mail_backend_event event);
void mail_host_fake_tls(struct mail_host_fake *fake); // the handshake that was asked for is done
void mail_host_fake_answer(struct mail_host_fake *fake, const struct message *answer);
void mail_host_fake_answer_rdns(struct mail_host_fake *fake, enum rdns_verdict verdict,
                                const char *name);
void mail_host_fake_answer_dnsbl(struct mail_host_fake *fake, int score);
void mail_host_fake_answer_helo(struct mail_host_fake *fake, enum helo_match match);
void mail_host_fake_answer_spf(struct mail_host_fake *fake, enum spf_result result);
void mail_host_fake_answer_auth(struct mail_host_fake *fake, enum auth_verdict verdict,
                                const char *user);
// A challenge goes on unless the verdict is right: then it is the last word.
void mail_host_fake_answer_sasl(struct mail_host_fake *fake, enum auth_verdict verdict,
                                const char *user, const char *challenge);
void mail_host_fake_unavailable(struct mail_host_fake *fake, enum message_kind kind);
void mail_host_fake_wait(struct mail_host_fake *fake, uint64_t us); // the deadline may strike
void mail_host_fake_drain(struct mail_host_fake *fake, bool now);
void mail_host_fake_pump(struct mail_host_fake *fake); // room came, nothing else

// Text sent on that side since the last time this was asked; foreign NULs as they are, and a NUL
// behind. Valid until mail_host_fake_forget.
const char *mail_host_fake_sent(struct mail_host_fake *fake, enum mail_side side);
struct span mail_host_fake_sent_span(struct mail_host_fake *fake, enum mail_side side);
void mail_host_fake_forget(struct mail_host_fake *fake); // makes room in the out buffers
const char *mail_host_fake_state(const struct mail_host_fake *fake);

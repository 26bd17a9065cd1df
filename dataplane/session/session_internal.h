// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The session's own structures, for the files of session/ only. */

#include "base/wheel.h"
#include "mail/mail.h"
#include "session/session.h"
#include "tls/tls.h"

struct rules_scan;

enum { SIDES = 2, QUESTION_KINDS = MESSAGE_SASL - MESSAGE_RDNS + 1 };

enum session_phase {
    SESSION_HANDSHAKE, // TLS, before the protocol starts or after STARTTLS
    SESSION_TALK,      // the protocol machine is at work
    SESSION_FLUSH,     // finished: what was sent is still going out
    SESSION_LINGER,    // FIN sent: what the client still sends is read and thrown away
};

struct stash { // bytes that wait, in a buffer of the pool while there are any
    handle buffer;
    uint8_t *bytes;
    uint32_t start, end;
};

struct session {
    struct mail_host host; // first: the machine's pointer is ours
    struct sessions *all;
    struct snapshot *snapshot;
    const struct mail_protocol *protocol;
    struct tls *tls;
    struct rules_scan *scan;
    handle self;
    handle connection[SIDES];
    handle questions[QUESTION_KINDS]; // open ones, by kind - MESSAGE_RDNS
    struct timer timer;               // the earliest of the three below
    uint64_t deadline_us;             // the machine's
    uint64_t phase_us;                // handshake, flush or linger must be over by then
    uint64_t connect_us;              // the backend must have answered our SYN by then
    uint64_t started_us, active_us;   // worker's clock
    struct stash input[SIDES];        // plaintext for the machine
    struct stash spill[SIDES];        // for tcp_send, when it had no room
    enum reason reason;               // why it ended
    uint8_t phase;                    // enum session_phase
    uint8_t backend;                  // index, 255: none yet
    bool machine_started, tls_wanted;
    bool again; // a run's budget was spent with work left: the timer brings the next run
    bool login_counted;
    uint64_t shadowed; // limits in shadow mode that would have refused it
    uint16_t mails_counted;
    bool backend_connected;
    bool finished[SIDES];      // the peer's FIN or end has come
    bool finished_told[SIDES]; // and the machine knows
    bool reason_counted;       // by tcp, which saw the end first
    bool connect_failed;       // to be told outside the machine's own call
    bool answer_failed[QUESTION_KINDS];
    struct session *shake_next, *shake_prev; // that wait for a step of their handshake, too
    bool shake_waits;
    _Alignas(16) uint8_t state[]; // the protocol's
};

struct question {
    handle session;
    struct timer timer;
    uint32_t attachment;    // in which it was asked last
    bool again;             // that was not the first
    struct message message; // to ask again; wiped when given back
};

struct sessions {
    struct sessions_config config;
    struct snapshot *snapshot;
    struct pool pool;      // struct session
    struct pool questions; // struct question
    struct pool buffers;   // INPUT_BUFFER_SIZE each
    struct wheel session_timers, question_timers;
    uint32_t attachments[ROLE_COUNT];         // of each role so far
    uint32_t again[ROLE_COUNT];               // where to go on asking again
    uint32_t mechanisms;                      // the auth child's last offer
    struct session *shake_first, *shake_last; // that wait for a step of their TLS handshake
    unsigned shake_steps;                     // that are left in this turn
    uint64_t now_us;                          // of the call that is being served
};

// session.c
void session_run(
    struct session *s); // lets the session do all it can; s may be gone after this call
void session_end(struct session *s, enum reason reason); // enters FLUSH
void session_timer_update(struct session *s);

// session_stream.c: bytes in and out of the client and the backend
size_t session_stream_room(const struct session *s, enum mail_side side);
void session_stream_send(struct session *s, enum mail_side side, struct span data);
bool session_stream_flush(struct session *s); // moves what waits; true: nothing waits any more
// Offers what has come to the machine; true: something moved.
bool session_stream_pump(struct session *s, enum mail_side side);
void session_stream_start_tls(struct session *s);
bool session_stream_handshake(struct session *s);                 // true: something moved
void session_stream_drop(struct session *s, enum mail_side side); // input and spill
// Nothing of what came waits for the machine any more, but for a line that never ended.
bool session_stream_is_spent(struct session *s, enum mail_side side);

// session_host.c
extern const struct mail_host_ops session_host_ops;

// session_handshake.c: a turn has time for few steps of TLS handshakes, whoever they belong to
bool session_handshake_may_step(struct session *s);   // false: it waits, and will be run
void session_handshake_forget(struct session *s);     // it waits no longer
void session_handshake_advance(struct sessions *all); // a new turn; runs who waits, the first first

// session_question.c
void session_question_ask(struct session *s, const struct message *message);
void session_question_drop(struct session *s);       // all of the session's
void session_question_advance(struct sessions *all); // asks again what is due; bounded
bool session_question_fail(struct session *s); // tells the machine of those that could not be asked

// session_report.c
void session_report_send(struct session *s);

static inline void session_count(struct session *s, enum counter counter)
{
    counter_add(s->all->config.counters, counter, 1);
}
static inline void session_refuse(struct session *s, enum reason reason)
{
    counter_refuse(s->all->config.counters, reason);
}

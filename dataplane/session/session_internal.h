// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The session's own structures, for the files of session/ only. */

#include "base/wheel.h"
#include "mail/mail.h"
#include "session/dial.h"
#include "session/servers.h"
#include "session/session.h"
#include "session/session_handshake.h"
#include "session/stream.h"
#include "session/verdicts.h"
#include "tls/tls.h"

struct rules_scan;

// tcp_event.user: a session's handle, with USER_BACKEND of its backend's connection; or, with
// USER_DIAL, a dial's that is no session's yet.
#define USER_BACKEND (UINT64_C(1) << TRACE_BACKEND_BIT)
#define USER_DIAL    (UINT64_C(1) << TRACE_DIAL_BIT)

enum { SIDES = 2, QUESTION_KINDS = MESSAGE_SASL - MESSAGE_RDNS + 1 };

enum session_phase {
    SESSION_HANDSHAKE, // TLS, before the protocol starts or after STARTTLS
    SESSION_TALK,      // the protocol machine is at work
    SESSION_FLUSH,     // finished: what was sent is still going out
    SESSION_LINGER,    // FIN sent: what the client still sends is read and thrown away
};

enum session_news { NEWS_NONE, NEWS_CONNECTED, NEWS_FAILED }; // of the backend, for the machine

struct session {
    struct mail_host host; // first: the machine's pointer is ours
    struct sessions *all;
    struct snapshot *snapshot;
    const struct mail_protocol *protocol;
    struct rules_scan *scan;
    handle self;
    struct stream streams[SIDES];
    handle dial;                      // of the backend's connection while it is being opened
    handle questions[QUESTION_KINDS]; // open ones, by kind - MESSAGE_RDNS
    struct timer timer;               // the earliest of those below
    uint64_t deadline_us;             // the machine's
    uint64_t take_us;                 // LINGER: the client must have taken all by then
    uint64_t phase_us;                // handshake, flush or linger must be over by then
    uint64_t slow_us;                 // session_slow.c: end of the window; UINT64_MAX: none
    uint64_t slow_taken;              // bytes that the client had taken at its start
    uint64_t stall_us;                // the backend must have taken something; UINT64_MAX: it has
    uint64_t hold_us;                 // the client's input waits until then; 0: it need not
    uint64_t started_us, active_us;   // worker's clock
    enum reason reason;               // why it ended
    uint8_t phase;                    // enum session_phase
    uint8_t backend;                  // index, 255: none yet
    uint8_t tried;                    // servers of it, a bit each
    uint8_t news;                     // enum session_news
    uint16_t slot;                    // of the server in use, SERVER_NONE: none
    bool machine_started, tls_wanted;
    bool again; // a run's budget was spent with work left: the timer brings the next run
    bool login_counted;
    struct limit_set shadowed;      // limits in shadow mode that would have refused it
    struct limit_set shadow_logins; // those of them that are counted for its login
    uint64_t ticket;                // of the user's count; 0: none
    bool offended;                  // did what its source is not welcome for
    uint16_t mails_counted;
    bool backend_connected;
    bool finished_told[SIDES];          // the machine knows of the peer's end
    bool reason_counted;                // by tcp, which saw the end first
    bool answer_failed[QUESTION_KINDS]; // nobody could be asked: the machine is to be told
    bool answer_known[QUESTION_KINDS];  // likewise; the answer is in the question's place
    struct handshake handshake;         // with the client
    handle machine_block;
    void *machine; // the protocol's state; NULL: it rests, or its protocol's never does
    _Alignas(16) uint8_t rest[]; // of the protocol's state, what is kept while it rests
};

struct question {
    handle session;
    struct timer timer;
    uint32_t attachment;    // in which it was asked last
    bool again;             // that was not the first
    struct message message; // to ask again; wiped when given back
};

struct sessions_drain {
    bool on, over;     // all are to end: between two commands; now
    uint64_t until_us; // when it is over
    uint32_t next;     // where to go on telling sessions
};

struct sessions {
    struct sessions_config config;
    struct snapshot *snapshot;
    struct pool pool;      // struct session
    struct pool questions; // struct question
    struct pool buffers;   // INPUT_BUFFER_SIZE each
    struct pool machines;  // states of protocols' machines that do not rest
    struct pool dials;     // struct dial
    struct wheel session_timers, question_timers, dial_timers;
    struct servers servers;
    struct verdicts verdicts;
    struct sessions_drain drain;
    uint64_t checks_us;                        // when to look next which checks of servers are due
    uint32_t attachments[ROLE_COUNT];          // of each role so far
    uint32_t again[ROLE_COUNT];                // where to go on asking again
    uint32_t mechanisms;                       // the auth child's last offer
    uint64_t limits[CLASSES_MAX][LIMIT_COUNT]; // of the snapshot, for all sessions
    uint8_t modes[CLASSES_MAX][LIMIT_COUNT];   // likewise
    uint32_t bar_at, bar_left; // table of sessions: where to look next for barred ones
    struct handshake *handshake_first, *handshake_last; // that wait for a step
    unsigned handshake_steps;                           // that are left in this turn
    uint64_t now_us;                                    // of the call that is being served
    int64_t unix_us_offset;                             // unix time = now_us + this, now
};

// session.c
void session_run(
    struct session *s); // lets the session do all it can; s may be gone after this call
void session_end(struct session *s, enum reason reason); // enters FLUSH
void session_timer_update(struct session *s);

const struct mail_protocol *session_protocol(enum protocol protocol);

// session_backend.c: the connection to a backend
void session_backend_connect(struct session *s, unsigned backend);
void session_backend_close(struct session *s);
// What a dial for that session came to; NULL: nothing. The session may be gone after this call.
void session_dialled(struct sessions *all, handle session, const struct dialled *dialled);

// session_stream.c: bytes in and out of the client and the backend
size_t session_stream_room(const struct session *s, enum mail_side side);
void session_stream_send(struct session *s, enum mail_side side, struct span data);
bool session_stream_flush(struct session *s); // moves what waits; true: nothing waits any more
// Offers what has come to the machine; true: something moved.
bool session_stream_pump(struct session *s, enum mail_side side);
void session_stream_start_tls(struct session *s);
bool session_stream_handshake(struct session *s); // true: something moved
// Nothing of what came waits for the machine any more, but for a line that never ended.
bool session_stream_is_spent(struct session *s, enum mail_side side);
void session_stream_stall_over(struct session *s); // at stall_us: the backend is lost

// session_machine.c: the state of the protocol's machine
void *session_machine(struct session *s);     // to call it with; it no longer rests
void session_machine_rest(struct session *s); // if it can

// session_host.c
extern const struct mail_host_ops session_host_ops;

// session_question.c
void session_question_ask(struct session *s, const struct message *message);
void session_question_drop(struct session *s);       // all of the session's
void session_question_advance(struct sessions *all); // asks again what is due; bounded
bool session_question_tell(struct session *s);       // the machine, of answers that need no asking

// session_host.c
enum reason session_charge(struct session *s, enum charge charge, struct span user);
bool session_enforce(struct session *s, enum limit limit, bool ends);
void session_logout(struct session *s);

// session_drain.c
void session_drain_advance(struct sessions *all); // tells sessions; bounded

// session_slow.c
void session_slow_watch(struct session *s);   // after anything was sent or taken
bool session_slow_is_over(struct session *s); // at slow_us: the client is too slow

// session_report.c
void session_refuse(struct session *s, enum reason reason); // counts it, and notes an offence
void session_report_send(struct session *s); // at its end; notes one that was as it should be

static inline void session_count(struct session *s, enum counter counter)
{
    counter_add(s->all->config.counters, counter, 1);
}

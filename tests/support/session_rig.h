// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Whole sessions in memory: a shield (guard, tcp, session with TLS and the protocols, all real) and
 * a world (a tcp that plays clients and backends behind a guard of its own), joined by a perfect
 * link of one millisecond. The clock is simulated; the control plane is the test, which sees
 * questions and gives answers.
 */

#include "session/session.h"

enum { RIG_TEXT = 1 << 20, RIG_SESSIONS = 32, RIG_PEERS = 40, RIG_BACKEND_PORT = 2525 };

struct rig_peer { // a client, or a backend's end of a session, in the world
    handle connection;
    bool connected, finished, closed, deaf;
    char text[RIG_TEXT]; // everything received
    size_t size;
};

struct rig;

struct rig *rig_open(void);
void rig_close(struct rig *rig); // fails the test when mbufs, sessions or connections are left

struct policy *rig_policy(struct rig *rig); // to change before the first client
// Live, also while clients are there.
void rig_limit(struct rig *rig, enum limit limit, uint64_t value, enum limit_mode mode);
void rig_ban(struct rig *rig);                  // the clients' address
void rig_class(struct rig *rig, uint8_t class); // of clients from now on
struct rig_peer *rig_connect(struct rig *rig, uint16_t service_port);
struct rig_peer *rig_backend(struct rig *rig,
                             unsigned n); // the n-th that was opened; NULL: none yet
void rig_say(struct rig *rig, struct rig_peer *peer, const char *text);
void rig_send(struct rig *rig, struct rig_peer *peer, struct span data);
bool rig_try(struct rig *rig, struct rig_peer *peer, const char *text); // false: no room for 1 s
void rig_deaf(struct rig *rig, struct rig_peer *peer, bool deaf);       // it reads nothing
void rig_hang_up(struct rig *rig, struct rig_peer *peer);               // FIN
void rig_reset(struct rig *rig, struct rig_peer *peer);                 // RST
void rig_run(struct rig *rig, uint64_t us);                             // lets that much time go by
// Time goes by until the peer has received that text behind what was expected before; fails after
// 60 s.
void rig_expect(struct rig *rig, struct rig_peer *peer, const char *text);

// The last question of that kind that was asked, or NULL; rig_answer answers it.
const struct message *rig_asked(const struct rig *rig, enum message_kind kind);
void rig_answer(struct rig *rig, const struct message *answer);
void rig_serve_tls(struct rig *rig, struct tls_context *tls); // before the first client; the rig's
void rig_dial_tls(struct rig *rig, struct tls_clients *clients); // likewise
void rig_attach(struct rig *rig, bool attached); // false: rings refuse every question
void rig_local_off(struct rig *rig);             // the inside leg has no address
void rig_backends_silent(struct rig *rig);       // their SYNs are lost
struct sessions *rig_sessions(struct rig *rig);
const struct counter_block *rig_counters(const struct rig *rig);
const struct report *rig_report(const struct rig *rig); // of the session that ended last, or NULL
uint64_t rig_now(const struct rig *rig);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Whole mail sessions in memory and on one core: a shield (guard, tcp, session, tls, rules and the
 * protocols, all real) between clients and backends, which are a second tcp and are played by the
 * bench. Packets are not lost or late.
 *
 * Time is the CPU time of this thread; the clock that the stations see is simulated. Not in the
 * shield's time: drivers, the parsing of frames and their checksums (net), the control plane, whose
 * answers come in the next round.
 */

#include "session/session.h"

#include <openssl/ssl.h>

enum { MAIL_RIG_PARALLEL = 200, MAIL_RIG_LINE = 1024 };

struct mail_rig;

struct mail_rig_peer { // a client, or a backend's end of a session
    handle connection;
    SSL *ssl;         // a client's under TLS, NULL: none
    struct addr from; // that a backend's connection came from
    unsigned step;    // these two are the play's, 0 at the beginning
    size_t left;
    bool raw; // what comes goes to `raw`, not line by line
    bool leaving;
    char line[MAIL_RIG_LINE];
    size_t size;
};

// What the two sides do. Lines come with CR LF and a NUL behind.
struct mail_rig_play {
    enum protocol protocol;
    uint8_t tls;       // enum tls_mode: off or implicit
    bool resumes;      // clients resume the TLS session that the first of them made
    unsigned parallel; // sessions at a time; 0: MAIL_RIG_PARALLEL, the most
    const char *greeting;
    void (*connected)(struct mail_rig *rig, struct mail_rig_peer *client); // after TLS; may be NULL
    void (*client)(struct mail_rig *rig, struct mail_rig_peer *client, const char *line);
    void (*backend)(struct mail_rig *rig, struct mail_rig_peer *backend, const char *line);
    void (*room)(struct mail_rig *rig, struct mail_rig_peer *backend); // to send again; may be NULL
    // Of a peer that is raw: how much it took; it may change to lines.
    size_t (*raw)(struct mail_rig *rig, struct mail_rig_peer *peer, struct span input);
    void (*answer)(const struct message *question, struct message *answer); // OK until changed
};

// After tcp_pair_main.
struct mail_rig *mail_rig_open(const struct mail_rig_play *play);
void mail_rig_shut(struct mail_rig *rig);
struct sessions *mail_rig_sessions(struct mail_rig *rig); // the shield's

// `sessions` come and go. The shield's share in ns.
uint64_t mail_rig_run(struct mail_rig *rig, uint64_t sessions);
void mail_rig_say(struct mail_rig *rig, struct mail_rig_peer *peer, struct span text);
// As much as there is room for, of a peer in plaintext: bytes. Room is told of.
size_t mail_rig_send(struct mail_rig *rig, struct mail_rig_peer *peer, struct span data);
void mail_rig_leave(struct mail_rig *rig, struct mail_rig_peer *peer); // hangs up

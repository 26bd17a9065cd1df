// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A connection to a backend's server while it belongs to no session yet: from SYN to the end of its
 * opening (mail/opening.h), TLS included. For a session, which then takes its stream; as a check,
 * which says good-bye then; or as a spare, which waits for the next session.
 *
 * A spare was used by nobody: what is sent over it first is sent by the session that takes it, and
 * it dies with that session. So nothing that a client said of itself (XCLIENT, a login) can reach
 * another, and where the first bytes are the client's (PROXY) there are no spares.
 *
 * Whatever fails is counted by its reason and told to the servers' health. A dial ends once; who
 * asked learns it by session_dialled, never from within dial_open.
 */

#include "base/wheel.h"
#include "mail/opening.h"
#include "session/session_handshake.h"
#include "session/stream.h"

struct sessions;
struct snapshot;
struct tcp_event;

enum dial_use { DIAL_SESSION, DIAL_CHECK, DIAL_SPARE };

struct dial {
    struct sessions *all;
    const struct snapshot *snapshot;
    handle self;
    handle session;     // for DIAL_SESSION
    struct timer timer; // the opening's deadline; a spare's age
    struct stream stream;
    struct opening opening;
    uint16_t slot;   // of the server
    uint8_t backend; // index in the snapshot's policy
    uint8_t use;     // enum dial_use
    uint8_t server;  // likewise, of the backend
    bool connected;  // the server has accepted
    bool securing;   // TLS is under way
    bool ready;      // opened: a spare that waits
    struct handshake handshake;
};

struct dialled { // an opened connection, and what the server offers there
    struct stream stream;
    struct mail_offer offer;
};

// HANDLE_NONE: it failed at once, which is counted and told already.
handle dial_open(struct sessions *all, enum dial_use use, handle session,
                 const struct snapshot *snapshot, unsigned backend, unsigned server, uint16_t slot);
void dial_event(struct sessions *all, handle h, const struct tcp_event *event);
void dial_run(struct dial *d); // lets it do all it can; d may be gone after this call
void dial_drop(struct sessions *all, handle h); // says good-bye where it may; no result follows

// A spare of that server, for a session to take; false: there is none.
bool dial_take_spare(struct sessions *all, uint16_t slot, struct dialled *ret_dialled);
// So that the next ones find some. `found`: this one did.
void dial_more_spares(struct sessions *all, unsigned backend, unsigned server, uint16_t slot,
                      bool found);

void dial_policy(struct sessions *all);  // a new policy: checks and spares begin anew
void dial_advance(struct sessions *all); // time-outs, and checks that are due; bounded

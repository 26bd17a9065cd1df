// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Mail sessions of one worker: what joins a client's TCP connection, TLS, a protocol machine and a
 * backend's connection, and pumps bytes between them as far as each has room.
 *
 * The only place where tcp/, tls/, rules/ and the protocols meet. Nothing is buffered beyond one
 * input buffer a side: what a protocol does not take stays in TCP and closes its window. A session
 * ends once, is reported once (contract/message.h) and counted by its reason. Questions are kept
 * until answered or too late, so that they can be asked again when the control plane comes back.
 */

#include "base/packet.h"
#include "base/pool.h"
#include "contract/attach.h"
#include "contract/charge.h"
#include "contract/counter.h"
#include "contract/message.h"
#include "session/snapshot.h"
#include "tcp/tcp.h"

struct sessions;

struct sessions_config {
    uint32_t sessions; // most at a time
    uint16_t worker;   // index into snapshot uses
    struct tcp *tcp;
    struct counter_block *counters;
    struct siphash_key key; // secret, of its own worker
    // Our address towards a backend; NULL when the inside leg has none of that family.
    const struct addr *(*local)(void *context, const struct addr *backend);
    // Puts a question into a role's ring, or leaves it until somebody attaches; false: full, or
    // nobody has been there for long.
    bool (*ask)(void *context, enum attach_role role, const struct message *question);
    void (*report)(void *context, const struct message *report);
    // The client's connection of that service is gone (guard's counts).
    void (*client_gone)(void *context, const struct addr *client, unsigned service);
    // Before the client or its user does what has a rate; NONE: it may. *shadowed: bits of limits
    // in shadow mode that would have refused it are added.
    enum reason (*charge)(void *context, enum charge charge, const struct addr *client,
                          struct span user, uint64_t *shadowed);
    // The client is that user. NONE: it counts as one more session of the user's, until `logout`
    // with the same client and ticket.
    enum reason (*login)(void *context, enum protocol protocol, const struct addr *client,
                         struct span user, uint64_t *ret_ticket, uint64_t *shadowed);
    void (*logout)(void *context, const struct addr *client, uint64_t ticket);
    bool (*is_barred)(void *context, const struct addr *client); // banned or denied
    // What a client did; NONE: a session ended as sessions should. True: that ended its welcome.
    // NULL: nothing is noted.
    bool (*note)(void *context, const struct addr *client, enum reason reason);
    bool (*is_known)(void *context, const struct addr *client); // by good sessions, or as
                                                                // allowed; NULL: all are
    void *context;
};

struct sessions *sessions_open(const struct sessions_config *config) MUST_CHECK; // NULL: no memory
void sessions_shut(struct sessions *sessions);
size_t sessions_memory(const struct sessions *sessions); // bytes that they take at the most

// Sessions opened from now on run under this snapshot, and the limits of those under way are its,
// from their next step on. Not before any session was accepted.
void sessions_snapshot(struct sessions *sessions, struct snapshot *snapshot, uint64_t now_us);

// A client whose cookie was valid: makes the TCP connection and its session. The ACK goes to
// tcp_input next, with the handle returned. HANDLE_NONE: refused and counted, client_gone not
// called.
handle sessions_accept(struct sessions *sessions, const struct packet *ack,
                       const struct tcp_handshake *handshake, unsigned service, uint64_t now_us);

// Unix time in µs = now_us + offset, from now on. To be told again and again: the worker's clock
// runs a little too fast or slow, and somebody may set the system's.
void sessions_clock(struct sessions *sessions, int64_t unix_us_offset);

// What tcp_event_next brought.
void sessions_event(struct sessions *sessions, const struct tcp_event *event, uint64_t now_us);
// Who answers questions of that kind.
enum attach_role sessions_role_of(enum message_kind kind);
// A sound message from the child that answers its kind; late and doubled ones are counted and
// dropped. OFFER says what every session may use from now on.
void sessions_answer(struct sessions *sessions, const struct message *answer, uint64_t now_us);
// The role's channel is new: its open questions are asked again, as fast as there is room. One that
// was asked again before is answered as unavailable: it may be what ends the children.
void sessions_ask_again(struct sessions *sessions, enum attach_role role);
// Time-outs. Bounded work.
void sessions_advance(struct sessions *sessions, uint64_t now_us);

void sessions_list(const struct sessions *sessions, uint32_t cursor, uint64_t now_us,
                   struct session_page *ret_page);
// What became of the TCP connections of session `id`, or with 0 of all that ended ill.
void sessions_trace(const struct sessions *sessions, uint32_t cursor, uint64_t id,
                    struct trace_page *ret_page);
// What is known of the backends' servers.
void sessions_servers(const struct sessions *sessions, uint32_t cursor, uint64_t now_us,
                      struct server_page *ret_page);
// Drains or enables servers; false: there is no such server. Sessions of a drained one end between
// two commands.
bool sessions_drain_server(struct sessions *sessions, const struct server_order *order);
// Lets all sessions end between two commands, at the latest at until_us; or no more. Their owner
// accepts no new ones meanwhile.
void sessions_drain(struct sessions *sessions, bool drain, uint64_t until_us);
// Sources were barred: their sessions end, their clients' connections by RST, in the next calls of
// sessions_advance, all of them looked at in bounded pieces.
void sessions_bar(struct sessions *sessions);
bool sessions_kill(struct sessions *sessions, uint64_t id, uint64_t now_us);
uint32_t sessions_count(const struct sessions *sessions);

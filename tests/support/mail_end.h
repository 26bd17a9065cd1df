// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One end of mail sessions in memory: a policy with the guard and the TCP under it, all real. A rig
 * has two: the shield, which gets sessions too, and the world of clients and backends, whose
 * services are the backends' ports. The rig carries the packets, keeps the clock and plays the
 * control plane.
 */

#include "guard/guard.h"
#include "session/session.h"

struct mail_end_config {
    struct rte_mempool *mbufs;
    uint32_t connections, sources;
    uint32_t queue_bytes;   // of a connection, each way
    uint64_t key;           // differs between the ends of a rig
    const uint64_t *now_us; // the rig's clock
    void (*emit)(void *context, struct rte_mbuf *m, enum leg leg); // context: the end
    void *rig;                                                     // for emit and the sessions
};

struct mail_end {
    struct mail_end_config config;
    struct policy *policy; // the end's
    struct guard *guard;
    struct guard_lists *lists;
    struct tcp *tcp;
    struct counter_block counters;
    struct sessions *sessions; // NULL: none
    struct snapshot snapshot;  // of the sessions; tls and tls_clients are to be set by the rig
};

// Checks no backends, keeps no spares and has no services yet.
struct policy *mail_end_policy(const struct addr *outside, const struct addr *inside) MUST_CHECK;
// One more service, and its own backend with that one server. The first for SMTP takes mail for
// example.net.
void mail_end_serve(struct policy *policy, enum protocol protocol, uint16_t port,
                    const struct addr *server, uint16_t server_port);

void mail_end_open(struct mail_end *end, const struct mail_end_config *config,
                   struct policy *policy);
void mail_end_shut(struct mail_end *end); // snapshot's TLS too

// Sessions of this end: all of `config` but local, ask and report is filled in here; their context
// is the end. They begin under its policy by mail_end_begin.
void mail_end_sessions(struct mail_end *end, struct sessions_config *config);
void mail_end_begin(struct mail_end *end);

// Takes a packet: to its connection, or a SYN is answered, or a final ACK whose cookie is valid
// goes to `accept`, which makes the connection that it begins.
typedef handle mail_end_accept(struct mail_end *end, const struct packet *packet,
                               const struct tcp_handshake *handshake, unsigned service);
void mail_end_deliver(struct mail_end *end, struct rte_mbuf *m, const struct packet *packet,
                      mail_end_accept *accept);

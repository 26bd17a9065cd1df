// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What the files of a world share: tcp_world.c moves packets and clocks and checks,
 * tcp_world_choose.c draws everything from the seed, tcp_world_server.c shakes hands as the guard
 * does, tcp_world_app.c is the applications.
 */

#include "base/rng.h"
#include "sim/tcp_world.h"
#include "support/link_sim.h"
#include "support/tcp_record.h"
#include "tcp/tcp.h"

#include <setjmp.h>

enum {
    CLIENT,
    SERVER,
    FLOWS_MAX = 6,
    SERVICE_PORT = 25,
};

enum kind { BULK, TALK, HALF_CLOSE, ABORT, VANISH, RELEASE, KIND_COUNT };

struct end { // of a flow, one of two
    handle h;
    bool open, connected, sent_all, finished, peer_finished, ended, let_go;
    enum reason reason;
    uint64_t to_send, sent, received;
    uint64_t abort_at, release_at; // bytes received; UINT64_MAX: never
    uint64_t read_us, read_most;   // pace of reading; 0: at once
    uint64_t next_read_us;
    bool edge_known;
    uint32_t edge; // right edge of the window that reached this end
    uint64_t burst_ms;
    unsigned burst, burst_most; // data segments sent in that millisecond, and the bound
};

struct flow {
    enum kind kind;
    uint64_t start_us;
    bool started;
    uint32_t turn_bytes; // of a TALK
    struct end end[2];
};

struct pending { // a handshake that the server answers
    bool used, accepted;
    struct packet syn;
    uint32_t iss, ts_offset;
    uint64_t again_us;
    unsigned tries;
};

struct side {
    struct world *world;
    int index;
    struct tcp *tcp;
    struct counter_block counters;
    struct link_sim *out; // towards the other side
};

struct world {
    uint64_t seed, now_us, start_us, limit_us;
    struct rng rng;
    struct rte_mempool *mbufs;
    struct side sides[2];
    struct link_sim links[2];
    struct flow flows[FLOWS_MAX];
    unsigned flow_count;
    struct pending pendings[FLOWS_MAX * 2];
    struct addr addrs[2];
    uint16_t mtu;
    bool sack, timestamps, scaling, icmp;
    uint64_t segments;
    struct tcp_record record;
    enum { HONEST, LIES_OF_WINDOWS, LIES } lies; // what arrives at `victim`
    int victim;
    bool stranger; // forges segments towards both
    bool starved;  // the stacks have few packet buffers
    struct rte_mempool *few;
    uint64_t jump_at_us, jump_us; // the clock leaps once; 0: never, or it has
    struct world_result result;
    jmp_buf failed;
};

// Ends the run.
__attribute__((format(printf, 2, 3))) _Noreturn void world_fail(struct world *w, const char *format,
                                                                ...);
void world_record(struct world *w, bool sent, int from, const struct rte_mbuf *m,
                  const struct packet *p);
void world_emit(void *context, struct rte_mbuf *m, enum leg leg); // of a stack; context: its side

static inline uint64_t world_dice(struct world *w, uint64_t from, uint64_t to) // both included
{
    return from + rng_below(&w->rng, to - from + 1);
}

static inline bool world_one_in(struct world *w, uint64_t n)
{
    return rng_below(&w->rng, n) == 0;
}

void world_choose(struct world *w); // from w->rng: links, stacks, flows

// The server's end of a handshake: a packet of no connection, the ACK that makes one (HANDLE_NONE:
// it does not), and a SYN-ACK, first or again.
void world_server_stray(struct world *w, const struct packet *p);
handle world_server_accept(struct world *w, const struct packet *p);
void world_server_answer(struct world *w, struct pending *q);

void world_take_events(struct world *w, int s);
void world_run_apps(struct world *w);
void world_let_go(struct world *w, struct end *e, int s, bool abort);

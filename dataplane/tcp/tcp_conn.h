// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A connection's state and the stack around it, for the files of this station only.
 *
 * A connection is four cache lines that packets touch and 32 bytes that they seldom do, in two
 * arrays with one index; with its places in table and wheel an idle one costs 306 bytes. It owns no
 * packet memory while nothing is queued. All of it belongs to one worker. It is taken and given
 * back as pool.h does, but the generation and the list of the free ones stand in the connection
 * itself: a handle is checked in a line that is read anyway.
 *
 * Life: tcp_conn_take, tcp_conn_enter(…), tcp_conn_gone. After tcp_conn_gone a connection is out of
 * the table and holds no buffers; its object is given back once no list names it any more, so a
 * pointer stays readable until the end of the call that ended it.
 */

#include "base/wheel.h"
#include "tcp/tcp.h"

#include <rte_mbuf.h>

enum tcp_state {
#define TCP_STATE(name, text, next) TCP_##name,
#include "contract/tcp_state.def"
#undef TCP_STATE
    TCP_STATE_COUNT,
};

enum {
    TCP_SEGMENTS_BURST = 64,   // segments of one connection in one tcp_advance
    TCP_OUTPUTS_TURN = 1024,   // connections that one tcp_advance serves
    TCP_TIMERS_TURN = 1024,    // timers that one tcp_advance fires
    TCP_LOCALS_MAX = 255,      // local addresses of all connections
    TCP_RUNS_MAX = 24,         // islands in a reassembly queue
    TCP_DUPTHRESH = 3,         // RFC 5681, section 3.2
    TCP_INITIAL_SEGMENTS = 10, // RFC 6928
    TCP_MSS_LEAST = 64,        // an offer below it is taken as this: guards against MSS 1
    TCP_SYN_RETRIES = 7,       // 1+2+…+32+60+60 s: R2 of RFC 9293, section 3.8.3

    TCP_RTO_FIRST_MS = 1000, // RFC 6298, section 2
    TCP_RTO_SYN_MS = 3000,   // first behind a SYN that was sent more than once: section 5.7
    TCP_RTO_LEAST_MS = 200,  // below RFC 6298's SHOULD of 1 s, as all common stacks; see tcp_rtt.h
    TCP_RTO_MOST_MS = 60000,
    TCP_DELACK_MS = 2, // for a reply to carry it; a Nagle sender's next small write waits for it
    TCP_USER_TIMEOUT_MS = 120000,   // no progress for that long: R2 of RFC 9293, section 3.8.3
    TCP_KEEPALIVE_MS = 300000,      // silence before the first probe
    TCP_KEEPALIVE_PROBE_MS = 30000, // between probes
    TCP_KEEPALIVE_PROBES = 5,
    TCP_FIN_WAIT_2_MS = 60000,     // of a released connection
    TCP_LINGER_MS = 300000,        // a released connection may take to deliver what is left
    TCP_TIME_WAIT_MS = 60000,      // 2 MSL
    TCP_CHALLENGE_MS = 100,        // between answers to segments that must not be taken
    TCP_PAWS_IDLE_MS = 2073600000, // 24 days, RFC 7323, section 5.5
};

enum { // tcp_conn.flags
    TCP_CONN_TIMESTAMPS = 1 << 0,
    TCP_CONN_SACK = 1 << 1,
    TCP_CONN_SCALING = 1 << 2,
    TCP_CONN_PACED = 1 << 3,        // output waits for the millisecond after sent_ms
    TCP_CONN_RELEASED = 1 << 4,     // the owner let go
    TCP_CONN_FIN_WANTED = 1 << 5,   // the owner finished; the FIN has no segment yet
    TCP_CONN_FIN_QUEUED = 1 << 6,   // the last segment of the queue carries FIN
    TCP_CONN_FIN_RECEIVED = 1 << 7, // everything before it is in order
    TCP_CONN_ACK_NOW = 1 << 8,
    TCP_CONN_ON_OUTPUT = 1 << 9,
    TCP_CONN_ON_EVENTS = 1 << 10,
    TCP_CONN_WRITE_WANTED = 1 << 11, // a tcp_send was cut short
    TCP_CONN_GONE = 1 << 12,         // waits until no list names it
    TCP_CONN_CLOSE_TOLD = 1 << 13,   // TCP_EVENT_CLOSED was raised
    TCP_CONN_RECOVERY = 1 << 14,     // fast recovery, until snd_una reaches `recover`
    TCP_CONN_LOSS = 1 << 15,         // after a retransmission time-out, likewise
    TCP_CONN_REORDERING = 1 << 16,   // seen on this path (RFC 8985)
    TCP_CONN_CWND_LIMITED = 1 << 17, // the last output stopped at cwnd
    TCP_CONN_DELACK = 1 << 18,       // delack_ms is set
    TCP_CONN_DSACK = 1 << 19,        // cold.dsack is to be told
    TCP_CONN_PROGRESS = 1 << 20,     // progress_ms is set
    TCP_CONN_TLP = 1 << 21,          // a tail-loss probe is out
    TCP_CONN_NAGLE = 1 << 22,        // segments that are not full wait
    TCP_CONN_SYN_AGAIN = 1 << 23,    // the SYN was sent more than once
    TCP_CONN_TABLED = 1 << 24,       // in the table
    TCP_CONN_RACK = 1 << 25,         // rack_* are set
    TCP_CONN_FIN_SEEN = 1 << 26,     // cold.fin_seq is set: a FIN came, perhaps ahead of data
    TCP_CONN_TLP_AGAIN = 1 << 27,    // the tail-loss probe was old data
    TCP_CONN_CHALLENGED = 1 << 28,   // challenge_ms is set
    TCP_CONN_FRTO = 1 << 29,         // F-RTO: only the first segment was sent again
    TCP_CONN_FRTO_NEW = 1 << 30,     // F-RTO: new data goes before old
};

enum tcp_rexmit { // what send_ms is the deadline of
    TCP_REXMIT_NONE,
    TCP_REXMIT_RTO,
    TCP_REXMIT_PROBE,   // tail-loss probe
    TCP_REXMIT_REORDER, // RACK's reordering window
    TCP_REXMIT_PERSIST, // the peer's window is too small
    TCP_REXMIT_BUFFER,  // no packet buffer was free: try again
};

struct tcp_segment; // tcp_queue.h
struct tcp_run;     // tcp_reassembly.h

struct tcp_conn {
    // who it is, and what every segment reads
    _Alignas(64) struct addr remote;
    uint16_t local_port, remote_port;
    uint8_t local;       // index into tcp->locals
    uint8_t leg;         // enum leg
    uint8_t state;       // enum tcp_state, written by tcp_conn_enter
    uint8_t events;      // TCP_EVENT_ bits not yet told
    uint32_t flags;      // TCP_CONN_
    uint32_t generation; // of its handle, odd while taken
    uint32_t rcv_nxt;
    uint32_t rcv_edge;  // right edge of the window as advertised; never goes back
    uint32_t ack_sent;  // Last.ACK.sent of RFC 7323
    uint32_t ts_recent; // TS.Recent
    uint32_t ts_offset;
    uint32_t snd_una, snd_nxt;
    uint16_t mss;        // most data a segment carries, options subtracted
    uint8_t snd_scale;   // shift of the peer's windows
    uint8_t ack_waiting; // full segments not yet acknowledged

    // what is being sent, and what was received
    uint32_t snd_wnd;              // bytes
    uint32_t snd_wnd_most;         // largest window seen: SWS avoidance, RFC 5961's ACK check
    uint32_t snd_wl1;              // SND.WL2 is never above snd_una, so its test is always true
    uint32_t undo_ssthresh;        // tcp_undo.h; 0: nothing to undo
    struct tcp_segment *send_head; // first unacknowledged
    struct tcp_segment *send_next; // first never sent; NULL: none
    struct tcp_segment *send_tail; // undefined when send_head is NULL
    struct rte_mbuf *recv_head, *recv_tail; // in order, unread
    uint32_t next_output, next_event;       // index + 1 of the next in the list; while it is free,
                                            // next_output is that of the next free one

    // time
    struct timer timer;                   // never later than the earliest deadline
    uint32_t send_ms, delack_ms, life_ms; // deadlines: of `rexmit`, …
    uint32_t heard_ms;                    // last segment from the peer
    uint32_t sent_ms;                     // last data sent
    uint32_t progress_ms;                 // since when the peer owes an acknowledgment
    uint8_t rexmit;                       // enum tcp_rexmit
    uint8_t backoff;                      // doublings of the RTO or persist time
    uint8_t dupacks;
    uint8_t keep_probes;             // unanswered
    uint32_t send_bytes, recv_bytes; // in the queue; unread
    uint16_t send_segments;          // in the queue
    uint16_t run_mbufs;              // held out of order
    uint16_t peer_mss;               // as offered
    uint8_t run_count;
    uint8_t closed_reason;                   // enum reason
    uint32_t srtt_us, rttvar_us, rtt_min_us; // srtt_us 0: none is known

    // recovery
    uint64_t user;
    struct tcp_run *runs;                           // out of order
    uint32_t cwnd, ssthresh;                        // bytes
    uint32_t recover;                               // snd_nxt when recovery began
    uint32_t lost_bytes, sacked_bytes, again_bytes; // see tcp_recovery.h
    uint32_t rack_us, rack_end, rack_rtt_us, fack;  // RFC 8985, section 5.2
    uint16_t retransmitted;                         // segments, stops at its most
    uint8_t burst;                                  // segments sent in the millisecond sent_ms
    uint8_t undo_repeats;                           // sent again and not reported as needless
    uint16_t mtu;                                   // of the path
    uint16_t challenge_ms; // low bits of when the last challenge ACK went out
};
static_assert(sizeof(struct tcp_conn) == 256, "four cache lines");
static_assert(offsetof(struct tcp_conn, snd_wnd) == 64 && offsetof(struct tcp_conn, timer) == 128 &&
                  offsetof(struct tcp_conn, user) == 192,
              "a line each");

struct tcp_cold {
    uint32_t w_max; // of CUBIC: tcp_cubic.h
    union {
        struct { // CUBIC's growth, which rests in RECOVERY
            uint32_t w_est, epoch_ms, k_ms;
        };
        struct { // in RECOVERY: RFC 6937, bytes; tcp_recovery.c ends the epoch behind it
            uint32_t prr_delivered, prr_out, prr_flight;
        };
    };
    uint32_t tlp_end; // with TLP: TLP.end_seq of RFC 8985
    uint32_t fin_seq; // of the peer's FIN, when FIN_SEEN
    uint32_t dsack_left;
    uint16_t dsack_size;
    uint8_t reorder_steps; // reo_wnd_mult of RFC 8985
    uint8_t mtu_tick;      // when mtu was lowered: tcp_mtu.c
};
static_assert(sizeof(struct tcp_cold) == 32, "with tcp_conn, table and wheel 306 bytes");

struct tcp_timewait;
struct tcp_trace_ring;
struct tcp_trace_kept;
struct tcp_bucket;

enum { TCP_TABLE_KEYS = 12 };

struct tcp {
    struct tcp_config config;
    struct tcp_conn *conns;
    struct tcp_cold *cold;
    uint32_t conns_used;        // taken, gone ones that are still on a list included
    uint32_t conns_begun;       // those before it were taken once
    uint32_t conns_free;        // index + 1 of the first of them that is free
    struct tcp_bucket *buckets; // tcp_table.h
    uint32_t buckets_count;
    uint64_t table_keys[TCP_TABLE_KEYS];
    uint32_t open; // connections that are not gone

    struct tcp_timewait *waits; // ring
    uint32_t waits_mask, waits_head, waits_tail;

    uint64_t now_us;
    uint32_t now_ms; // low 32 bits
    struct wheel wheel;
    uint32_t output_head, output_tail; // index + 1
    uint32_t event_head, event_tail;   // index + 1
    uint32_t closing;                  // index + 1 of the connection whose CLOSED was told last

    struct tcp_trace_ring *trace_rings; // tcp_trace.h
    struct tcp_trace_kept *trace_kept;  // a ring of those that ended
    uint32_t trace_mask, trace_ended;   // trace_ended: stories kept, in all

    uint32_t buffers_send, buffers_recv; // mbufs held in queues
    uint32_t buffers_most;               // for each of both
    uint32_t segment_room;               // bytes of data in a send segment
    uint32_t ports[64];                  // RFC 6056, algorithm 4
    uint16_t locals_count;
    struct addr locals[TCP_LOCALS_MAX];
};

struct tcp_conn *tcp_conn_take(struct tcp *tcp, uint64_t user); // NULL: pool exhausted
void tcp_conn_enter(struct tcp *tcp, struct tcp_conn *c, enum tcp_state state);
const char *tcp_conn_state_name(enum tcp_state state);
// Windows, options and congestion state as the handshake agreed. local, remote, ports, leg are set.
void tcp_conn_establish(struct tcp *tcp, struct tcp_conn *c, const struct tcp_handshake *h);
void tcp_conn_resize(struct tcp *tcp, struct tcp_conn *c, uint16_t mtu); // mss from a path MTU
// Both FINs are done, or the connection is reset: out of the table, CLOSED is raised (when all is
// read, after an orderly end) or, released, it is gone.
void tcp_conn_close(struct tcp *tcp, struct tcp_conn *c, enum reason reason);
void tcp_conn_gone(struct tcp *tcp, struct tcp_conn *c);   // at once and silently
void tcp_conn_unlist(struct tcp *tcp, struct tcp_conn *c); // gives back when gone and on no list

// Index of a local address, or -1 when there are too many.
int tcp_conn_local(struct tcp *tcp, const struct addr *local);

void tcp_conn_now(struct tcp *tcp, uint64_t now_us);

static inline uint32_t tcp_conn_index(const struct tcp *tcp, const struct tcp_conn *c)
{
    return (uint32_t)(c - tcp->conns);
}
static inline struct tcp_conn *tcp_conn_at(const struct tcp *tcp, uint32_t index)
{
    return tcp->conns + index;
}
static inline struct tcp_cold *tcp_conn_cold(const struct tcp *tcp, const struct tcp_conn *c)
{
    return &tcp->cold[tcp_conn_index(tcp, c)];
}
// generation << 32 | index + 1, as pool.h has it.
static inline handle tcp_conn_handle(const struct tcp *tcp, const struct tcp_conn *c)
{
    return (uint64_t)c->generation << 32 | (tcp_conn_index(tcp, c) + 1);
}
static inline struct tcp_conn *tcp_conn_of(const struct tcp *tcp, handle h)
{
    uint32_t index = (uint32_t)h - 1, generation = (uint32_t)(h >> 32);
    if (index >= tcp->conns_begun || !(generation & 1))
        return NULL;
    struct tcp_conn *c = tcp_conn_at(tcp, index);
    return c->generation == generation && !(c->flags & TCP_CONN_GONE) ? c : NULL;
}

static inline uint32_t tcp_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}
static inline uint32_t tcp_max(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

// One buffer of a queue: its links must not be followed by the free.
static inline void tcp_mbuf_free(struct rte_mbuf *m)
{
    m->next = NULL;
    m->nb_segs = 1;
    rte_pktmbuf_free(m);
}

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One worker's TCP: acceptor behind SYN cookies, connector towards backends (RFC 9293 without a
 * sockets API, urgent data or Fast Open).
 *
 * Share-nothing and pure: no clock, chance or I/O inside. Time is `now_us` (microseconds, never
 * going back, and less than 24 days on from call to call), keys come with the configuration,
 * packets come in by tcp_input and leave through `emit`, so two stacks over a simulated link behave
 * exactly as on the wire. All memory is taken by tcp_open (pools) except mbufs, which come from the
 * given mempool.
 *
 * mbufs start at the IP header. tcp_input takes its mbuf: keeps or frees it. emit gets the mbuf for
 * good; there is headroom for a link header, and checksums are complete, but where the leg's port
 * completes them (port_sums): then the mbuf says so as DPDK wants it, all but l2_len.
 *
 * No segmentation offload: recovery counts, paces and times segments one by one. Its place would be
 * tcp_output's burst: neighbouring segments of one size, chained behind one header by
 * tcp_header_emit, with tso_segsz beside the lengths.
 *
 * The owner (session/) names a connection by handle, HANDLE_NONE is none; a handle of a connection
 * that is gone finds nothing and every call with it is a harmless no-op (sizes 0). It learns what
 * happened through tcp_event_next, never by call-back, so nothing dies under its hands.
 *
 * Refusals are counted through `counters` with the reasons of contract/reason.def.
 */

#include "base/packet.h"
#include "base/pool.h"
#include "base/siphash.h"
#include "contract/counter.h"
#include "contract/trace.h"

struct rte_mbuf;
struct rte_mempool;
struct tcp;

struct tcp_config {
    uint32_t connections; // most at a time, both kinds, 2^23 at most; TIME_WAIT records beside them
    int numa_node;        // of the worker; -1: any
    uint32_t send_bytes;  // most bytes a connection holds for sending (unacknowledged + unsent)
    uint32_t receive_bytes; // most bytes a connection holds unread: its largest window
    uint16_t mtu[LEG_COUNT];
    bool port_sums[LEG_COUNT]; // the leg's port completes TCP checksums
    uint16_t worker, workers;  // local ports of connects are ≡ worker modulo workers
    struct siphash_key key;    // ISNs and ports (RFC 6528, RFC 6056), table hash
    struct rte_mempool *mbufs;
    struct counter_block *counters;
    void (*emit)(void *context, struct rte_mbuf *m, enum leg leg);
    void *context;
};

struct tcp *tcp_open(const struct tcp_config *config) MUST_CHECK; // NULL: no memory
void tcp_shut(struct tcp *tcp);                                   // frees all, sends nothing
size_t tcp_memory(const struct tcp *tcp); // bytes that connections take once all are open

// The connection that a packet belongs to, by its 4-tuple; TIME_WAIT records included.
handle tcp_lookup(struct tcp *tcp, const struct packet *packet);

// The same for the packets of a burst, at most TCP_BURST: first all are looked at, which begins to
// load what looking them up one by one will read, so that they wait for memory together. A look
// says where, not what: it stays good whatever is done to connections meanwhile. Packets and looks
// are those at the places that `which` names.
enum { TCP_BURST = 64 };
struct tcp_look {
    struct tcp_bucket *bucket;
    uint8_t tag;
};
void tcp_look(const struct tcp *tcp, const struct packet *packets, const uint8_t *which,
              unsigned count, struct tcp_look *ret_looks);
handle tcp_lookup_at(struct tcp *tcp, const struct packet *packet, const struct tcp_look *look);

// A segment of connection h (found by tcp_lookup for this very packet). Takes m.
void tcp_input(struct tcp *tcp, handle h, struct rte_mbuf *m, const struct packet *packet,
               uint64_t now_us);

// Makes an established connection from a final ACK whose cookie the guard found valid. The ACK
// itself goes to tcp_input next. `user` comes back in events. HANDLE_NONE: pool exhausted
// (counted).
handle tcp_accept(struct tcp *tcp, const struct packet *ack, const struct tcp_handshake *handshake,
                  uint64_t user, uint64_t now_us);

// Starts a connection; TCP_EVENT_CONNECTED or TCP_EVENT_CLOSED follows. `ret_reason` says why
// HANDLE_NONE was returned (pool, ports).
handle tcp_connect(struct tcp *tcp, const struct addr *local, const struct addr *remote,
                   uint16_t remote_port, enum leg leg, uint64_t user, uint64_t now_us,
                   enum reason *ret_reason);

// True: the packet is the final ACK of a SYN that met TIME-WAIT, which tcp_input answered; for
// tcp_accept, as a cookie's would be.
bool tcp_reopened(struct tcp *tcp, const struct packet *ack, struct tcp_handshake *ret_handshake);

enum tcp_event_bit {         // several at once are one event
    TCP_EVENT_CONNECTED = 1, // connector only
    TCP_EVENT_READABLE = 2,  // there is data to peek at
    TCP_EVENT_WRITABLE = 4,  // tcp_send_room rose after a tcp_send that was cut short
    TCP_EVENT_FINISHED = 8,  // the peer sent FIN: after what is readable nothing more comes
    TCP_EVENT_CLOSED = 16,   // gone; `reason` says why, REASON_NONE after an orderly end. The last
                             // event of a connection; its handle is dead after the next
                             // tcp_event_next. Unread data is lost with it unless it came first.
};
struct tcp_event {
    handle connection;
    uint64_t user;
    uint32_t bits;
    enum reason reason;
};
bool tcp_event_next(struct tcp *tcp, struct tcp_event *ret_event); // false: none waits

// Received bytes in order, without copying: up to `most` spans, valid until the next call with this
// handle or tcp_input. Returns the number of spans.
unsigned tcp_peek(struct tcp *tcp, handle h, struct span *ret_spans, unsigned most);
void tcp_consume(struct tcp *tcp, handle h, size_t size); // opens the window again
size_t tcp_readable(const struct tcp *tcp, handle h);     // bytes

size_t tcp_send(struct tcp *tcp, handle h, struct span data); // copies; bytes taken
size_t tcp_send_room(const struct tcp *tcp, handle h);        // bytes
size_t tcp_unsent(const struct tcp *tcp, handle h); // bytes taken and not yet acknowledged

// Nagle's algorithm (RFC 9293, section 3.7.4), off at first: what does not fill a segment waits
// while anything is unacknowledged. tcp_push: what was taken up to now is complete and does not
// wait.
void tcp_nagle(struct tcp *tcp, handle h, bool on);
void tcp_push(struct tcp *tcp, handle h);

void tcp_finish(struct tcp *tcp, handle h); // FIN behind what was taken; reading goes on
void tcp_abort(struct tcp *tcp, handle h);  // RST, gone at once, no event follows
// From now on the connection's events, those that wait included, come with this user.
void tcp_give(struct tcp *tcp, handle h, uint64_t user);
// The owner lets go: no more events, unread data is discarded, FIN is sent if it was not, the stack
// sees the connection to its end (RST if the peer goes on sending, or has not taken what is left in
// five minutes).
void tcp_release(struct tcp *tcp, handle h);

// Time-outs, delayed ACKs and whatever became sendable since the last call. Call it every turn,
// after the sessions ran. Bounded work; the rest waits for the next call.
void tcp_advance(struct tcp *tcp, uint64_t now_us);
uint64_t tcp_next_us(const struct tcp *tcp); // when to call at the latest, for loops that sleep

// A RST that answers a segment of no connection (RFC 9293, section 3.10.7.1), for a peer that is
// proven and believes in one that we refused; never for strangers, whose sources may be forged.
void tcp_refuse(struct tcp *tcp, const struct packet *packet);

// An ICMP error that quotes one of our segments (RFC 5927): hard errors only end a SYN-SENT, and
// packet-too-big lowers the path MTU of a connection with that sequence in flight. `next_mtu` 0:
// not a size error. The quote's src is ours.
void tcp_icmp(struct tcp *tcp, const struct packet *quoted, uint16_t next_mtu, bool hard,
              uint64_t now_us);

struct tcp_info {
    struct addr local, remote;
    uint16_t local_port, remote_port;
    const char *state; // RFC 9293 name
    uint32_t rtt_us, cwnd_bytes, retransmitted;
};
bool tcp_info(const struct tcp *tcp, handle h, struct tcp_info *ret_info);
uint32_t tcp_connections(const struct tcp *tcp);

// What became of a connection, and of the latest that ended by a reset, a time-out or an abort:
// age 0 is the last of them. False: it is gone; there are not so many.
bool tcp_story(const struct tcp *tcp, handle h, struct trace_story *ret_story);
bool tcp_story_ended(const struct tcp *tcp, uint32_t age, struct trace_story *ret_story);

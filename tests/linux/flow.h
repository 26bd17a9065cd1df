// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What one end of a connection does, whichever stack is under it: how much it sends and when, how
 * much it reads, how it ends, and whether every byte that came is the right one.
 *
 * A flow is opened by a line
 *
 *   open NUMBER connect|listen ADDRESS PORT [send=BYTES] [turn=BYTES] [lead] [wait]
 *        [abort=BYTES] [leave=BYTES]
 *
 * and reports by one JSON line when it is over. It sends `send` bytes and then FIN: at once; or
 * with `wait` after the peer's FIN; or with `turn` so many at a time, each after the peer's last
 * turn came in (`lead`: the first one before). `abort` resets the connection after so many bytes
 * have come, `leave` closes it then, with further ones unread.
 *
 * Bytes are those of a file that both ends have, over and over, from an offset of the flow's own
 * and the direction's.
 *
 * The stack calls flow_up, flow_take, flow_fin, flow_push and flow_over as things happen, and
 * implements the four calls at the end. One thread.
 */

#include "base/addr.h"
#include "base/span.h"

struct flow {
    uint64_t number;
    bool connects;
    struct addr addr; // to connect to
    uint16_t port;
    uint64_t to_send, turn, abort_at, leave_at;
    bool lead, wait;

    bool open, up, fin_sent, fin_came;
    uint64_t sent, received;
    int64_t wrong_at; // offset of the first wrong byte, -1: none
    uint64_t up_us, last_us;

    uint64_t stack; // the stack's own name of the connection
};

enum { FLOWS_MAX = 256 };
extern struct flow flows[FLOWS_MAX]; // those that were opened come first
extern unsigned flow_count;

void flow_pattern(const char *path); // the file; ends the program when it cannot be read
// A line of standard input: `open …`, or `forget`, which drops all flows. False: the stack's own.
bool flow_command(char *line);

void flow_up(struct flow *f);
// Bytes that came in order. Returns how many of them were read; fewer: the flow is over.
size_t flow_take(struct flow *f, struct span bytes);
void flow_fin(struct flow *f);        // the peer's, behind all that was taken
bool flow_push(struct flow *f);       // sends what may be sent; true: the stack had no more room
bool flow_done(const struct flow *f); // both directions have ended
// `how`: "orderly", "reset", "refused", "aborted", "left", or whatever else happened.
void flow_over(struct flow *f, const char *how, uint64_t repeated, const char *options);

// Of the stack:
void stack_open(struct flow *f);
size_t stack_send(struct flow *f, struct span bytes); // how many were taken
void stack_finish(struct flow *f);
void stack_abort(struct flow *f); // RST; calls flow_over
void stack_leave(struct flow *f); // closes with data unread; calls flow_over

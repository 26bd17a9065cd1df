// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One TCP stack and a peer played by the test: segments go in by fields and what comes out is kept
 * for the test to look at. The peer is 192.0.2.1:4000, we are 192.0.2.2:25; its stream begins at
 * PEER, ours at OURS (both one behind the ISN). Time is stage.now_us and goes by stage_wait only.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tcp/tcp_conn.h"

enum {
    PEER = 1000001,
    OURS = 7000001,
    STAGE_KEPT = 2048,
    STAGE_MSS = 1460,
    STAGE_SEND_BYTES = 65536,
    STAGE_RECEIVE_BYTES = 32768,
};

struct stage_segment {
    struct packet packet;
    uint8_t data[1500];
};

struct stage {
    struct tcp *tcp;
    struct rte_mempool *mbufs;
    struct counter_block counters;
    uint64_t now_us;
    handle h;              // of stage_accept or stage_connect
    struct packet base;    // addresses and ports of a segment from the peer
    unsigned count;        // emitted and not yet taken
    unsigned left_to_port; // of those emitted, by their checksums
    struct stage_segment kept[STAGE_KEPT];
};

void stage_open(struct stage *stage);
void stage_shut(struct stage *stage); // fails when an mbuf is missing

// An established connection; nothing emitted is left.
void stage_accept(struct stage *stage, bool sack, bool timestamps);
// Connected to the peer by a SYN and its answer; CONNECTED is taken.
void stage_connect(struct stage *stage);
// A SYN that waits for its answer; its ISN is OURS - 1 afterwards as the peer counts.
struct packet stage_syn_sent(struct stage *stage);

// A segment from the peer, by offsets into both streams; window not scaled.
struct packet stage_segment(const struct stage *stage, uint8_t flags, int64_t seq, int64_t ack);
void stage_give_packet(struct stage *stage, const struct packet *packet, struct span data);
void stage_give(struct stage *stage, uint8_t flags, int64_t seq, int64_t ack, size_t size);
void stage_ack(struct stage *stage, int64_t ack); // a pure one

// The next emitted segment, which must be there; seq and ack as offsets.
struct stage_segment stage_take(struct stage *stage);
void stage_take_none(struct stage *stage);
void stage_take_all(struct stage *stage);
int64_t stage_seq(const struct stage_segment *segment);
int64_t stage_acked(const struct stage_segment *segment);

void stage_advance(struct stage *stage);
void stage_wait(struct stage *stage, uint64_t ms); // in steps of a millisecond, advancing
size_t stage_send(struct stage *stage, size_t size);
uint32_t stage_events(struct stage *stage); // bits of all that wait
uint64_t stage_refused(const struct stage *stage, enum reason reason);
struct tcp_conn *stage_conn(const struct stage *stage); // of stage.h, must live
const char *stage_state(const struct stage *stage);     // "CLOSED" when gone

// The stage that the tests of a file share. stage_bare only opens it; stage_up accepts a connection
// too, with SACK and without timestamps.
extern struct stage s;
int stage_bare(void **state);
int stage_up(void **state);
int stage_down(void **state);
#define with(test)       cmocka_unit_test_setup_teardown(test, stage_up, stage_down)
#define with_bare(test)  cmocka_unit_test_setup_teardown(test, stage_bare, stage_down)
#define stage_run(tests) cmocka_run_group_tests(tests, NULL, NULL)

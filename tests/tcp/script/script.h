// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What the files of the script player share: script.c reads scripts and plays their lines,
 * script_way.c leads a connection to the state where a case begins, script_field.c understands the
 * fields of a segment.
 */

#include "support/tcp_record.h"
#include "tcp/tcp.h"

enum { WORDS_MAX = 24, LINES_MAX = 64, KEPT_MAX = 512, BYTES = 32768, SCALE = 7, WIDTH_MAX = 256 };

struct line {
    unsigned number, count;
    char *words[WORDS_MAX];
    char text[WIDTH_MAX];
};

struct script_case {
    const char *file;
    char name[WIDTH_MAX];
    unsigned lines;
    struct line line[LINES_MAX];
};

struct play {
    const struct script_case *script;
    const struct line *at;
    const char *from; // the state that it began in
    bool v4, connect, timestamps, sack, scale, failed, edge_known;
    uint16_t mss; // of the peer
    struct tcp *tcp;
    struct rte_mempool *mbufs;
    struct counter_block counters, before;
    uint64_t now_us;
    handle h;
    struct packet base;
    uint32_t peer, ours;          // origins of numbers
    uint32_t peer_next, our_next; // as the segments told
    uint32_t edge, una;
    uint32_t stamp; // the last timestamp of the peer
    unsigned kept_count;
    struct packet kept[KEPT_MAX];
    struct tcp_record record;
};

// The first of a play is told.
void script_failed(struct play *p, const char *what, const char *more);

void script_open(struct play *p); // the stack
void script_reach(struct play *p, const char *state);
const char *script_state(struct play *p);
unsigned script_events(struct play *p);                              // bits of all that wait
struct packet script_from_peer(const struct play *p, uint8_t flags); // what would come next
void script_give(struct play *p, const struct packet *packet, size_t size);

enum { HAS_SEQ = 1, HAS_ACK = 2, HAS_WINDOW = 4, HAS_SACK = 8, HAS_MSS = 16, HAS_SCALE = 32 };

// "12", "-1", "edge", "edge+1", "una-1". The rest of the word is left in *ret_rest.
uint32_t script_number(const struct play *p, const char *word, uint32_t origin, char **ret_rest);
bool script_flags(const char *word, uint8_t *ret_flags); // false: not understood
// False: a word is not understood. ret->payload_size is the segment's; *ret_has gets bits of HAS_*.
bool script_fields(const struct play *p, const struct line *l, uint32_t seq_origin,
                   uint32_t ack_origin, struct packet *ret, unsigned *ret_has);

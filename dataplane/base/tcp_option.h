// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The TCP options that Weir speaks: MSS, window scale, SACK and timestamps (RFC 9293, section 3.2;
 * RFC 7323; RFC 2018). Parsing is total: any bytes give a result or false, and unknown options are
 * skipped. What a peer left out has the value that the RFCs imply.
 */

#include "base/span.h"

enum {
    TCP_SACK_BLOCKS_MAX = 4,
    TCP_MSS_DEFAULT_V4 = 536,
    TCP_MSS_DEFAULT_V6 = 1220,
    TCP_WINDOW_SCALE_MAX = 14,
    TCP_WINDOW_SCALE_OURS = 7, // what guard advertises in a SYN-ACK and tcp applies afterwards
};

struct tcp_sack_block {
    uint32_t left, right; // [left, right)
};

struct tcp_option {
    uint32_t ts_value, ts_echo;
    uint16_t mss;         // 0: not given
    uint8_t window_scale; // capped at 14
    uint8_t sack_count;   // blocks
    bool has_window_scale, has_timestamps, sack_permitted;
    struct tcp_sack_block sack[TCP_SACK_BLOCKS_MAX];
};

bool tcp_option_parse_some(struct span options, struct tcp_option *option); // into an empty one

// False when an option's length is impossible; *ret_option is unspecified then. (It is filled in
// place: a copy from the stack, field by field written and read at once, costs as much again.)
static inline bool tcp_option_parse(struct span options, struct tcp_option *ret_option)
{
    memset(ret_option, 0, offsetof(struct tcp_option, sack));
    return options.size == 0 || tcp_option_parse_some(options, ret_option);
}

// Writes what is set (MSS and window scale only on SYN), padded to a multiple of 4.
// Returns bytes written, at most 40.
size_t tcp_option_write(const struct tcp_option *option, bool syn, uint8_t out[40]);

/* What a handshake agreed on, from the acceptor's view: the guard learns it from a SYN cookie, the
 * connector's code from a SYN-ACK. */
struct tcp_handshake {
    uint32_t iss;              // our initial sequence number
    uint32_t irs;              // the peer's
    uint32_t ts_offset;        // our TSval is now_us / 1000 + ts_offset, modulo 2^32
    uint32_t ts_recent;        // the peer's last timestamp value
    uint16_t peer_mss;         // the peer's offer, or the family's default
    uint8_t peer_window_scale; // 0 when scaling is off
    bool window_scaling, timestamps, sack;
    uint64_t shadowed; // limits in shadow mode that would have refused it, bits 1 << enum limit
    uint8_t class;     // of its source
};

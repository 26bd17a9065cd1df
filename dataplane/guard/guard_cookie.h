// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SYN cookies (RFC 4987, section 3.6): a SYN is answered without keeping anything; what must be
 * remembered of it comes back in the final ACK.
 *
 *   without timestamps   iss = slot parity 1 | MSS 3 | SACK 1 | window scale 4 | MAC 23
 *   with timestamps      iss = slot parity 1 | MSS 3 | MAC 28,  TSval's low bits = SACK 1 | scale 4
 *
 * MAC = SipHash-2-4 over both addresses and ports, the client's initial sequence number and all the
 * options, under a key of the time slot: nothing can be changed without it. A blind forger hits one
 * in 2^23 without timestamps; with them one in 2^28 that also echoes a TSval of the last two
 * minutes out of 2^32.
 *
 * Slots last 64 s and each has a key of its own, derived from the boot's; a cookie is good in its
 * own slot and the next, so for 64 to 128 s, its maximum age. What a key made is worth nothing from
 * then on.
 *
 * Window scale is kept whole; the MSS is rounded down to one of eight. Our timestamp clock runs in
 * milliseconds with an offset a connection (RFC 7323, section 5.4), which is the half of the same
 * hash that the MAC does not use, so one hash makes a SYN-ACK: 18 bytes of IPv4, 42 of IPv6, side
 * by side for a burst. The SYN-ACK's TSval lies up to 32 ms behind the clock, never ahead, so every
 * later TSval is greater or equal.
 *
 * No state but the keys, any worker can check what another one made.
 */

#include "base/packet.h"
#include "base/siphash_burst.h"

enum { GUARD_COOKIE_SLOT_US = 64000000, GUARD_COOKIE_TS_LAG_MS = 32 };

struct guard_cookie_slot {
    uint64_t number; // since boot
    struct siphash_key key;
};

struct guard_cookie {
    struct siphash_key key;
    struct guard_cookie_slot slots[2]; // derived already, by parity
};
void guard_cookie_init(struct guard_cookie *cookie, const struct siphash_key *key);

struct guard_cookie_answer { // what the SYN-ACK carries
    uint32_t iss;
    uint32_t ts_value; // when the SYN had timestamps
};

// At most SIPHASH_BURST.
void guard_cookie_make(struct guard_cookie *cookie, const struct packet *const *syns,
                       unsigned count, uint64_t now_us, struct guard_cookie_answer *ret_answers);
// The SYN's MSS as a cookie remembers it.
uint16_t guard_cookie_mss(const struct packet *syn);
// False: no cookie of ours, or too old. `ack` is any segment that acknowledges the SYN-ACK only.
bool guard_cookie_check(struct guard_cookie *cookie, const struct packet *ack, uint64_t now_us,
                        struct tcp_handshake *ret_handshake);

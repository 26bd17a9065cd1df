// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SYN cookies (RFC 4987, section 3.6): a SYN is answered without keeping anything; what must be
 * remembered of it comes back in the final ACK.
 *
 *   without timestamps   iss = slot parity 1 | MSS 3 | SACK 1 | window scale 4 | MAC 23
 *   with timestamps      iss = slot parity 1 | MSS 3 | MAC 28,  TSval's low bits = SACK 1 | scale 4
 *
 * MAC = SipHash-2-4 over both addresses and ports, the client's initial sequence number, the time
 * slot and all the options: nothing can be changed without the key. A blind forger hits one in 2^23
 * without timestamps; with them one in 2^28 that also echoes a TSval of the last two minutes out
 * of 2^32.
 * Slots last 64 s; a cookie is good in its own and the next, so for 64 to 128 s.
 *
 * Window scale is kept whole; the MSS is rounded down to one of eight. Our timestamp clock runs in
 * milliseconds with an offset a connection (RFC 7323, section 5.4): the SYN-ACK's TSval lies up to
 * 32 ms behind it, never ahead, so every later TSval is greater or equal.
 *
 * Pure: no state but the keys, any worker can check what another one made.
 */

#include "base/packet.h"
#include "base/siphash.h"

enum { GUARD_COOKIE_SLOT_US = 64000000, GUARD_COOKIE_TS_LAG_MS = 32 };

struct guard_cookie {
    struct siphash_key mac_key, offset_key;
};

struct guard_cookie_answer { // what the SYN-ACK carries
    uint32_t iss;
    uint32_t ts_value; // when the SYN had timestamps
};

struct guard_cookie_answer guard_cookie_make(const struct guard_cookie *cookie,
                                             const struct packet *syn, uint64_t now_us);
// The SYN's MSS as a cookie remembers it.
uint16_t guard_cookie_mss(const struct packet *syn);
// False: no cookie of ours, or too old. `ack` is any segment that acknowledges the SYN-ACK only.
bool guard_cookie_check(const struct guard_cookie *cookie, const struct packet *ack,
                        uint64_t now_us, struct tcp_handshake *ret_handshake);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The server's side of SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677), one exchange, without keys of
 * its own: they are arguments of each step, looked up again for the second, so none is kept. No
 * clock, no chance, no allocation.
 *
 *   client  n,,n=user,r=NONCE                  GS2 header, bare message
 *   server  r=NONCEOURS,s=salt,i=iterations
 *   client  c=GS2HEADER[BINDING],r=NONCEOURS,p=proof
 *   server  v=signature
 *
 * -PLUS binds the exchange to the channel by tls-exporter (RFC 9266) and no other type. A client
 * that says 'y', "you cannot", where we can, was told less than we offered, and is refused (RFC
 * 5802, section 6). Acting for somebody else is not offered. Extensions that must be understood are
 * refused, others are passed over.
 */

#include "base/base64.h"
#include "base/limits.h"
#include "contract/mechanism.h"
#include "contract/message.h"
#include "lookup/password_scram.h"

enum {
    SCRAM_HEADER_MAX = 2 * USER_NAME_MAX,
    SCRAM_BARE_MAX = 4 * USER_NAME_MAX,
    SCRAM_CLIENT_NONCE_MAX = 256,
    SCRAM_NONCE_BYTES = 18, // ours; 24 characters
    SCRAM_FIRST_MAX =
        SCRAM_CLIENT_NONCE_MAX + BASE64_SIZE(SCRAM_NONCE_BYTES) + BASE64_SIZE(SCRAM_SALT_MAX) + 32,
    SCRAM_LAST_SIZE = 2 + BASE64_SIZE(SCRAM_KEY) - 1,
};

struct scram_server {
    uint16_t header_size, bare_size, nonce_size, first_size;
    uint8_t binding_size; // 0: none
    uint8_t user_size;
    char user[USER_NAME_MAX];                        // lower case
    uint8_t header[SCRAM_HEADER_MAX + SASL_BINDING]; // and the binding, as c= has it
    char bare[SCRAM_BARE_MAX];
    char first[SCRAM_FIRST_MAX]; // the server's first message; begins with "r=" and the nonce
};

// Reads the client's first message. `binding` is the channel's, NULL: it has none. False: refused.
bool scram_server_begin(struct scram_server *scram, enum mechanism mechanism, struct span message,
                        const uint8_t *binding) MUST_CHECK;
// Makes the server's first message, scram->first.
void scram_server_challenge(struct scram_server *scram, const struct password_scram *keys,
                            const uint8_t nonce[SCRAM_NONCE_BYTES]);
// Judges the client's last message. True: proven, and the server's last message is in `ret_last`.
bool scram_server_judge(const struct scram_server *scram, const struct password_scram *keys,
                        struct span message, uint8_t ret_last[SCRAM_LAST_SIZE]) MUST_CHECK;

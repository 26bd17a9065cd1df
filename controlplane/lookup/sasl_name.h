// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What a SASL client says first: the GS2 header of SCRAM and OAUTHBEARER (RFC 5801, section 4), and
 * the user's name. Foreign bytes, before anything is proven; nothing is allocated.
 */

#include "base/limits.h"
#include "base/span.h"
#include "contract/mechanism.h"

struct gs2_header {
    struct span text;    // all of it, with its last comma
    char flag;           // 'n', 'y' or 'p'
    struct span binding; // the type that 'p' names
    struct span authzid; // still encoded; empty: none
};

// Takes the header off the message. False: malformed.
bool gs2_header_take(struct span *message, struct gs2_header *ret_header);

// A saslname (RFC 5802, section 5.1): "=2C" and "=3D" stand for ',' and '='. A login has no control
// bytes and is 1 to USER_NAME_MAX long; letters become lower case. False: it is none.
bool sasl_name_decode(struct span text, char user[USER_NAME_MAX], uint8_t *ret_size);

// Whom a mechanism's first message is about: the authentication identity of SCRAM, the
// authorisation identity of OAUTHBEARER, the user of XOAUTH2.
bool sasl_name_find(enum mechanism mechanism, struct span message, char user[USER_NAME_MAX],
                    uint8_t *ret_size);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Records of TLS 1.3 as a client may seal them, which tls_record.h would not: of any type, with
 * padding. The client is that same code, its secrets changed over. Faults of the test itself end
 * it.
 */

#include "tls/tls_record.h"

enum { SEAL_ALERT = 21, SEAL_HANDSHAKE = 22, SEAL_DATA = 23 };

// Both ends of one connection.
void tls_seal_start(struct tls_record *server, struct tls_record *client, uint16_t suite);
// The client's next record behind what waits there.
void tls_seal(struct tls_record *client, uint8_t type, struct span data, size_t padding,
              struct tls_buffer *to);

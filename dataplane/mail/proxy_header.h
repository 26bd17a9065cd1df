// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The PROXY protocol, version 2 (HAProxy's proxy-protocol.txt): who the client is, said before the
 * first byte of the connection itself. With TLS facts, the name that the client asked for, and the
 * session's id. No CRC: TCP has checksums, and who can change bytes can change the CRC with them.
 */

#include "base/addr.h"
#include "base/limits.h"
#include "base/span.h"

enum { PROXY_HEADER_MAX = 16 + 36 + 512 };

struct proxy_facts {
    struct addr client, local;
    uint16_t client_port, local_port;
    uint64_t id;
    uint8_t tls_version;     // 0: in the clear, 2: TLS 1.2, 3: TLS 1.3
    struct span cipher;      // of TLS
    struct span server_name; // that the client asked for; may be empty
};

// Bytes written. `facts` NULL: the connection is our own (LOCAL).
size_t proxy_header_make(const struct proxy_facts *facts, uint8_t out[PROXY_HEADER_MAX]);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Everything that a peer or a configuration can make grow, in one place, with the relations that
 * must hold between the numbers. Configurable sizes live in the policy (contract/policy.h); these
 * are the bounds that the code is built for.
 */

#include <assert.h>

enum {
    WORKERS_MAX = 32,
    SERVICES_MAX = 16,
    BACKENDS_MAX = 32,
    BACKEND_SERVERS_MAX = 8, // of one backend
    DOMAINS_MAX = 1024,      // recipient domains
    NETWORKS_MAX = 256,      // of one list: that may relay, that need not keep to CR LF
    CERTIFICATES_MAX = 64,
    ROUTES_MAX = 32,
    PORTS_MAX = 2, // outside and inside; one port may be both

    LINE_BYTES_MAX =
        4096,         // bytes of a command line, CR LF included, in any protocol before a literal
    REPLY_MAX = 2048, // bytes that one event may make a protocol reply at the most
    INPUT_BUFFER_SIZE = 16384, // bytes of plaintext that wait for a protocol, a side

    SASL_LINE_MAX = 12288, // bytes of a base64 response (RFC 4954, section 4), CR LF not counted
    SASL_RESPONSE_MAX = SASL_LINE_MAX / 4 * 3,

    USER_NAME_MAX = 255,
    PASSWORD_MAX = 255,
    HOST_NAME_MAX_DNS = 255, // RFC 1035, section 2.3.4
    MAIL_ADDRESS_MAX = 320,  // 64 @ 255, RFC 5321, section 4.5.3.1
    PATH_NAME_MAX = 255,     // file names in the policy
};

static_assert(LINE_BYTES_MAX <= INPUT_BUFFER_SIZE / 2,
              "a whole line always fits beside a partial one");
static_assert(SASL_LINE_MAX + 2 <= INPUT_BUFFER_SIZE, "a whole response waits in one buffer");
static_assert(REPLY_MAX <= INPUT_BUFFER_SIZE, "one event's reply fits the send buffer");

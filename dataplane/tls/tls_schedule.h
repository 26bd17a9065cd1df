// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The key schedule of TLS 1.3 (RFC 8446, section 7.1) for OpenSSL's handshakes: its TLS13-KDF, as a
 * provider of our own. So the secrets of an established connection can be had, which OpenSSL gives
 * out only as text for key logs, and a handshake derives its keys without looking up each algorithm
 * anew: a tenth of its time.
 */

#include "tls/tls_suite.h"

// What SSL_CTX_new_ex is to be given, so that the handshakes of a context use it.
#define TLS_SCHEDULE_PROPERTIES "?provider=weir"

struct tls_secrets {                                          // of an established connection
    uint8_t client[TLS_SECRET_MOST], server[TLS_SECRET_MOST]; // application traffic secrets
    uint8_t exporter[TLS_SECRET_MOST];                        // exporter master secret
    uint8_t known;                                            // a bit each
};
enum { TLS_SECRETS_ALL = 7 };

bool tls_schedule_load(void) MUST_CHECK; // once a process, suites too; false: no memory
// Until the next call, this thread's handshake notes its secrets there; NULL: nowhere.
void tls_schedule_note(struct tls_secrets *secrets);

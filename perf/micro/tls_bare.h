// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The peer of the tls benches: handshakes between two bare OpenSSL ends in memory, TLS 1.3, P-256
 * certificate, one ticket each, no session cache, OpenSSL's defaults otherwise. Only the server's
 * calls are timed: SSL_new, SSL_accept until it is done, SSL_free.
 */

#include <stdbool.h>
#include <stdint.h>

struct tls_bare;

struct tls_bare *tls_bare_open(bool resumes); // clients resume what the first one made
void tls_bare_shut(struct tls_bare *bare);
uint64_t tls_bare_run(struct tls_bare *bare, uint64_t handshakes); // the server's time, ns

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* TLS towards the backends, as their client: a context for each backend that has it.
 *
 * TLS 1.2 and 1.3; the server's certificate must lead to a trusted one (tls_ca_file, or the
 * system's) and be good for tls_name or, without one, for the server's address (RFC 9525), unless
 * the policy says otherwise. Sessions are those of tls/tls.h and hold the contexts, so replacing
 * them ends nobody. Built by the main lcore, immutable afterwards.
 */

#include "tls/tls.h"

struct tls_clients;

// NULL: *ret_what (static or in the caller's `text`) names file and cause.
struct tls_clients *tls_clients_build(const struct policy *policy, char *text, size_t text_size,
                                      const char **ret_what) MUST_CHECK;
void tls_clients_free(struct tls_clients *clients); // NULL is fine

// A session whose first flight waits in tls_output. NULL: no memory, or the backend has no TLS.
struct tls *tls_client_open(struct tls_clients *clients, unsigned backend,
                            const struct addr *server) MUST_CHECK;

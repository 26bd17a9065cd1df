// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* TLS server side by OpenSSL 3, bytes in and bytes out: no sockets, no clock, no threads.
 *
 * TLS 1.2 and 1.3 only, no renegotiation, compression or early data; P-256 and X25519; certificates
 * chosen by SNI, the first one otherwise; ALPN strictly the service's own when the client offers
 * any (RFC 7301, RFC 8314: imap, pop3; SMTP has no registered name, so an offer of only foreign
 * names is refused). Sessions are resumed by tickets. Under TLS 1.3 OpenSSL makes the handshake,
 * and what stays of it are keys: records of an open session are sealed and opened here
 * (tls_record.h), so an idle one costs some 500 bytes, not 14 KB. Under 1.2 OpenSSL stays, without
 * record buffers while it is idle (SSL_MODE_RELEASE_BUFFERS).
 *
 * A context is built aside by the main lcore and immutable afterwards (sessions take references, so
 * replacing it ends nobody). A session belongs to one worker. OpenSSL allocates; this is the stated
 * exception to the rule that the packet path does not.
 */

#include "base/check.h"
#include "base/span.h"
#include "contract/policy.h"
#include "contract/reason.h"

struct tls_tickets;
struct tls_context;
struct tls;

// The keys of tickets, shared by all workers and contexts, which they outlive (tls_tickets.h).
// NULL: no memory, or no entropy.
struct tls_tickets *tls_tickets_open(uint64_t now_us) MUST_CHECK;
void tls_tickets_shut(struct tls_tickets *tickets); // NULL is fine
// Rotates them when it is time; one thread, some times a second. -errno: no entropy, the keys in
// use stay for another period.
int tls_tickets_advance(struct tls_tickets *tickets, uint64_t now_us) MUST_CHECK;

// Loads all certificates and keys of the policy. NULL: *ret_what (static or in the caller's `text`)
// names file and cause.
struct tls_context *tls_context_build(const struct policy *policy, struct tls_tickets *tickets,
                                      char *text, size_t text_size,
                                      const char **ret_what) MUST_CHECK;
void tls_context_free(struct tls_context *context); // sessions may go on

struct tls *tls_open(struct tls_context *context,
                     enum protocol protocol) MUST_CHECK; // NULL: memory
void tls_close(struct tls *tls);

enum tls_state { TLS_HANDSHAKING, TLS_OPEN, TLS_PEER_CLOSED, TLS_FAILED };

// Gives received bytes to the session; returns how many it took (0: it has enough to work on).
size_t tls_feed(struct tls *tls, struct span ciphertext);
// The next tls_step will do work.
bool tls_has_step(const struct tls *tls);
// Goes on with the handshake: at most one flight. The state after it.
enum tls_state tls_step(struct tls *tls);
// Decrypted bytes into buffer; 0: nothing now, see *ret_state.
size_t tls_read(struct tls *tls, uint8_t *buffer, size_t size, enum tls_state *ret_state);
// Encrypts; returns bytes of plaintext taken. What comes out waits in tls_output; nothing is taken
// while more than 32 KiB wait.
size_t tls_write(struct tls *tls, struct span plaintext);
void tls_finish(struct tls *tls);        // close_notify
struct span tls_output(struct tls *tls); // ciphertext to send; valid until the next call
void tls_output_sent(struct tls *tls, size_t size);

struct tls_facts {
    uint8_t version;                         // 2: TLS 1.2, 3: TLS 1.3
    const char *cipher;                      // OpenSSL's name
    char server_name[HOST_NAME_MAX_DNS + 1]; // SNI, LDH-checked, or ""
    bool resumed;
};
void tls_facts(const struct tls *tls, struct tls_facts *ret_facts);
enum { TLS_BINDING = 32 };
// The channel binding tls-exporter (RFC 9266) into out[TLS_BINDING], NULL: only look. TLS 1.3 only:
// under 1.2 it wants the extended master secret, and libraries do not agree whether its context is
// empty or none.
bool tls_binding(const struct tls *tls, uint8_t *out);
// Why TLS_FAILED: foreign ALPN and HTTP are told from other handshakes and records that fail.
enum reason tls_refusal(const struct tls *tls);
const char *tls_error_text(const struct tls *tls); // why TLS_FAILED, for the log

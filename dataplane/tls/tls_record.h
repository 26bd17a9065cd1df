// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Records of an established TLS 1.3 connection (RFC 8446, section 5), so that OpenSSL's connection,
 * 14 KB of it, need not outlive the handshake that it made: what stays is a secret, a key and a
 * counter each way.
 *
 * Only the server's end: from a client nothing comes but data, alerts and KeyUpdate (sections 6 and
 * 4.6.3); renegotiation, early data and authentication after the handshake are not there. Data is
 * decrypted in place, in the buffer that it came in. The first record that is not right ends the
 * connection with the alert that the RFC names, and so do records without data, KeyUpdates among
 * them, that outnumber those with data by TLS_RECORD_IDLE_MOST. A key is changed before it has
 * sealed TLS_RECORD_KEY_MOST records (section 5.5).
 *
 * The algorithms are OpenSSL's. For the files of tls/ only.
 */

#include "tls/tls_buffer.h"
#include "tls/tls_schedule.h"

enum {
    TLS_RECORD_HEAD = 5,
    TLS_RECORD_TAG = 16,
    TLS_RECORD_DATA_MOST = 1 << 14,
    TLS_RECORD_KEY_MOST = 1 << 23, // RFC 8446 allows 2^24.5 of AES-GCM
    TLS_RECORD_IDLE_MOST = 32,     // records without data beyond those with data
};

struct tls_record_way {
    uint8_t key[TLS_KEY_MOST], iv[TLS_IV_SIZE];
    uint64_t sequence; // of the next record
};

struct tls_record {
    const struct tls_suite *suite;
    struct tls_secrets secrets; // of the traffic: their latest generation
    struct tls_record_way read, write;
    uint16_t waiting;  // bytes of data at the front of the input, decrypted
    uint16_t behind;   // bytes after them that belong to the same record
    uint8_t idle;      // records that brought no data, less those that did
    bool closed;       // close_notify came
    const char *error; // constant text, NULL: none
};

// The secrets are there, and so are the sequence numbers. False: no memory.
bool tls_record_start(struct tls_record *record, const struct tls_suite *suite) MUST_CHECK;
// Keying material without a context (section 7.5), at most as long as a hash. False: no memory.
bool tls_record_export(const struct tls_record *record, const char *label, uint8_t *out,
                       size_t size) MUST_CHECK;
void tls_record_wipe(struct tls_record *record);

// Appends one record of at most TLS_RECORD_DATA_MOST bytes of data. False: no memory.
bool tls_record_write(struct tls_record *record, struct span data,
                      struct tls_buffer *output) MUST_CHECK;
void tls_record_finish(struct tls_record *record, struct tls_buffer *output); // close_notify
// Data of the records at the front of the input, which they leave; bytes. What has to be answered
// is, on the output. `closed` or `error` is set by what ends it.
size_t tls_record_read(struct tls_record *record, struct tls_buffer *input,
                       struct tls_buffer *output, uint8_t *to, size_t size);

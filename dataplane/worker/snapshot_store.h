// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Snapshots on the main lcore: from a sealed memfd to what workers swap to, and back to free memory
 * when the last session under an old one has ended.
 */

#include "base/check.h"
#include "session/snapshot.h"

struct tls_tickets;

struct snapshot_store {
    struct tls_tickets *tickets; // the owner's, set before the first snapshot, given back after all
    struct snapshot *newest;     // list by `older`
    unsigned workers;
};

// Maps and checks the memfd, builds TLS context, rules and lists. 0; or -errno and a text for the
// operator, and everything stays as it was. fd stays the caller's. `boot` is what runs now, or NULL
// for the first: another boot part is refused (-EBUSY).
int snapshot_store_add(struct snapshot_store *store, int fd, uint64_t size,
                       const struct policy_boot *boot, char *ret_text, size_t text_size) MUST_CHECK;

// Frees those that no worker and no session uses any more.
void snapshot_store_collect(struct snapshot_store *store);
void snapshot_store_done(struct snapshot_store *store); // all of them; workers have stopped

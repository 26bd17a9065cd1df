// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* How the control plane gets hold of the data plane: one SOCK_SEQPACKET unix connection a role.
 *
 * The data plane listens; each role (ops: the control plane's loop; dns, auth: its children) has at
 * most one connection, a new one replaces the old. Peers are checked by SO_PEERCRED. The life of
 * the connection is the life of the channels handed over on it: when either end closes or dies, the
 * other sees it at once, throws the channels away, and a new connection gets fresh ones. That is
 * the whole recovery protocol. Workers ask open questions again on the fresh channels.
 *
 *   any role   -> attach_hello
 *   ops only   -> attach_policy + sealed memfd   (at least once, first; later whenever it changes)
 *              <- attach_result                  (the first may start the workers)
 *   any role   <- attach_welcome + fds: a channel memfd for each worker, the role's bell
 *                 (contract/doorbell.h), and for ops the counter memfd (read-only) at the end
 *
 * dns and auth are welcomed once the first policy was taken. On ops channels the control plane is
 * the asker; on dns and auth channels the worker is. The bell is rung by workers for the
 * control plane's sleep (spsc_wants_bell); workers poll and need none.
 */

#include "base/limits.h"
#include "contract/spsc.h"

#include <stdint.h>

enum { ATTACH_MAGIC = 0x57454154, ATTACH_FDS_MAX = WORKERS_MAX + 2 };

enum attach_role { ROLE_OPS, ROLE_DNS, ROLE_AUTH, ROLE_COUNT };

struct attach_hello {
    uint32_t magic;
    uint16_t version; // contract_version
    uint16_t role;    // enum attach_role
};

struct attach_policy {
    uint32_t magic;
    uint32_t pad;
    uint64_t generation;
    uint64_t size; // bytes of the memfd
};

struct attach_result {
    uint32_t magic;
    int32_t error; // 0 or -errno
    uint64_t generation;
    char text[240]; // what was wrong, NUL-terminated
};

struct attach_welcome {
    uint32_t magic;
    uint16_t version;
    uint16_t workers;
    uint32_t slot_size; // sizeof(struct message), SPSC_SLOTS: both ends were built alike
    uint32_t slots;
};

// One record with its descriptors, which stay the caller's. 0 or -errno.
int attach_send(int socket, const void *record, size_t size, const int *fds,
                int fds_count) MUST_CHECK;

// One record of exactly `size` bytes. Received descriptors are close-on-exec and the caller's.
// Returns 0; -EAGAIN on a non-blocking socket; -ECONNRESET at end of file; -EPROTO when the size or
// the number of descriptors is not as wanted (what came is closed).
int attach_receive(int socket, void *ret_record, size_t size, int *ret_fds, int fds_max,
                   int *ret_fds_count) MUST_CHECK;

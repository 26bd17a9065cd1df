// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The control plane's end of an attachment to the data plane (contract/attach.h), for all roles.
 *
 * The life of the socket is the life of the channels: when it reads end of file, close everything
 * and begin again with a new socket. attach_client_open waits, and is for the children, who have
 * nothing else to do; the loop takes the single steps on a non-blocking socket. One thread.
 */

#include "contract/attach.h"
#include "contract/counter.h"

struct attach_client {
    int socket;       // SEQPACKET; end of file or error: the data plane is gone
    int bell;         // that workers ring after spsc_sleep (contract/doorbell.h)
    unsigned workers; // channels in use
    struct spsc_channel channels[WORKERS_MAX];
    const struct counter_area *counters; // ops only, else NULL
};

// A new connection to the socket at `path`: the descriptor (blocking, close-on-exec) or -errno.
int attach_client_connect(const char *path) MUST_CHECK;

// All steps of the roles dns and auth: hello, then waits for the welcome at most timeout_ms.
// 0 or -errno. The socket is the client's on success and stays the caller's on failure.
int attach_client_open(struct attach_client *ret_client, int socket, enum attach_role role,
                       unsigned timeout_ms) MUST_CHECK;

// The single steps. Each 0 or -errno; -EAGAIN from the last two when nothing has come yet.
int attach_client_hello(int socket, enum attach_role role) MUST_CHECK;
int attach_client_send_policy(int socket, int memfd, uint64_t generation, uint64_t size) MUST_CHECK;
int attach_client_result(int socket, struct attach_result *ret_result) MUST_CHECK;
int attach_client_welcome(struct attach_client *ret_client, int socket,
                          enum attach_role role) MUST_CHECK;

// Closes the socket too.
void attach_client_close(struct attach_client *client);

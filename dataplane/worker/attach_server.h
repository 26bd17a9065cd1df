// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The data plane's end of contract/attach.h: listens, checks who connects, keeps one connection a
 * role, and tells its owner. Runs on the main lcore only; nothing here blocks but
 * attach_server_wait.
 *
 * The owner answers a policy with attach_server_result, and hands over channels with
 * attach_server_welcome. A connection that breaks the protocol is closed and logged.
 */

#include "contract/attach.h"

struct attach_server;

struct attach_server_owner {
    // A new snapshot; fd is the owner's to close. Followed by attach_server_result.
    void (*policy)(void *context, int fd, const struct attach_policy *facts);
    // A role has connected and may be welcomed (dns, auth: after the first policy only).
    void (*attached)(void *context, enum attach_role role);
    // Its connection is gone, with everything that was handed over on it.
    void (*detached)(void *context, enum attach_role role);
    void *context;
};

// 0 or -errno. An old socket of nobody is replaced; one that answers is -EADDRINUSE.
int attach_server_open(struct attach_server **ret_server, const char *path,
                       const struct attach_server_owner *owner) MUST_CHECK;
void attach_server_close(struct attach_server *server);

// Serves what happens within timeout_ms (-1: until something does; 0: only what is there).
void attach_server_wait(struct attach_server *server, int timeout_ms);

// From now on dns and auth are told to the owner too, those that waited at once.
void attach_server_ready(struct attach_server *server);

void attach_server_result(struct attach_server *server, uint64_t generation, int error,
                          const char *text);
// Descriptors stay the caller's. 0 or -errno; -EBADF: the role has gone meanwhile.
int attach_server_welcome(struct attach_server *server, enum attach_role role, unsigned workers,
                          const int *fds, int fds_count) MUST_CHECK;
// Closes the role's connection, if it is there, as if it had closed it itself.
void attach_server_drop(struct attach_server *server, enum attach_role role, const char *cause);

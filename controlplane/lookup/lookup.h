// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The two children of the control plane that read what strangers sent: dns (reverse DNS, SPF) and
 * auth (passwords). Each is a process of its own, started by loop/children.h.
 *
 * `socket` is a fresh SEQPACKET connection to the data plane on which nothing was sent yet: the
 * child attaches for its role (link/attach_client.h), drops to `user`, closes itself off and
 * answers questions until the data plane goes away. Standard error is the log; descriptors beside
 * socket and 0 to 2 are not open. The parent's death must be the child's: the caller has called
 * parent_death_follow, but the kernel forgets that when the user changes, so the child calls
 * parent_death_follow(config->parent) again right after (link/parent_death.h).
 *
 * Both return the exit code of the process: 0 when the data plane closed the connection or SIGTERM
 * came, else 1 after one line in the log. The parent starts a child again either way.
 */

#include <stdint.h>

enum { LOOKUP_SERVERS_MAX = 8, LOOKUP_SERVER_TEXT = 64, LOOKUP_USER_SIZE = 32 };

struct dns_child_config {
    char servers[LOOKUP_SERVERS_MAX][LOOKUP_SERVER_TEXT]; // ADDRESS:PORT or [ADDRESS]:PORT
    unsigned servers_count;
    unsigned timeout_ms;         // for one question, all tries
    char user[LOOKUP_USER_SIZE]; // to drop to
    char host_name[256];         // ours, for SPF's %{r}
    int parent;                  // process id
};

struct auth_child_config {
    char passwd_file[256];
    char user[LOOKUP_USER_SIZE]; // to drop to
    int parent;                  // process id
};

int dns_child_run(int socket, const struct dns_child_config *config);
int auth_child_run(int socket, const struct auth_child_config *config);

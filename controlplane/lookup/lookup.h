// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The two children of the control plane that read what strangers sent: dns (reverse DNS, lists,
 * SPF) and auth (passwords). Each is a process of its own, started by loop/children.h.
 *
 * `socket` is a fresh SEQPACKET connection to the data plane on which nothing was sent yet: the
 * child attaches for its role (link/attach_client.h), drops to `user`, closes itself off and
 * answers questions until the data plane goes away. Standard error is the log; descriptors beside
 * those given and 0 to 2 are not open. The parent's death must be the child's: the caller has
 * called parent_death_follow, but the kernel forgets that when the user changes, so the child calls
 * parent_death_follow(config->parent) again right after (link/parent_death.h).
 *
 * Both return the exit code of the process: 0 when the data plane closed the connection or SIGTERM
 * came, else 1 after one line in the log. The parent starts a child again either way.
 */

#include "base/addr_pattern.h"
#include "contract/policy.h"

#include <stdint.h>

enum {
    LOOKUP_SERVERS_MAX = 8,
    LOOKUP_SERVER_TEXT = 64,
    LOOKUP_USER_SIZE = 32,
    LOOKUP_DNSBL_MAX = 16,
    LOOKUP_DNSBL_WEIGHT_MAX = 100, // either way
    LOOKUP_DNSBL_ZONE_SIZE = 128,
    LOOKUP_TURN_MS = 1000,
};

struct lookup_dnsbl { // one entry of the DNS lists
    char zone[LOOKUP_DNSBL_ZONE_SIZE];
    struct addr_pattern replies; // that mean that the address is listed
    int32_t weight;
};

struct dns_child_config {
    char servers[LOOKUP_SERVERS_MAX][LOOKUP_SERVER_TEXT]; // ADDRESS:PORT or [ADDRESS]:PORT
    unsigned servers_count;
    unsigned timeout_ms; // for one question, all tries
    struct lookup_dnsbl dnsbl[LOOKUP_DNSBL_MAX];
    unsigned dnsbl_count;
    char user[LOOKUP_USER_SIZE]; // to drop to
    char host_name[256];         // ours, for SPF's %{r}
    int parent;                  // process id
};

struct auth_child_config {
    bool dovecot; // the back end: Dovecot's socket, else the passwd file
    bool allow_plain;
    char passwd_file[PATH_NAME_MAX + 1];
    char user[LOOKUP_USER_SIZE]; // to drop to
    int parent;                  // process id
};

enum auth_figure {
#define AUTH_FIGURE(NAME, name, gauge, text) FIGURE_##NAME,
#include "lookup/auth_figure.def"
#undef AUTH_FIGURE
    FIGURE_COUNT,
};

/* What the control plane and a child share while that runs: a memfd, sealed against shrink and
 * growth, a fresh one for each start. Words are read and written one by one, atomically; turns and
 * figures are the child's claim. A child that is well takes a turn every LOOKUP_TURN_MS, and has
 * none before it is open. */
struct lookup_area {
    union { // complete when the child starts, never changed
        struct dns_child_config dns;
        struct auth_child_config auth;
    };
    uint64_t turns;                 // written by the child
    uint64_t limits[LIMIT_COUNT];   // of auth; written by the control plane, at any time
    uint8_t modes[LIMIT_COUNT];     // likewise; enum limit_mode
    uint64_t figures[FIGURE_COUNT]; // of auth; written by the child
};

int dns_child_run(int socket, struct lookup_area *area);

// `dial` is a SEQPACKET connection to the parent, who connects to Dovecot for the child
// (loop/dial_desk.h); not looked at with the passwd file.
int auth_child_run(int socket, int dial, struct lookup_area *area);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The loop's connection to the data plane as role ops, for as long as the control plane runs.
 *
 *   DOWN -> OFFERED -> UP -> DOWN ...      (dataplane_link_state.def; also OFFERED -> DOWN)
 *
 * While DOWN it connects again every DATAPLANE_LINK_RETRY_MS. The owner sends the policy when told
 * `connected`, and hears the `result` of each policy in the order of sending. The channels exist
 * from `up` to `down`; nothing of `client` may be used after `down`. A data plane that breaks the
 * protocol, or lets a result wait too long, is dropped as if it had died. Runs in the loop; never
 * blocks; changes of state are logged once each.
 */

#include "link/attach_client.h"

#include <sys/types.h>
#include <uv.h>

enum {
    DATAPLANE_LINK_RETRY_MS = 100,
    DATAPLANE_LINK_START_MS = 120000, // starting EAL clears gigabytes of memory
    DATAPLANE_LINK_RESULT_MS = 30000,
};

enum dataplane_link_state {
#define LINK_STATE(name, text) LINK_##name,
#include "link/dataplane_link_state.def"
#undef LINK_STATE
};

struct dataplane_link_owner {
    void (*connected)(void *context); // dataplane_link_send is due
    void (*result)(void *context, const struct attach_result *result);
    void (*up)(void *context);
    void (*down)(void *context);
    void (*message)(void *context, unsigned worker, const struct message *message);
    void (*messages_end)(void *context); // of one batch
    void *context;
};

struct dataplane_link {
    uv_loop_t *loop;
    char path[108];
    struct dataplane_link_owner owner;
    enum dataplane_link_state state; // written by dataplane_link_enter alone
    int socket;                      // -1 while DOWN
    struct attach_client client;     // from the welcome on
    uv_poll_t *socket_watch, *bell_watch;
    uv_timer_t timer;      // next try while DOWN, else the deadline of what is due
    uv_timer_t again;      // the rest of a batch
    unsigned results_due;  // policies sent and not answered
    bool accepted;         // the first policy was
    bool waiting_said;     // that it is not there, since the last UP
    uint64_t messages_bad; // dropped: unsound, or a question
    pid_t pid;             // of the data plane, while connected
};

void dataplane_link_init(struct dataplane_link *link, uv_loop_t *loop, const char *path,
                         const struct dataplane_link_owner *owner);
void dataplane_link_start(struct dataplane_link *link); // the first try is made at once
void dataplane_link_stop(struct dataplane_link *link);  // for good; no further calls to the owner

// Sends a snapshot. 0 or -errno; on failure the link goes DOWN from the loop, not from here.
int dataplane_link_send(struct dataplane_link *link, int memfd, uint64_t generation,
                        uint64_t size) MUST_CHECK;

// Gives the connection up and begins anew; `down` is called from here.
void dataplane_link_drop(struct dataplane_link *link, const char *cause);

const char *dataplane_link_state_name(enum dataplane_link_state state); // lower case

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A link that is up, with its data plane's ends in the test's own hands: what the control plane
 * asks lies in the workers' rings until it is taken, and nothing answers by itself. For what
 * stands on the link; the link itself is tested against a socket.
 */

#include "link/dataplane_link.h"

enum { OPS_RIG_WORKERS = 2 };

struct ops_rig {
    struct dataplane_link *link;
    int socket; // the data plane's end of the attachment
    struct counter_area *counters;
    struct spsc_channel workers[OPS_RIG_WORKERS];
};

// Initialises `link` in `loop` and puts it up. Fails the cmocka test it is called from.
void ops_rig_up(struct ops_rig *rig, uv_loop_t *loop, struct dataplane_link *link);
void ops_rig_down(struct ops_rig *rig); // the link's memory goes in the loop

bool ops_rig_take(struct ops_rig *rig, unsigned worker, struct message *ret_question);
// The policy that was sent: its generation, 0 when there is none.
uint64_t ops_rig_policy(struct ops_rig *rig);

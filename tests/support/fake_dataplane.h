// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A data plane without packets, for tests of the control plane: listens as contract/attach.h says,
 * takes policies, hands out channels and counters, keeps bans and sessions in tables, and answers
 * what is asked on the ops channels. Runs in a thread of its own; every function may be called from
 * the test's thread. Stopping it is its death: all connections close.
 */

#include "base/rng.h"
#include "contract/attach.h"
#include "contract/counter.h"
#include "contract/policy.h"

struct fake_dataplane;

struct fake_dataplane *fake_dataplane_start(const char *path, unsigned workers);
void fake_dataplane_stop(struct fake_dataplane *fake);

// Policies from now on are refused with that text; NULL: taken again.
void fake_dataplane_refuse(struct fake_dataplane *fake, const char *text);
// Orders on the ops channels are left unanswered; policies are left without a result.
void fake_dataplane_mute(struct fake_dataplane *fake, bool orders, bool results);
void fake_dataplane_sessions(struct fake_dataplane *fake, unsigned worker, unsigned count);

unsigned fake_dataplane_taken(struct fake_dataplane *fake);        // policies
struct policy *fake_dataplane_policy(struct fake_dataplane *fake); // a copy for free(3), or NULL
bool fake_dataplane_attached(struct fake_dataplane *fake, enum attach_role role);
unsigned fake_dataplane_bans(struct fake_dataplane *fake, unsigned worker);
struct counter_block *fake_dataplane_counters(struct fake_dataplane *fake, unsigned worker);

// Worker to control plane, unasked. False when the ring is full or nobody is attached.
bool fake_dataplane_send(struct fake_dataplane *fake, enum attach_role role, unsigned worker,
                         const struct message *message);
// Publishes an impossible index on that worker's ops ring.
void fake_dataplane_break_ring(struct fake_dataplane *fake, unsigned worker);

// Rewrites what it shares, any role's channels, that often (support/hostile.h). To be muted before,
// and not to be believed until it was stopped and started again.
void fake_dataplane_lie(struct fake_dataplane *fake, struct rng *rng, unsigned touches);

// The worker's question to a child and its answer. False without one within timeout_ms.
bool fake_dataplane_ask(struct fake_dataplane *fake, enum attach_role role, unsigned worker,
                        const struct message *question, struct message *ret_answer,
                        unsigned timeout_ms);

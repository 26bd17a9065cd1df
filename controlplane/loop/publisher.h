// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The running configuration, and the one way to change it.
 *
 * A change is an edit on a copy: it is checked, compiled and sent to the data plane, and becomes
 * the running configuration only when the data plane took it. Refused by anybody, nothing changes
 * and the reason is told. Changes are made one after the other in the order they came; while the
 * data plane is not there they take effect here and are sent when it attaches. Runs in the loop.
 */

#include "config/config.h"
#include "link/dataplane_link.h"
#include "policy/policy_rules.h"

enum { PUBLICATIONS_MAX = 64 };

// Changes *candidate, or frees it and puts another in its place. 0, or -errno with a line in
// `errors`; *candidate is to be freed by the caller either way.
typedef int publisher_edit(void *context, struct config **candidate, struct config_errors *errors);

struct publisher_outcome {
    int error;           // 0: the change is in effect
    const char *text;    // why not; ""
    uint64_t generation; // of the snapshot that runs now
    bool published;      // false: the data plane is not there, it will get it when it attaches
};
typedef void publisher_done(void *context, const struct publisher_outcome *outcome);

struct publication {
    publisher_edit *edit;
    publisher_done *done;
    void *context;
};

struct publisher {
    struct dataplane_link *link;
    struct config *config; // runs
    struct policy_rules *rules;
    uint64_t generation;         // last one sent
    uint64_t generation_running; // last one taken; 0: none yet
    void (*changed)(void *context, const struct config *config);
    void (*first_refused)(void *context, const char *text); // the first policy after attaching
    void *context;

    bool first_in_flight;     // the running configuration was sent because a data plane attached
    bool change_in_flight;    // queue[first] was sent
    struct config *candidate; // of the change in flight
    struct policy_rules *candidate_rules;
    struct publication queue[PUBLICATIONS_MAX];
    unsigned first, count;
};

// Takes `config` over. 0, or -EINVAL with lines in `errors` (and config is the caller's still).
int publisher_init(struct publisher *publisher, struct dataplane_link *link, struct config *config,
                   struct config_errors *errors) MUST_CHECK;
void publisher_close(struct publisher *publisher); // ends what waits with -ECANCELED

// Checks that it would compile to a sound policy. 0, or -errno with lines in `errors`. The compiled
// rules go to *ret_rules unless NULL; `publisher` may be NULL and else lends its own.
int publisher_check(const struct publisher *publisher, const struct config *config,
                    struct policy_rules **ret_rules, struct config_errors *errors) MUST_CHECK;

// 0, and `done` will be called once, perhaps from here; -EBUSY when too many wait.
int publisher_submit(struct publisher *publisher, const struct publication *change) MUST_CHECK;

// What the link brings.
void publisher_connected(struct publisher *publisher);
void publisher_result(struct publisher *publisher, const struct attach_result *result);
void publisher_down(struct publisher *publisher);

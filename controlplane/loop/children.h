// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The two children, dns and auth: started when the data plane is attached, ended when it is gone,
 * started again when they die, after a pause that doubles from CHILD_PAUSE_LEAST_MS to
 * CHILD_PAUSE_MOST_MS and is forgotten once a child has lived CHILD_PROVEN_MS.
 *
 * A child counts its turns; one that takes none while CHILD_LOOKS_HUNG looks in a row,
 * CHILD_LOOK_MS apart, hangs and is killed (CHILD_LOOKS_OPENING before its first turn).
 *
 * A child is this very program (/proc/self/exe) with `--child NAME --parent PID`; descriptor
 * CHILD_SOCKET is its fresh connection to the data plane and CHILD_AREA a memfd with what both
 * share (lookup/lookup.h), so that nothing of it shows in `ps`. Runs in the loop.
 */

#include "config/config.h"
#include "lookup/lookup.h"
#include "loop/dial_desk.h"

#include <uv.h>

enum {
    CHILD_PAUSE_LEAST_MS = 100,
    CHILD_PAUSE_MOST_MS = 5000,
    CHILD_PROVEN_MS = 10000,
    CHILD_END_MS = 500, // from SIGTERM to SIGKILL
    CHILD_LOOK_MS = 1000,
    CHILD_LOOKS_HUNG = 10,
    CHILD_LOOKS_OPENING = 60,
    CHILD_SOCKET = 3,
    CHILD_AREA = 4,
    CHILD_DIAL = 5, // of the auth child (loop/dial_desk.h), when it asks Dovecot
};

enum child_kind { CHILD_DNS, CHILD_AUTH, CHILD_COUNT };

enum child_state {
#define CHILD_STATE(name, text) CHILD_##name,
#include "loop/child_state.def"
#undef CHILD_STATE
};

struct child {
    enum child_kind kind;
    enum child_state state; // written by child_enter alone
    bool wanted;
    struct children *all;
    uv_process_t *process; // RUNNING, ENDING
    uv_timer_t timer;      // pause while WAITING, look while RUNNING, SIGKILL while ENDING
    unsigned pause_ms;     // next
    uint64_t started_ms;   // of the loop's clock
    uint64_t restarts;
    int pid;                  // 0: none
    struct lookup_area *area; // of the last start; NULL once it was told to end
    uint64_t turns_seen;
    unsigned looks_missed; // without a turn in between
};

struct children {
    uv_loop_t *loop;
    char dataplane_socket[108], pid_directory[PATH_NAME_MAX + 1];
    struct dns_child_config dns;
    struct auth_child_config auth;
    uint64_t limits[LIMIT_COUNT];
    uint8_t modes[LIMIT_COUNT];
    char dovecot_socket[DIAL_PLACE_SIZE];
    struct dial_desk *dial; // of the auth child; NULL: none
    struct child items[CHILD_COUNT];
};

void children_init(struct children *children, uv_loop_t *loop, const struct config *config);
void children_done(struct children *children); // all must be gone: children_gone

void children_start(struct children *children); // the data plane is there
void children_stop(struct children *children);  // SIGTERM, then SIGKILL
bool children_gone(const struct children *children);

struct child_figure {
    const char *name; // lower case
    bool gauge;       // it also falls
    const char *text;
};
const struct child_figure *children_figure_facts(enum auth_figure figure);
// A figure of the auth child, as it says; without one 0, and EINPROGRESS for BACKEND_ERROR.
uint64_t children_auth_figure(const struct children *children, enum auth_figure figure);

// Another configuration: a child whose part changed is replaced, limits are told as it runs.
void children_configure(struct children *children, const struct config *config);

const char *children_name(enum child_kind kind);            // "dns", "auth"
const char *children_state_name(const struct child *child); // lower case

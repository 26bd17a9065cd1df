// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What both children do: attach, drop privileges, open what they need, close the sandbox, and then
 * turn by turn take questions, work, answer and sleep until something happens.
 *
 * A child's own part is a table of functions. `open` runs between the two halves of the sandbox
 * (lookup_sandbox.h): privileges are dropped before threads are made, since setuid would have to
 * stop them, and before files are read, since what the child's user cannot read now it could not
 * read again when it changes.
 */

#include "lookup/lookup_port.h"
#include "lookup/lookup_sandbox.h"

#include <stdbool.h>

struct lookup_wants { // of one sleep
    struct pollfd fds[LOOKUP_FDS_MAX];
    unsigned fds_count;
    int timeout_ms; // -1: none
};

struct lookup_child {
    const char *name; // "dns", "auth"
    enum attach_role role;
    enum lookup_sandbox sandbox;
    uint32_t kinds; // bit of each enum message_kind that is served
    const char *user;
    int parent;      // process id
    uint64_t *turns; // counted up, for the parent to see
    // 0 or -errno, with *ret_doing saying what failed: "cannot ...".
    int (*open)(void *context, const char **ret_doing);
    // Answers what is ready. Before questions are taken; tells the time.
    void (*work)(void *context, uint64_t now_ms);
    void (*take)(void *context, unsigned worker, const struct message *question, uint64_t now_ms);
    void (*want)(void *context, uint64_t now_ms, struct lookup_wants *wants);
    void (*close)(void *context); // also after an `open` that failed; logs its counters
    void *context;
    struct lookup_port *port; // closed at the end
};

// The process's exit code (lookup.h).
int lookup_child_run(const struct lookup_child *child, int socket);

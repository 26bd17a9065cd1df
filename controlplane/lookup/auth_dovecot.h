// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Dovecot's authentication socket as a back end (protocol 1.2 and 1.3, dovecot_line.h), which
 * brings what Dovecot can ask: LDAP, SQL, PAM and others.
 *
 *   DOWN -> DIALLED -> GREETING -> UP -> DOWN ...     (any -> DOWN)
 *
 * The sandbox lets nobody connect, so the parent is asked on `dial` to do it (loop/dial_desk.h) and
 * hands the connection over; so it is again each time, with pauses from DOVECOT_PAUSE_LEAST_MS to
 * DOVECOT_PAUSE_MOST_MS. Requests are told apart by ids that never come again on one connection,
 * so a late reply finds nothing. What is under way when the connection ends, or not answered by its
 * time, is unavailable. A server that breaks the protocol or sends a line beyond DOVECOT_LINE_MAX
 * is hung up on. What was right is asked again after each connection. One thread.
 */

#include "lookup/auth_backend.h"

enum {
    DOVECOT_PAUSE_LEAST_MS = 100,
    DOVECOT_PAUSE_MOST_MS = 5000,
    DOVECOT_GREETING_MS = 5000, // from the question to the parent to DONE
};

enum auth_dovecot_state { DOVECOT_DOWN, DOVECOT_DIALLED, DOVECOT_GREETING, DOVECOT_UP };

struct auth_dovecot;

// `dial` stays the caller's. 0 or -errno.
int auth_dovecot_open(struct auth_dovecot **ret_dovecot, int dial) MUST_CHECK;
void auth_dovecot_close(struct auth_dovecot *dovecot);

struct auth_backend auth_dovecot_backend(struct auth_dovecot *dovecot);

// Connects, reads, writes what it can without waiting. To be called when a descriptor of _poll is
// ready, and after its time.
void auth_dovecot_run(struct auth_dovecot *dovecot, uint64_t now_ms);
// What to wait for: descriptors into fds[2], returns how many; *ret_timeout_ms as poll(2) has it.
unsigned auth_dovecot_poll(const struct auth_dovecot *dovecot, uint64_t now_ms,
                           struct pollfd fds[2], int *ret_timeout_ms);

enum auth_dovecot_state auth_dovecot_state(const struct auth_dovecot *dovecot);
int auth_dovecot_error(const struct auth_dovecot *dovecot); // errno of the last end; 0 when UP

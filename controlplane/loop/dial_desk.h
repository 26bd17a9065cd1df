// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Connects to Dovecot for the auth child, whose sandbox lets it make no sockets: the child sends a
 * record, the desk connects to the one place that the configuration names, and hands the
 * descriptor back beside a record of 0, or sends the errno. So a child that an attacker holds can
 * reach nothing but what it could reach anyway. At most one connection each DIAL_DESK_PAUSE_MS.
 *
 * The connection is non-blocking; one over TCP may still be under way. Runs in the loop.
 */

#include "base/check.h"

#include <uv.h>

enum { DIAL_DESK_PAUSE_MS = 50, DIAL_PLACE_SIZE = 256 };

struct dial_desk;

// place: a unix socket's path, or ADDRESS:PORT. Gives the child's end, close-on-exec, the caller's.
// 0 or -errno.
int dial_desk_open(struct dial_desk **ret_desk, uv_loop_t *loop, const char *place,
                   int *ret_child_end) MUST_CHECK;
void dial_desk_close(struct dial_desk *desk); // frees it from the loop; NULL is fine

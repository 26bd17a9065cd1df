// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The data plane's side of a child's channels, for tests: a real child process on one end of a
 * socket pair, workers played on the other.
 */

#include "contract/doorbell.h"
#include "contract/spsc.h"

#include <stdbool.h>
#include <sys/types.h>

enum { PLANE_WORKERS = 2 };

struct plane_fake {
    int socket, bell[DOORBELL_ENDS];
    pid_t child;
    struct spsc_channel channels[PLANE_WORKERS];
    uint32_t offered; // mechanisms, by what came before the last answer
};

// Forks; the child calls run(socket, config) and exits with what that returns. Then hello and
// welcome. False when the child does not say hello for `role`.
bool plane_fake_open(struct plane_fake *plane, int role, int (*run)(int socket, const void *config),
                     const void *config);

bool plane_fake_ask(struct plane_fake *plane, unsigned worker, const struct message *question);

// Waits for an answer on that worker's channel, calling turn(context), when given, meanwhile.
bool plane_fake_answer(struct plane_fake *plane, unsigned worker, struct message *ret_answer,
                       unsigned wait_ms, void (*turn)(void *context), void *context);

// Hangs up and waits for the child's end. Its exit code, or 1000 + the signal that killed it.
int plane_fake_close(struct plane_fake *plane);
int plane_fake_wait(struct plane_fake *plane); // without hanging up

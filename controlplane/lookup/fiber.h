// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A function with its own stack, that may wait for an event in the middle of a call.
 *
 * libspf2 evaluates by calling us for records and expecting them at once. Threads would do, but a
 * slow name server then holds a thread, and a handful of such mails all of them; a fiber holds a
 * few KiB of stack. One thread runs all fibers: exactly one of them, or the caller of resume, runs
 * at a time, so nothing needs locks.
 *
 * Stacks are kept for the next fiber. Below each lies a page that faults.
 */

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>

enum { FIBER_STACK_SIZE = 256 * 1024 }; // reserved; touched pages count

struct fiber;

// NULL without memory.
struct fiber *fiber_create(void (*run)(void *argument), void *argument) MUST_CHECK;

// Runs until the fiber yields or returns. True while it is not finished; after false it is gone.
bool fiber_resume(struct fiber *fiber);

// Within a fiber: back to whoever resumed it.
void fiber_yield(void);

struct fiber *fiber_current(void); // NULL outside

void fiber_stacks_done(void); // gives kept stacks back

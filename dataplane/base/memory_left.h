// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What memory there is. The kernel promises any amount and kills somebody when it is touched, so
 * whoever takes much asks here first.
 */

#include <stdbool.h>
#include <stdint.h>

// Bytes that the machine and the cgroups (either version) leave to the process; UINT64_MAX where
// nothing is said. `root` is "" but for a test, which lays /proc and /sys itself.
uint64_t memory_left(const char *root);

bool memory_has_room(uint64_t size); // for that, and a sixteenth of what is left stays free

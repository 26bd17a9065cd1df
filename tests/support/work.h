// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Work as a number that is the same on every machine: the branches taken within code that was
 * compiled with -fsanitize-coverage=trace-pc. A loop that a peer can lengthen shows in it.
 */

#include <stdint.h>

extern uint64_t work_done; // since the start

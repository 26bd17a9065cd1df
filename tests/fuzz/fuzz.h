// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A fuzz target is one function of foreign bytes, libFuzzer's. It must return for any bytes, and
 * checks with CHECK() what the parser promises. `scripts/dev fuzz NAME` links it with libFuzzer;
 * elsewhere replay.c runs it over its corpus, tests/data/corpus/NAME.
 */

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

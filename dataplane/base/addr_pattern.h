// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A set of IPv4 addresses by their bytes, as Postfix writes the replies of DNS lists that count:
 * 127.0.0.[2..11], 127.0.[0..255].[1;3]. Each byte is a number, or in brackets numbers and ranges
 * with semicolons between.
 */

#include "base/addr.h"
#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

struct addr_pattern {
    uint64_t bytes[4][4]; // of each byte, a bit for each value that is in
};

bool addr_pattern_parse(const char *text, struct addr_pattern *ret_pattern) MUST_CHECK;
bool addr_pattern_holds(const struct addr_pattern *pattern, const struct addr *addr);

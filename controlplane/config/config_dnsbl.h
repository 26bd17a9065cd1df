// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The section `dnsbl` of weir.yaml: lists in DNS, what their replies weigh, and what becomes of
 * whom they list. Its keys are for an object of struct config. */

#include "config/config_schema.h"

extern const struct config_key config_dnsbl_keys[];

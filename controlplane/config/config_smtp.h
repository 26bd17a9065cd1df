// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The section `smtp` of weir.yaml: our name, what becomes of findings, who may send as whom, and
 * who need not keep to CR LF. Its keys are for an object of struct policy_smtp in a struct config,
 * which is the reader's context. */

#include "config/config_schema.h"

extern const struct config_key config_smtp_keys[];

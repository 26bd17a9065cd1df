// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The section `backends`: mail servers by name, each with one or several servers that hold the same
 * mail. */

#include "config/config_schema.h"

// `at`: struct policy.
void config_backends_read(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                          void *at);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Classes of sources: the prefixes that make one, and the limits that it has of its own. The
 * section `limits` is the default class. A limit is a number, or a mapping {value, mode} of which
 * either may be left out. Readers for config_schema's tables. */

#include "config/config_schema.h"
#include "contract/policy.h"

typedef void config_classes_reader(struct config_reader *r, yaml_node_t *node,
                                   const struct config_key *key, void *at);

config_classes_reader config_classes_limits;   // of the default class; at: struct policy
config_classes_reader config_classes_prefixes; // at most key->most; at: struct config_prefixes
config_classes_reader config_classes_read;     // named ones; at: struct config

// Limits that are in range one by one, but not together: what was expected. NULL: all is well.
const char *config_classes_contradiction(const struct policy *head);

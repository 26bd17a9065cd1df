// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What becomes of findings against clients and senders (contract/finding.def): an action by name,
 * or a number of points that it adds to the score. */

#include "config/config_schema.h"

// A mapping of all findings of the section that is named as the key is; `at` is a struct
// policy_smtp. The key's own keys, if any, are read beside them.
void config_findings_section(struct config_reader *r, yaml_node_t *node,
                             const struct config_key *key, void *at);
// One of them; `at` is a struct policy_verdict. key->most: points; 0: it has none.
void config_findings_verdict(struct config_reader *r, yaml_node_t *node,
                             const struct config_key *key, void *at);

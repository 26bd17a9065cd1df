// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The section `auth` of weir.yaml: who verifies logins, and where users have their mailboxes. */

#include "base/check.h"
#include "config/config_schema.h"

struct config;

// For an object of struct config_auth in a struct config, which is the reader's context.
extern const struct config_key config_auth_keys[];
void config_auth_read(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                      void *at);
// Once all is read: mailboxes are at backends that are there. 0, or -EINVAL with errors added.
int config_auth_check(const struct config *config, struct config_errors *errors) MUST_CHECK;

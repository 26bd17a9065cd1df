// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The lists of a configuration as a whole: those that stand in it, and the files that it names.

#include "config/config.h"

// Reads all list files anew into `config`. 0; or -errno with lines in `errors`, and all its lists
// are as they were.
int config_lists_reload(struct config *config, struct config_errors *errors) MUST_CHECK;

uint64_t config_lists_count(const struct config *config); // prefixes of all
uint64_t config_lists_count_of(const struct config *config, int class);

struct config_lists_match {
    int class;
    struct prefix prefix;
    const struct config_list_file *file; // NULL: it stands in the configuration
};

// What the data plane will find: the longest prefix, of equal ones that of the greater class.
bool config_lists_find(const struct config *config, const struct addr *addr,
                       struct config_lists_match *ret_match);

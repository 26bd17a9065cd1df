// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The arguments that EAL is started with, apart from starting it, so that they can be tested. */

#include "contract/policy.h"

enum { PORT_EAL_ARGUMENTS_MAX = 64, PORT_EAL_TEXT_SIZE = 4096 };

struct port_eal {
    int count;
    char *arguments[PORT_EAL_ARGUMENTS_MAX + 1]; // in text; NULL behind the last
    char text[PORT_EAL_TEXT_SIZE];
    size_t text_size; // bytes used
    bool too_long;    // something did not fit
};

// 0, -EINVAL or -ENOMEM, with *ret_what. `huge_mb`: MiB of free huge pages on this machine.
int port_eal_arguments(struct port_eal *eal, const struct policy_boot *boot, uint64_t huge_mb,
                       const char **ret_what) MUST_CHECK;

uint64_t port_eal_huge_mb(const char *directory); // /sys/kernel/mm/hugepages

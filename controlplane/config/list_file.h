// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A list file: a prefix or an address on each line; what follows '#' or ';' is a comment, empty
 * lines are nothing. It is taken whole or not at all: every line that is neither is told with its
 * number and what stands there, the first CONFIG_ERRORS_SHOWN as text. Prefixes are immutable and
 * counted, so that copies of a configuration share them. One thread.
 */

#include "base/addr.h"
#include "base/span.h"
#include "config/config_errors.h"

#include <stdint.h>

enum { LIST_FILE_MB_MAX = 64, LIST_FILE_PREFIXES_MAX = 1 << 20 };

struct list_prefixes {
    unsigned references;
    uint32_t count;
    uint32_t ipv4; // of them
    uint32_t room;
    struct prefix *items;
};

// 0; -EINVAL, -E2BIG or -errno with lines in `errors`. Each success is given back once.
int list_file_read(const char *file, struct list_prefixes **ret_prefixes,
                   struct config_errors *errors) MUST_CHECK;
int list_file_parse(const char *file, struct span text, struct list_prefixes **ret_prefixes,
                    struct config_errors *errors) MUST_CHECK; // `file` is for the errors

struct list_prefixes *list_file_share(struct list_prefixes *prefixes);
void list_file_give(struct list_prefixes *prefixes); // NULL is fine

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A file read whole, with what is wrong as a line of the configuration's errors. */

#include "base/check.h"
#include "base/span.h"
#include "config/config_errors.h"

// 0 and memory for free(3); -EFBIG beyond mb_max << 20 bytes; -EINVAL: no file; or -errno.
int whole_file_read(const char *file, unsigned mb_max, uint8_t **ret_text, size_t *ret_size,
                    struct config_errors *errors) MUST_CHECK;

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What a configuration names outside itself: files, users and CPUs. Looked at by `--check` and
 * `weirctl config check` and `reload`; when Weir starts, whoever opens a file says what is wrong
 * with it.
 */

#include "config/config.h"

// 0, or -EINVAL with a line in `errors` for each that is not there or cannot be read.
int config_files_check(const struct config *config, const char *file,
                       struct config_errors *errors) MUST_CHECK;

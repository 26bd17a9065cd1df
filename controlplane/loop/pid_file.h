// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Files that hold a process id. The control plane's own is locked for as long as it runs, which is
 * how a second instance is told: the lock dies with the process, whatever killed it. */

#include "base/check.h"
#include "base/limits.h"

#include <sys/types.h>

struct pid_file {
    char path[PATH_NAME_MAX + 64];
    int fd; // holds the lock; -1: none
};

// Makes the directory when it is missing. 0; -EEXIST: another process holds it; -errno.
int pid_file_lock(struct pid_file *file, const char *directory, const char *name) MUST_CHECK;
void pid_file_unlock(struct pid_file *file); // removes it

// For a child: readers see the old file or the whole new one. 0 or -errno.
int pid_file_write(const char *directory, const char *name, pid_t pid) MUST_CHECK;
void pid_file_remove(const char *directory, const char *name);

// SPDX-License-Identifier: BSD-3-Clause
#include "policy/policy_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int fill(int fd, const uint8_t *bytes, uint64_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -ENOSPC;
        bytes += written;
        size -= (uint64_t)written;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    return 0;
}

int policy_memfd_create(const struct policy *policy)
{
    int fd = memfd_create("weir-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int error = fill(fd, (const uint8_t *)policy, policy->size);
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

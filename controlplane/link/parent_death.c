// SPDX-License-Identifier: BSD-3-Clause
#include "link/parent_death.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

int parent_death_follow(int parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    if (getppid() != parent) // died before the setting could take effect
        _exit(1);
    return 0;
}

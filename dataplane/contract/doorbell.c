// SPDX-License-Identifier: BSD-3-Clause
#include "contract/doorbell.h"

#include <errno.h>
#include <sys/socket.h>

int doorbell_open(int ret_ends[DOORBELL_ENDS])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_ends) < 0 ? -errno : 0;
}

void doorbell_ring(int button)
{
    char ring = 1;
    if (send(button, &ring, sizeof ring, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return; // full: the sleeper has been rung already; or gone, which its socket tells
}

bool doorbell_hear(int bell)
{
    char rings[256]; // what is left after that many rings it again
    ssize_t got = recv(bell, rings, sizeof rings, MSG_DONTWAIT);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

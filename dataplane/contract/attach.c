// SPDX-License-Identifier: BSD-3-Clause
#include "contract/attach.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control_room {
    char bytes[CMSG_SPACE(ATTACH_FDS_MAX * sizeof(int))];
    struct cmsghdr align;
};

int attach_send(int socket, const void *record, size_t size, const int *fds, int fds_count)
{
    CHECK(fds_count >= 0 && fds_count <= ATTACH_FDS_MAX);
    union control_room control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)record, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (fds_count > 0) {
        size_t bytes = (size_t)fds_count * sizeof(int);
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(bytes);
        memcpy(CMSG_DATA(c), fds, bytes);
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &header, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

static int take_fds(struct msghdr *header, int *fds)
{
    int count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        int here = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds + count, CMSG_DATA(c), (size_t)here * sizeof(int));
        count += here;
    }
    return count;
}

int attach_receive(int socket, void *ret_record, size_t size, int *ret_fds, int fds_max,
                   int *ret_fds_count)
{
    union control_room control;
    struct iovec part = {.iov_base = ret_record, .iov_len = size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    ssize_t got;
    do
        got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    int fds[ATTACH_FDS_MAX];
    int count = take_fds(&header, fds);
    if (got == 0 && count == 0)
        return -ECONNRESET;
    bool wrong = (size_t)got != size || count > fds_max ||
                 (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    if (wrong) {
        for (int i = 0; i < count; i++)
            close(fds[i]);
        return -EPROTO;
    }
    if (count)
        memcpy(ret_fds, fds, (size_t)count * sizeof(int));
    if (ret_fds_count)
        *ret_fds_count = count;
    return 0;
}

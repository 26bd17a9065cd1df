// SPDX-License-Identifier: BSD-3-Clause
#include "link/attach_client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int attach_client_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, size);
    // Non-blocking while it connects: a full backlog must not hold up the loop.
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        fcntl(fd, F_SETFL, O_RDWR) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int attach_client_open(struct attach_client *ret_client, int socket, enum attach_role role,
                       unsigned timeout_ms)
{
    struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    struct timeval for_ever = {0};
    int error = attach_client_hello(socket, role);
    if (error)
        return error;
    if (setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0)
        return -errno;
    error = attach_client_welcome(ret_client, socket, role);
    if (error)
        return error == -EAGAIN ? -ETIMEDOUT : error;
    if (setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof for_ever) == 0)
        return 0;
    error = -errno;
    ret_client->socket = -1;
    attach_client_close(ret_client);
    return error;
}

int attach_client_hello(int socket, enum attach_role role)
{
    struct attach_hello hello = {
        .magic = ATTACH_MAGIC, .version = contract_version, .role = (uint16_t)role};
    return attach_send(socket, &hello, sizeof hello, NULL, 0);
}

int attach_client_send_policy(int socket, int memfd, uint64_t generation, uint64_t size)
{
    struct attach_policy policy = {.magic = ATTACH_MAGIC, .generation = generation, .size = size};
    return attach_send(socket, &policy, sizeof policy, &memfd, 1);
}

int attach_client_result(int socket, struct attach_result *ret_result)
{
    struct attach_result result;
    int error = attach_receive(socket, &result, sizeof result, NULL, 0, NULL);
    if (error)
        return error;
    if (result.magic != ATTACH_MAGIC || result.error > 0)
        return -EPROTO;
    result.text[sizeof result.text - 1] = '\0';
    *ret_result = result;
    return 0;
}

static bool welcome_is_sound(const struct attach_welcome *welcome)
{
    return welcome->magic == ATTACH_MAGIC && welcome->version == contract_version &&
           welcome->workers >= 1 && welcome->workers <= WORKERS_MAX &&
           welcome->slot_size == sizeof(struct message) && welcome->slots == SPSC_SLOTS;
}

static int counters_open(int fd, unsigned workers, const struct counter_area **ret_counters)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    // Without the seal a shrunk file would be our SIGBUS.
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK) ||
        status.st_size < (off_t)sizeof(struct counter_area))
        return -EPROTO;
    struct counter_area *area = mmap(NULL, sizeof *area, PROT_READ, MAP_SHARED, fd, 0);
    if (area == MAP_FAILED)
        return -errno;
    if (area->version != contract_version || area->workers != workers) {
        munmap(area, sizeof *area);
        return -EPROTO;
    }
    *ret_counters = area;
    return 0;
}

// Takes what it wants of `fds` (the bell); the caller closes the others.
static int client_fill(struct attach_client *client, const struct attach_welcome *welcome,
                       enum attach_role role, int *fds, int fds_count)
{
    bool ops = role == ROLE_OPS;
    if (!welcome_is_sound(welcome) || fds_count != welcome->workers + 1 + (ops ? 1 : 0))
        return -EPROTO;
    if (ops) {
        int error = counters_open(fds[welcome->workers + 1], welcome->workers, &client->counters);
        if (error)
            return error;
    }
    enum spsc_end end = ops ? SPSC_ASKER : SPSC_ANSWERER;
    for (; client->workers < welcome->workers; client->workers++) {
        unsigned worker = client->workers;
        int error = spsc_channel_open(&client->channels[worker], fds[worker], end);
        if (error)
            return error;
    }
    client->bell = fds[welcome->workers];
    fds[welcome->workers] = -1;
    return 0;
}

int attach_client_welcome(struct attach_client *ret_client, int socket, enum attach_role role)
{
    struct attach_welcome welcome;
    int fds[ATTACH_FDS_MAX], fds_count = 0;
    int error = attach_receive(socket, &welcome, sizeof welcome, fds, ATTACH_FDS_MAX, &fds_count);
    if (error)
        return error;
    struct attach_client client = {.socket = -1, .bell = -1};
    error = client_fill(&client, &welcome, role, fds, fds_count);
    for (int i = 0; i < fds_count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (error) {
        attach_client_close(&client);
        return error;
    }
    *ret_client = client;
    ret_client->socket = socket;
    return 0;
}

void attach_client_close(struct attach_client *client)
{
    for (unsigned i = 0; i < client->workers; i++)
        spsc_channel_close(&client->channels[i]);
    if (client->counters)
        munmap((void *)(uintptr_t)client->counters, sizeof *client->counters);
    if (client->bell >= 0)
        close(client->bell);
    if (client->socket >= 0)
        close(client->socket);
    *client = (struct attach_client){.socket = -1, .bell = -1};
}

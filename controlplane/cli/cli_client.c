// SPDX-License-Identifier: BSD-3-Clause
#include "cli/cli_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { ROOM_FIRST = 1 << 16 };

static int fail(const char *what, const char *path, int error)
{
    fprintf(stderr, "weirctl: %s %s: %s\n", what, path, strerror(-error));
    return error;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = CLI_CLIENT_SECONDS};
    if (strlen(path) >= sizeof address.sun_path)
        return fail("cannot reach", path, -ENAMETOOLONG);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail("cannot reach", path, -errno);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = -errno;
    close(fd);
    if (error == -ENOENT || error == -ECONNREFUSED) {
        fprintf(stderr, "weirctl: the control plane is not running (nobody listens on %s)\n", path);
        return error;
    }
    return fail("cannot reach", path, error);
}

static int send_line(int fd, const json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    CHECK(text);
    size_t size = strlen(text);
    text[size++] = '\n'; // over the NUL, which is not sent
    for (size_t done = 0; done < size;) {
        ssize_t sent = send(fd, text + done, size - done, MSG_NOSIGNAL);
        if (sent < 0) {
            int error = -errno;
            free(text);
            return error;
        }
        done += (size_t)sent;
    }
    free(text);
    return 0;
}

// Reads to the first LF. The text (the caller's) and its size, or NULL and -errno.
static char *receive_line(int fd, size_t *ret_size, int *ret_error)
{
    size_t room = ROOM_FIRST, used = 0;
    char *text = malloc(room);
    CHECK(text);
    while (room <= CLI_RESPONSE_MAX) {
        ssize_t got = recv(fd, text + used, room - used, 0);
        if (got <= 0) {
            *ret_error = got == 0 ? -ECONNRESET : errno == EAGAIN ? -ETIMEDOUT : -errno;
            free(text);
            return NULL;
        }
        const char *end = memchr(text + used, '\n', (size_t)got);
        used += (size_t)got;
        if (end) {
            *ret_size = (size_t)(end - text);
            return text;
        }
        if (used == room) {
            room *= 2;
            char *grown = realloc(text, room);
            CHECK(grown);
            text = grown;
        }
    }
    free(text);
    *ret_error = -EMSGSIZE;
    return NULL;
}

int cli_client_ask(const char *socket_path, const json_t *request, json_t **ret_response)
{
    int fd = connect_to(socket_path);
    if (fd < 0)
        return fd;
    size_t size = 0;
    char *line = NULL;
    int error = send_line(fd, request);
    if (!error)
        line = receive_line(fd, &size, &error);
    close(fd);
    if (!line)
        return fail("no answer from", socket_path, error);
    json_error_t wrong;
    json_t *response = json_loadb(line, size, 0, &wrong);
    free(line);
    if (!json_is_object(response)) {
        json_decref(response);
        return fail("no sense in the answer from", socket_path, -EPROTO);
    }
    *ret_response = response;
    return 0;
}

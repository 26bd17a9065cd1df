// SPDX-License-Identifier: BSD-3-Clause
#include "worker/attach_server.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { STRANGERS_MAX = 8 }; // connected, but have not said hello

struct attach_server {
    struct attach_server_owner owner;
    struct sockaddr_un address;
    int listener;
    int strangers[STRANGERS_MAX]; // -1: free
    int oldest;                   // stranger to go first when all slots are taken
    int roles[ROLE_COUNT];        // -1: nobody
    bool told[ROLE_COUNT];        // the owner knows of it
    bool ready;
    uint32_t refused; // contract version of the last who was refused for it
};

static const char *const role_names[ROLE_COUNT] = {"ops", "dns", "auth"};

// Is somebody listening there? Then it is another data plane.
static bool socket_is_alive(const struct sockaddr_un *address)
{
    int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return false;
    bool alive = connect(probe, (const struct sockaddr *)address, sizeof *address) == 0;
    close(probe);
    return alive;
}

static int listen_at(struct attach_server *server)
{
    if (socket_is_alive(&server->address))
        return -EADDRINUSE;
    unlink(server->address.sun_path);
    server->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->listener < 0)
        return -errno;
    mode_t before = umask(0177);
    int error = bind(server->listener, (struct sockaddr *)&server->address, sizeof server->address);
    umask(before);
    if (error < 0 || listen(server->listener, STRANGERS_MAX) < 0)
        return -errno;
    return 0;
}

int attach_server_open(struct attach_server **ret_server, const char *path,
                       const struct attach_server_owner *owner)
{
    struct attach_server *server = calloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    server->owner = *owner;
    server->address.sun_family = AF_UNIX;
    server->listener = -1;
    for (int i = 0; i < STRANGERS_MAX; i++)
        server->strangers[i] = -1;
    for (int role = 0; role < ROLE_COUNT; role++)
        server->roles[role] = -1;

    int error = -ENAMETOOLONG;
    if (strlen(path) < sizeof server->address.sun_path) {
        memcpy(server->address.sun_path, path, strlen(path) + 1);
        error = listen_at(server);
    }
    if (error < 0) {
        if (server->listener >= 0)
            close(server->listener);
        free(server);
        return error;
    }
    *ret_server = server;
    return 0;
}

void attach_server_close(struct attach_server *server)
{
    close(server->listener);
    unlink(server->address.sun_path);
    for (int i = 0; i < STRANGERS_MAX; i++)
        if (server->strangers[i] >= 0)
            close(server->strangers[i]);
    for (int role = 0; role < ROLE_COUNT; role++)
        if (server->roles[role] >= 0)
            close(server->roles[role]);
    free(server);
}

static bool peer_is_allowed(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return false;
    return peer.uid == 0 || peer.uid == geteuid();
}

static void take_stranger(struct attach_server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (!peer_is_allowed(fd)) {
        log_warning("what=\"connection refused\" cause=\"peer is neither root nor our user\"");
        close(fd);
        return;
    }
    int slot = 0;
    while (slot < STRANGERS_MAX && server->strangers[slot] >= 0)
        slot++;
    if (slot == STRANGERS_MAX) { // the one that has had the longest time to say hello
        slot = server->oldest;
        server->oldest = (slot + 1) % STRANGERS_MAX;
        close(server->strangers[slot]);
        log_warning("what=\"connection closed\" cause=\"too many that have not said hello\"");
    }
    server->strangers[slot] = fd;
}

static void role_close(struct attach_server *server, enum attach_role role)
{
    close(server->roles[role]);
    server->roles[role] = -1;
    log_info("what=\"detached\" role=%s", role_names[role]);
    if (server->told[role])
        server->owner.detached(server->owner.context, role);
    server->told[role] = false;
}

void attach_server_drop(struct attach_server *server, enum attach_role role, const char *cause)
{
    if (server->roles[role] < 0)
        return;
    log_warning("what=\"connection closed\" role=%s cause=\"%s\"", role_names[role], cause);
    role_close(server, role);
}

static void role_tell(struct attach_server *server, enum attach_role role)
{
    bool due = server->roles[role] >= 0 && !server->told[role];
    if (!due || (role != ROLE_OPS && !server->ready))
        return;
    server->told[role] = true;
    server->owner.attached(server->owner.context, role);
}

static void greet(struct attach_server *server, int slot)
{
    int fd = server->strangers[slot];
    struct attach_hello hello;
    int error = attach_receive(fd, &hello, sizeof hello, NULL, 0, NULL);
    if (error == -EAGAIN)
        return;
    server->strangers[slot] = -1;
    if (error < 0 || hello.magic != ATTACH_MAGIC || hello.role >= ROLE_COUNT) {
        close(fd);
        return;
    }
    if (hello.version != contract_version) {
        if (hello.version != server->refused) // it tries again and again
            log_error(
                "what=\"connection refused\" role=%s cause=\"contract version %u, ours is %u\"",
                role_names[hello.role], hello.version, contract_version);
        server->refused = hello.version;
        close(fd);
        return;
    }
    enum attach_role role = (enum attach_role)hello.role;
    if (server->roles[role] >= 0)
        role_close(server, role);
    server->roles[role] = fd;
    server->refused = 0;
    log_info("what=\"attached\" role=%s", role_names[role]);
    role_tell(server, role);
}

static void hear(struct attach_server *server, enum attach_role role)
{
    struct attach_policy facts;
    int fd = -1, count = 0;
    int error = attach_receive(server->roles[role], &facts, sizeof facts, &fd, 1, &count);
    if (error == -EAGAIN)
        return;
    bool sound = error == 0 && role == ROLE_OPS && facts.magic == ATTACH_MAGIC && count == 1;
    if (sound) {
        server->owner.policy(server->owner.context, fd, &facts);
        return;
    }
    if (error == 0 && count == 1)
        close(fd);
    if (error != -ECONNRESET)
        log_warning(
            "what=\"connection closed\" role=%s cause=\"what it sent is not for it to send\"",
            role_names[role]);
    role_close(server, role);
}

void attach_server_wait(struct attach_server *server, int timeout_ms)
{
    struct pollfd fds[1 + STRANGERS_MAX + ROLE_COUNT];
    fds[0] = (struct pollfd){.fd = server->listener, .events = POLLIN};
    for (int i = 0; i < STRANGERS_MAX; i++)
        fds[1 + i] = (struct pollfd){.fd = server->strangers[i], .events = POLLIN};
    struct pollfd *roles = fds + 1 + STRANGERS_MAX;
    for (int role = 0; role < ROLE_COUNT; role++)
        roles[role] = (struct pollfd){.fd = server->roles[role], .events = POLLIN};
    if (poll(fds, sizeof fds / sizeof fds[0], timeout_ms) <= 0)
        return;

    for (int role = 0; role < ROLE_COUNT; role++)
        if (roles[role].revents && server->roles[role] == roles[role].fd)
            hear(server, (enum attach_role)role);
    for (int i = 0; i < STRANGERS_MAX; i++)
        if (fds[1 + i].revents)
            greet(server, i);
    if (fds[0].revents)
        take_stranger(server);
}

void attach_server_ready(struct attach_server *server)
{
    server->ready = true;
    for (int role = 0; role < ROLE_COUNT; role++)
        role_tell(server, (enum attach_role)role);
}

void attach_server_result(struct attach_server *server, uint64_t generation, int error,
                          const char *text)
{
    struct attach_result result = {.magic = ATTACH_MAGIC, .error = error, .generation = generation};
    span_to_text(span_text(text), result.text, sizeof result.text);
    if (server->roles[ROLE_OPS] >= 0 &&
        attach_send(server->roles[ROLE_OPS], &result, sizeof result, NULL, 0) < 0)
        role_close(server, ROLE_OPS);
}

int attach_server_welcome(struct attach_server *server, enum attach_role role, unsigned workers,
                          const int *fds, int fds_count)
{
    struct attach_welcome welcome = {.magic = ATTACH_MAGIC,
                                     .version = contract_version,
                                     .workers = (uint16_t)workers,
                                     .slot_size = sizeof(struct message),
                                     .slots = SPSC_SLOTS};
    return attach_send(server->roles[role], &welcome, sizeof welcome, fds, fds_count);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "plane_fake.h"

#include "contract/attach.h"
#include "contract/doorbell.h"
#include "lookup/lookup_wait.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static bool welcome(struct plane_fake *plane, int role)
{
    struct attach_hello hello;
    if (attach_receive(plane->socket, &hello, sizeof hello, NULL, 0, NULL) < 0 ||
        hello.magic != ATTACH_MAGIC || hello.role != role)
        return false;
    int fds[PLANE_WORKERS + 1];
    for (int i = 0; i < PLANE_WORKERS; i++) {
        fds[i] = spsc_channel_create();
        if (fds[i] < 0 || spsc_channel_open(&plane->channels[i], fds[i], SPSC_ASKER) < 0)
            return false;
    }
    fds[PLANE_WORKERS] = plane->bell[DOORBELL_BELL];
    struct attach_welcome record = {
        .magic = ATTACH_MAGIC,
        .version = contract_version,
        .workers = PLANE_WORKERS,
        .slot_size = sizeof(struct message),
        .slots = SPSC_SLOTS,
    };
    bool sent = attach_send(plane->socket, &record, sizeof record, fds, PLANE_WORKERS + 1) == 0;
    for (int i = 0; i < PLANE_WORKERS; i++)
        close(fds[i]);
    return sent;
}

bool plane_fake_open(struct plane_fake *plane, int role, int (*run)(int socket, const void *config),
                     const void *config)
{
    int pair[2];
    memset(plane, 0, sizeof *plane);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    plane->socket = pair[0];
    if (doorbell_open(plane->bell) < 0)
        return false;
    plane->child = fork();
    if (plane->child == 0) {
        close(pair[0]);
        _exit(run(pair[1], config)); // not exit: the sandbox is closed
    }
    close(pair[1]);
    return plane->child > 0 && welcome(plane, role);
}

bool plane_fake_ask(struct plane_fake *plane, unsigned worker, const struct message *question)
{
    struct spsc *out = &plane->channels[worker].out;
    if (!spsc_put(out, question))
        return false;
    if (spsc_wants_bell(out))
        doorbell_ring(plane->bell[DOORBELL_BUTTON]);
    return true;
}

bool plane_fake_answer(struct plane_fake *plane, unsigned worker, struct message *ret_answer,
                       unsigned wait_ms, void (*turn)(void *context), void *context)
{
    uint64_t until_ms = lookup_now_ms() + wait_ms;
    bool taken;
    while (!(taken = spsc_take(&plane->channels[worker].in, ret_answer)) ||
           ret_answer->kind == MESSAGE_OFFER) {
        if (taken) {
            plane->offered = ret_answer->offer.mechanisms;
            continue;
        }
        if (lookup_now_ms() >= until_ms)
            return false;
        if (turn)
            turn(context);
        poll(NULL, 0, 1);
    }
    return true;
}

int plane_fake_wait(struct plane_fake *plane)
{
    int status = 0;
    if (plane->child <= 0 || waitpid(plane->child, &status, 0) < 0)
        return -1;
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

int plane_fake_close(struct plane_fake *plane)
{
    close(plane->socket);
    int result = plane_fake_wait(plane);
    close(plane->bell[DOORBELL_BUTTON]);
    close(plane->bell[DOORBELL_BELL]);
    for (int i = 0; i < PLANE_WORKERS; i++)
        spsc_channel_close(&plane->channels[i]);
    return result;
}

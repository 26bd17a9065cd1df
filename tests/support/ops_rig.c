// SPDX-License-Identifier: BSD-3-Clause
#include "support/ops_rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void worker_open(struct ops_rig *rig, unsigned worker)
{
    int fd = spsc_channel_create();
    assert_true(fd >= 0);
    assert_int_equal(spsc_channel_open(&rig->workers[worker], fd, SPSC_ANSWERER), 0);
    assert_int_equal(spsc_channel_open(&rig->link->client.channels[worker], fd, SPSC_ASKER), 0);
    close(fd);
}

void ops_rig_up(struct ops_rig *rig, uv_loop_t *loop, struct dataplane_link *link)
{
    static const struct dataplane_link_owner nobody;
    int ends[2];
    *rig = (struct ops_rig){.link = link};
    dataplane_link_init(link, loop, "/nowhere", &nobody);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_RDWR | O_NONBLOCK), 0);
    link->socket = ends[0];
    rig->socket = ends[1];
    rig->counters = mmap(NULL, sizeof *rig->counters, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(rig->counters, MAP_FAILED);
    link->client.counters = rig->counters; // unmapped with the link
    for (unsigned worker = 0; worker < OPS_RIG_WORKERS; worker++)
        worker_open(rig, worker);
    link->client.workers = OPS_RIG_WORKERS;
    link->state = LINK_UP;
}

void ops_rig_down(struct ops_rig *rig)
{
    dataplane_link_stop(rig->link);
    close(rig->socket);
    for (unsigned worker = 0; worker < OPS_RIG_WORKERS; worker++)
        spsc_channel_close(&rig->workers[worker]);
}

bool ops_rig_take(struct ops_rig *rig, unsigned worker, struct message *ret_question)
{
    return spsc_take(&rig->workers[worker].in, ret_question);
}

uint64_t ops_rig_policy(struct ops_rig *rig)
{
    struct attach_policy policy;
    int fd, count = 0;
    if (attach_receive(rig->socket, &policy, sizeof policy, &fd, 1, &count) < 0)
        return 0;
    assert_int_equal(count, 1);
    close(fd);
    return policy.generation;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup_port.h"

#include "contract/doorbell.h"
#include "lookup/lookup_wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int lookup_port_open(struct lookup_port *port, int socket, enum attach_role role, uint32_t kinds,
                     unsigned timeout_ms)
{
    *port = (struct lookup_port){.kinds = kinds};
    port->waiting = calloc(LOOKUP_WAITING_MAX, sizeof *port->waiting);
    if (!port->waiting)
        return -ENOMEM;
    int error = attach_client_open(&port->client, socket, role, timeout_ms);
    if (error) {
        free(port->waiting);
        port->waiting = NULL;
    }
    return error;
}

void lookup_port_close(struct lookup_port *port)
{
    if (port->waiting)
        explicit_bzero(port->waiting, LOOKUP_WAITING_MAX * sizeof *port->waiting);
    free(port->waiting);
    port->waiting = NULL;
    attach_client_close(&port->client);
}

static bool is_served(const struct lookup_port *port, const struct message *m)
{
    return message_is_sound(m) && m->status == STATUS_ASKED && (port->kinds & 1U << m->kind);
}

bool lookup_port_take(struct lookup_port *port, unsigned *ret_worker, struct message *ret_question)
{
    unsigned empty = 0; // channels in a row
    for (int looks = 0; empty < port->client.workers && looks < LOOKUP_TAKE_MAX; looks++) {
        unsigned worker = port->next_worker;
        port->next_worker = (worker + 1) % port->client.workers;
        struct spsc *in = &port->client.channels[worker].in;
        if (!spsc_take_wiping(in, ret_question)) {
            empty++;
            continue;
        }
        empty = 0;
        if (is_served(port, ret_question)) {
            port->counters.questions++;
            *ret_worker = worker;
            return true;
        }
        message_wipe(ret_question);
        port->counters.unsound++;
    }
    return false;
}

static bool put(struct lookup_port *port, unsigned worker, const struct message *answer)
{
    if (!spsc_put(&port->client.channels[worker].out, answer))
        return false;
    port->counters.answers++;
    return true;
}

void lookup_port_answer(struct lookup_port *port, unsigned worker, const struct message *answer)
{
    CHECK(worker < port->client.workers);
    if (put(port, worker, answer))
        return;
    if (port->waiting_count == LOOKUP_WAITING_MAX) {
        port->counters.answers_dropped++;
        return;
    }
    uint32_t last = (port->waiting_first + port->waiting_count++) % LOOKUP_WAITING_MAX;
    port->waiting[last] = (struct lookup_waiting){.worker = worker, .message = *answer};
}

void lookup_port_flush(struct lookup_port *port)
{
    // Each once: what still finds its ring full goes back to the end.
    for (uint32_t left = port->waiting_count; left > 0; left--) {
        struct lookup_waiting *waiting = &port->waiting[port->waiting_first];
        struct lookup_waiting copy = *waiting;
        message_wipe(&waiting->message);
        port->waiting_first = (port->waiting_first + 1) % LOOKUP_WAITING_MAX;
        port->waiting_count--;
        lookup_port_answer(port, copy.worker, &copy.message);
        message_wipe(&copy.message);
    }
}

static bool is_ready(const struct lookup_port *port)
{
    for (unsigned i = 0; i < port->client.workers; i++)
        if (spsc_is_ready(&port->client.channels[i].in))
            return true;
    return false;
}

// True: questions came meanwhile.
static bool linger(const struct lookup_port *port)
{
    uint64_t until_us = lookup_now_us() + port->linger_us;
    bool ready = is_ready(port);
    while (!ready && lookup_now_us() < until_us)
        ready = is_ready(port);
    return ready;
}

static void linger_learn(struct lookup_port *port, uint64_t slept_us)
{
    if (slept_us > LOOKUP_LINGER_US)
        port->linger_us = 0;
    else if (port->linger_us == 0)
        port->linger_us = LOOKUP_LINGER_LEAST_US;
    else if (port->linger_us <= LOOKUP_LINGER_US / 2)
        port->linger_us *= 2;
}

// False: questions are there, do not block.
static bool fall_asleep(struct lookup_port *port)
{
    bool asleep = true;
    for (unsigned i = 0; i < port->client.workers && asleep; i++)
        asleep = spsc_sleep(&port->client.channels[i].in);
    return asleep;
}

static void wake_up(struct lookup_port *port)
{
    for (unsigned i = 0; i < port->client.workers; i++)
        spsc_wake(&port->client.channels[i].in);
}

bool lookup_port_wait(struct lookup_port *port, const struct pollfd *fds, unsigned count,
                      int timeout_ms)
{
    CHECK(count <= LOOKUP_FDS_MAX);
    bool ready = timeout_ms == 0 || linger(port);
    if (ready && port->busy_turns++ < LOOKUP_BUSY_TURNS)
        return true;
    port->busy_turns = 0;
    struct pollfd all[2 + LOOKUP_FDS_MAX] = {
        {.fd = port->client.socket, .events = POLLIN},
        {.fd = port->client.bell, .events = POLLIN},
    };
    if (count > 0)
        memcpy(all + 2, fds, count * sizeof *fds);
    bool sleeps = !ready && fall_asleep(port);
    uint64_t before_us = lookup_now_us();
    bool go_on = lookup_wait(all, 2 + count, sleeps ? timeout_ms : 0);
    wake_up(port);
    if (sleeps)
        linger_learn(port, lookup_now_us() - before_us);
    return go_on && !all[0].revents && (!all[1].revents || doorbell_hear(port->client.bell));
}

bool lookup_port_is_broken(const struct lookup_port *port)
{
    for (unsigned i = 0; i < port->client.workers; i++)
        if (spsc_channel_is_broken(&port->client.channels[i]))
            return true;
    return false;
}

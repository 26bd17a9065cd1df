// SPDX-License-Identifier: BSD-3-Clause
/* weir-dataplane: waits for a policy from the control plane, starts EAL, ports and workers from its
 * boot part, and from then on only hands things over: snapshots, channels, counters. Packets are
 * the workers' business (worker/worker_turn.c). */
#include "base/log.h"
#include "base/rng.h"
#include "contract/doorbell.h"
#include "guard/guard.h"
#include "link/port.h"
#include "link/port_mbufs.h"
#include "tls/tls.h"
#include "worker/attach_server.h"
#include "worker/snapshot_store.h"
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { STEER_RING_SIZE = 1024, HOUSEKEEPING_MS = 100, DRAIN_STEP_MS = 20 };

// What sessions that were told at a drain's deadline may take for their last words (session.c).
enum { DRAIN_LAST_US = 3000000 };

struct plane {
    struct attach_server *server;
    struct snapshot_store store;
    const struct policy_boot *boot; // NULL until the first policy; a copy of ours
    struct policy_boot boot_copy;
    struct port ports[LEG_COUNT];
    struct rte_mempool *mbufs;
    struct counter_area *counters;
    int counters_fd;
    struct worker *workers[WORKERS_MAX];
    struct guard_peers guard_peers;
    struct rte_ring *steer[WORKERS_MAX][WORKERS_MAX];     // [to][from]
    struct rte_ring *steer_out[WORKERS_MAX][WORKERS_MAX]; // [from][to], the same rings
    struct worker_link *links[ROLE_COUNT][WORKERS_MAX];
    int buttons[ROLE_COUNT]; // of doorbells; -1: no channels are handed over
    bool boot_failed;
};

static volatile sig_atomic_t stop_wanted, stops_wanted;

static void on_signal(int number)
{
    stop_wanted = number;
    stops_wanted++;
}

/* Workers adopt at the start of a turn, and a turn is short: this wait is bounded by it. They turn
 * until plane_stop, SIGTERM or not. */
static void wait_for_workers(const struct plane *p)
{
    for (unsigned i = 0; i < p->store.workers; i++)
        while (!worker_has_adopted(p->workers[i]))
            usleep(20);
}

static void link_free(struct worker_link *link)
{
    if (link)
        spsc_channel_close(&link->channel);
    free(link);
}

static void role_unlink(struct plane *p, enum attach_role role)
{
    if (p->buttons[role] < 0)
        return; // nothing was handed over
    for (unsigned i = 0; i < p->store.workers; i++)
        worker_set_link(p->workers[i], role, NULL);
    wait_for_workers(p);
    for (unsigned i = 0; i < p->store.workers; i++) {
        link_free(p->links[role][i]);
        p->links[role][i] = NULL;
    }
    close(p->buttons[role]);
    p->buttons[role] = -1;
}

static struct worker_link *link_make(enum attach_role role, int button, int *ret_fd)
{
    struct worker_link *link = calloc(1, sizeof *link);
    int fd = link ? spsc_channel_create() : -ENOMEM;
    enum spsc_end end = role == ROLE_OPS ? SPSC_ANSWERER : SPSC_ASKER;
    if (fd < 0 || spsc_channel_open(&link->channel, fd, end) < 0) {
        if (fd >= 0)
            close(fd);
        free(link);
        return NULL;
    }
    link->button = button;
    *ret_fd = fd;
    return link;
}

// The channels' descriptors to fds, in the order of workers. How many were made.
static int channels_make(struct plane *p, enum attach_role role, int *fds)
{
    int count = 0;
    for (unsigned i = 0; i < p->store.workers; i++) {
        p->links[role][i] = link_make(role, p->buttons[role], &fds[count]);
        if (!p->links[role][i])
            break;
        count++;
    }
    return count;
}

// Fresh channels for a role, handed over to its new connection and then to the workers.
static void role_link(struct plane *p, enum attach_role role)
{
    int bell[DOORBELL_ENDS], fds[ATTACH_FDS_MAX];
    role_unlink(p, role);
    int error = doorbell_open(bell);
    if (error < 0) {
        attach_server_drop(p->server, role, strerror(-error));
        return;
    }
    p->buttons[role] = bell[DOORBELL_BUTTON];
    unsigned workers = p->store.workers;
    int channels = channels_make(p, role, fds), count = channels;
    fds[count++] = bell[DOORBELL_BELL];
    if (role == ROLE_OPS)
        fds[count++] = p->counters_fd;
    if ((unsigned)channels < workers)
        error = -ENOMEM;
    else
        error = attach_server_welcome(p->server, role, workers, fds, count);
    for (int i = 0; i <= channels; i++)
        close(fds[i]);
    if (error < 0) { // it may have been killed in the middle of this
        log_warning("what=\"channels not handed over\" role=%d cause=\"%s\"", role,
                    strerror(-error));
        attach_server_drop(p->server, role, "channels not handed over");
        role_unlink(p, role);
        return;
    }
    for (unsigned i = 0; i < workers; i++)
        worker_set_link(p->workers[i], role, p->links[role][i]);
}

// A role whose index is impossible has a channel that nothing passes any more: out with it, and its
// successor gets another.
static void drop_liars(struct plane *p)
{
    for (int role = 0; role < ROLE_COUNT; role++)
        for (unsigned i = 0; i < p->store.workers && p->buttons[role] >= 0; i++)
            if (spsc_channel_is_broken(&p->links[role][i]->channel))
                attach_server_drop(p->server, (enum attach_role)role, "ring index out of range");
}

static int counters_open(struct plane *p)
{
    size_t size = sizeof(struct counter_area);
    p->counters_fd = memfd_create("weir-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (p->counters_fd < 0 || ftruncate(p->counters_fd, (off_t)size) < 0)
        return -errno;
    p->counters = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, p->counters_fd, 0);
    if (p->counters == MAP_FAILED)
        return -errno;
    // Our mapping goes on writing; nobody can make another that does, or change the size.
    int seals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (fcntl(p->counters_fd, F_ADD_SEALS, seals) < 0)
        return -errno;
    p->counters->version = contract_version;
    p->counters->workers = p->boot->workers;
    return 0;
}

static int steer_open(struct plane *p)
{
    for (unsigned to = 0; to < p->boot->workers; to++)
        for (unsigned from = 0; from < p->boot->workers; from++) {
            if (to == from)
                continue;
            char name[32];
            snprintf(name, sizeof name, "steer-%u-%u", from, to);
            struct rte_ring *ring = rte_ring_create(name, STEER_RING_SIZE, SOCKET_ID_ANY,
                                                    RING_F_SP_ENQ | RING_F_SC_DEQ);
            if (!ring)
                return -ENOMEM;
            p->steer[to][from] = p->steer_out[from][to] = ring;
        }
    return 0;
}

static int workers_open(struct plane *p, const char **ret_what)
{
    struct siphash_key guard_key, steer_key, tcp_key, sessions_key;
    if (rng_secret(&guard_key, sizeof guard_key) < 0 ||
        rng_secret(&steer_key, sizeof steer_key) < 0) {
        *ret_what = "no entropy for keys";
        return -EIO;
    }
    uint64_t clock_start = rte_rdtsc();
    for (uint16_t i = 0; i < p->boot->workers; i++) {
        if (rng_secret(&tcp_key, sizeof tcp_key) < 0 ||
            rng_secret(&sessions_key, sizeof sessions_key) < 0) {
            *ret_what = "no entropy for keys";
            return -EIO;
        }
        struct worker_config config = {.boot = p->boot,
                                       .index = i,
                                       .mbufs = p->mbufs,
                                       .counters = &p->counters->blocks[i],
                                       .clock_start = clock_start,
                                       .guard_key = guard_key,
                                       .steer_key = steer_key,
                                       .tcp_key = tcp_key,
                                       .sessions_key = sessions_key,
                                       .peers = &p->guard_peers,
                                       .steer_in = p->steer[i],
                                       .steer_out = p->steer_out[i],
                                       .snapshot = p->store.newest};
        for (int leg = 0; leg < LEG_COUNT; leg++) {
            bool shared = p->ports[leg].id == p->ports[LEG_OUTSIDE].id;
            config.ports[leg] = &p->ports[shared ? LEG_OUTSIDE : leg];
        }
        p->workers[i] = worker_open(&config, ret_what);
        if (!p->workers[i])
            return -ENOMEM;
    }
    return 0;
}

static int plane_boot(struct plane *p, const char **ret_what)
{
    int error = port_eal_init(p->boot, ret_what);
    if (error < 0)
        return error;
    p->mbufs = port_mbufs_open("weir", p->boot->mbufs);
    if (!p->mbufs) {
        *ret_what = "boot.mbufs: not enough memory (boot.hugepage_mb) for that many packet buffers";
        return -ENOMEM;
    }
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        error = port_open(&p->ports[leg], p->boot, (enum leg)leg, p->mbufs, ret_what);
        if (error < 0)
            return error;
    }
    error = counters_open(p);
    if (error < 0) {
        *ret_what = "counters: no shared memory";
        return error;
    }
    error = steer_open(p);
    if (error < 0) {
        *ret_what = "no memory for rings between workers";
        return error;
    }
    error = workers_open(p, ret_what);
    if (error < 0)
        return error;
    for (unsigned i = 0; i < p->boot->workers; i++) {
        error = rte_eal_remote_launch(worker_run, p->workers[i], p->boot->lcores[i]);
        if (error < 0) {
            *ret_what = "boot.worker_lcores: a worker cannot be launched on its lcore";
            return error;
        }
    }
    return 0;
}

// The very first policy: what it says of devices and sizes is built now or never.
static void first_policy(struct plane *p)
{
    p->boot_copy = p->store.newest->policy->boot;
    p->boot = &p->boot_copy;
    const char *what = "start";
    uint64_t generation = p->store.newest->policy->generation;
    int error = plane_boot(p, &what);
    if (error < 0) {
        log_error("what=\"cannot start\" cause=\"%s\" error=\"%s\"", what, strerror(-error));
        attach_server_result(p->server, generation, error, what);
        p->boot_failed = true;
        return;
    }
    wait_for_workers(p);
    log_info("what=\"ready\" workers=%u", p->boot->workers);
    attach_server_result(p->server, generation, 0, "");
    role_link(p, ROLE_OPS);
    attach_server_ready(p->server);
}

static void later_policy(struct plane *p)
{
    for (unsigned i = 0; i < p->store.workers; i++)
        worker_set_snapshot(p->workers[i], p->store.newest);
    wait_for_workers(p);
    snapshot_store_collect(&p->store);
    uint64_t generation = p->store.newest->policy->generation;
    log_info("what=\"policy taken\" generation=%lu", (unsigned long)generation);
    attach_server_result(p->server, generation, 0, "");
    if (p->buttons[ROLE_OPS] < 0) // a control plane that came back: its channels follow
        role_link(p, ROLE_OPS);
}

static void on_policy(void *context, int fd, const struct attach_policy *facts)
{
    struct plane *p = context;
    char text[200];
    int error = snapshot_store_add(&p->store, fd, facts->size, p->boot, text, sizeof text);
    close(fd);
    if (error < 0) {
        log_error("what=\"policy refused\" generation=%lu cause=\"%s\"",
                  (unsigned long)facts->generation, text);
        attach_server_result(p->server, facts->generation, error, text);
        p->boot_failed = p->boot == NULL;
    } else if (p->boot == NULL) {
        first_policy(p);
    } else {
        later_policy(p);
    }
}

static void on_attached(void *context, enum attach_role role)
{
    if (role != ROLE_OPS) // ops gets its channels behind its first policy
        role_link(context, role);
}

static void on_detached(void *context, enum attach_role role)
{
    role_unlink(context, role);
}

static void plane_stop(struct plane *p)
{
    for (unsigned i = 0; i < p->store.workers && p->workers[i]; i++)
        worker_stop(p->workers[i]);
    rte_eal_mp_wait_lcore();
    for (unsigned i = 0; i < p->store.workers && p->workers[i]; i++)
        worker_close(p->workers[i]);
    for (int leg = 0; leg < LEG_COUNT; leg++)
        port_close(&p->ports[leg]);
    snapshot_store_done(&p->store);
    rte_eal_cleanup();
}

static void losses_count(struct plane *p)
{
    struct port_losses losses = {0};
    for (int leg = 0; leg < LEG_COUNT; leg++)
        if (leg == 0 || p->ports[leg].id != p->ports[0].id)
            port_losses_add(&p->ports[leg], &losses);
    struct counter_block *block = &p->counters->blocks[0];
    counter_set(block, COUNTER_NIC_MISSED, losses.missed);
    counter_set(block, COUNTER_NIC_NO_MBUF, losses.no_mbuf);
    counter_set(block, COUNTER_NIC_ERRORS, losses.errors);
    counter_set(block, COUNTER_NIC_FURTHER, losses.further);
    counter_set(block, COUNTER_MBUFS_IN_USE, rte_mempool_in_use_count(p->mbufs));
    for (unsigned i = 0; i < p->boot->workers; i++)
        counter_set(&p->counters->blocks[i], COUNTER_NIC_QUEUE_ERRORS, losses.queues[i]);
}

static uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t sessions_open(const struct plane *p)
{
    uint64_t open = 0;
    for (unsigned i = 0; i < p->store.workers; i++)
        open += __atomic_load_n(&p->counters->blocks[i].counters[COUNTER_SESSIONS_OPEN],
                                __ATOMIC_RELAXED);
    return open;
}

// SIGTERM: until no session is left or DRAIN_SECONDS are over, or another signal comes. SIGINT
// does not wait.
static void drain(struct plane *p)
{
    if (stop_wanted != SIGTERM || sessions_open(p) == 0)
        return;
    const struct policy *policy = p->store.newest->policy;
    uint64_t end_us = clock_us() + policy->limits[LIMIT_DRAIN_SECONDS] * 1000000 + DRAIN_LAST_US;
    log_info("what=\"draining\" sessions=%lu", (unsigned long)sessions_open(p));
    for (unsigned i = 0; i < p->store.workers; i++)
        worker_want_drain(p->workers[i]);
    while (stops_wanted == 1 && sessions_open(p) > 0 && clock_us() < end_us) {
        attach_server_wait(p->server, DRAIN_STEP_MS);
        drop_liars(p);
        snapshot_store_collect(&p->store);
    }
}

static int serve(struct plane *p, const char *path)
{
    p->store.tickets = tls_tickets_open(clock_us());
    if (!p->store.tickets) {
        log_error("what=\"cannot start\" cause=\"no memory, no entropy or no AES-256-CBC for TLS "
                  "tickets\"");
        return EXIT_FAILURE;
    }
    struct attach_server_owner owner = {
        .policy = on_policy, .attached = on_attached, .detached = on_detached, .context = p};
    int error = attach_server_open(&p->server, path, &owner);
    if (error < 0) {
        log_error("what=\"cannot listen\" socket=%s error=\"%s\"", path, strerror(-error));
        return EXIT_FAILURE;
    }
    log_info("what=\"waiting for the policy of weir-controlplane\" socket=%s", path);
    while (!stop_wanted && !p->boot_failed) {
        attach_server_wait(p->server, HOUSEKEEPING_MS);
        drop_liars(p);
        snapshot_store_collect(&p->store);
        if (tls_tickets_advance(p->store.tickets, clock_us()) < 0)
            log_warning("what=\"keys of TLS tickets not renewed\" cause=\"no entropy\"");
        if (p->boot && !p->boot_failed)
            losses_count(p);
    }
    if (p->boot && !p->boot_failed)
        drain(p);
    log_info("what=\"stopping\" signal=%d", (int)stop_wanted);
    if (p->boot && !p->boot_failed)
        plane_stop(p);
    tls_tickets_shut(p->store.tickets);
    attach_server_close(p->server);
    return p->boot_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void usage(FILE *to)
{
    fprintf(to, "usage: weir-dataplane --socket PATH [--log-level error|warning|info|debug]\n"
                "Waits at PATH for weir-controlplane, which brings the configuration.\n");
}

static bool level_of(const char *text, enum log_level *ret_level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    return false;
}

int main(int count, char **arguments)
{
    static const struct option options[] = {{"socket", required_argument, NULL, 's'},
                                            {"log-level", required_argument, NULL, 'l'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *path = NULL;
    enum log_level level = LOG_INFO;
    for (int o; (o = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (o == 's') {
            path = optarg;
        } else if (o == 'h') {
            usage(stdout);
            return EXIT_SUCCESS;
        } else if (o != 'l' || !level_of(optarg, &level)) {
            usage(stderr);
            return 2;
        }
    }
    if (!path || optind != count) {
        usage(stderr);
        return 2;
    }
    log_open("weir-dataplane", level);
    if (geteuid() != 0) {
        log_error("what=\"cannot start\" cause=\"ports and huge pages need root\"");
        return EXIT_FAILURE;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); // a reload is the control plane's business

    static struct plane plane = {.counters_fd = -1, .buttons = {-1, -1, -1}};
    return serve(&plane, path);
}

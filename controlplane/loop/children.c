// SPDX-License-Identifier: BSD-3-Clause
#include "loop/children.h"

#include "base/log.h"
#include "link/attach_client.h"
#include "loop/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const names[CHILD_COUNT] = {"dns", "auth"};
static const char *const state_names[] = {"stopped", "running", "waiting", "ending"};

const char *children_name(enum child_kind kind)
{
    CHECK(kind < CHILD_COUNT);
    return names[kind];
}

const char *children_state_name(const struct child *child)
{
    CHECK(child->state <= CHILD_ENDING);
    return state_names[child->state];
}

static void child_enter(struct child *child, enum child_state state)
{
    bool allowed = false;
    switch (state) {
    case CHILD_STOPPED:
        allowed = true;
        break;
    case CHILD_RUNNING:
        allowed = child->state == CHILD_STOPPED || child->state == CHILD_WAITING;
        break;
    case CHILD_WAITING:
        allowed = child->state != CHILD_ENDING;
        break;
    case CHILD_ENDING:
        allowed = child->state == CHILD_RUNNING;
        break;
    }
    CHECK(allowed);
    child->state = state;
}

// Sealed, or its reader could get a SIGBUS.
static int memfd_open(const void *bytes, size_t size)
{
    int fd = memfd_create("weir-child-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (pwrite(fd, bytes, size, 0) == (ssize_t)size &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    close(fd);
    return -EIO;
}

static void limits_tell(struct children *children)
{
    struct lookup_area *area = children->items[CHILD_AUTH].area;
    for (int i = 0; i < LIMIT_COUNT && area; i++) {
        __atomic_store_n(&area->limits[i], children->limits[i], __ATOMIC_RELAXED);
        __atomic_store_n(&area->modes[i], children->modes[i], __ATOMIC_RELAXED);
    }
}

static void area_give(struct child *child)
{
    if (child->area)
        munmap(child->area, sizeof *child->area);
    child->area = NULL;
}

// A descriptor of a fresh one, or -errno.
static int area_make(struct child *child)
{
    struct children *all = child->all;
    struct lookup_area area = {0};
    if (child->kind == CHILD_DNS)
        area.dns = all->dns;
    else
        area.auth = all->auth;
    area.figures[FIGURE_BACKEND_ERROR] = EINPROGRESS; // until the child has looked
    int fd = memfd_open(&area, sizeof area);
    void *memory =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof area, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        if (fd >= 0)
            close(fd);
        return -ENOMEM;
    }
    area_give(child);
    child->area = memory;
    child->turns_seen = child->looks_missed = 0;
    limits_tell(all);
    return fd;
}

const struct child_figure *children_figure_facts(enum auth_figure figure)
{
    static const struct child_figure facts[FIGURE_COUNT] = {
#define AUTH_FIGURE(NAME, name, gauge, text) {name, gauge, text},
#include "lookup/auth_figure.def"
#undef AUTH_FIGURE
    };
    CHECK(figure < FIGURE_COUNT);
    return &facts[figure];
}

uint64_t children_auth_figure(const struct children *children, enum auth_figure figure)
{
    const struct lookup_area *area = children->items[CHILD_AUTH].area;
    if (!area)
        return figure == FIGURE_BACKEND_ERROR ? EINPROGRESS : 0;
    return __atomic_load_n(&area->figures[figure], __ATOMIC_RELAXED);
}

static void child_spawn(struct child *child);

static void on_pause_over(uv_timer_t *timer)
{
    struct child *child = (struct child *)timer->data;
    child->restarts++;
    child_spawn(child);
}

static void child_pause(struct child *child)
{
    child_enter(child, CHILD_WAITING);
    uv_timer_start(&child->timer, on_pause_over, child->pause_ms, 0);
    child->pause_ms *= 2;
    if (child->pause_ms > CHILD_PAUSE_MOST_MS)
        child->pause_ms = CHILD_PAUSE_MOST_MS;
}

static void process_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_exit_of(uv_process_t *process, int64_t status, int signal)
{
    struct child *child = (struct child *)process->data;
    bool expected = child->state == CHILD_ENDING;
    uv_timer_stop(&child->timer);
    uv_close((uv_handle_t *)process, process_closed);
    child->process = NULL;
    child->pid = 0;
    pid_file_remove(child->all->pid_directory, names[child->kind]);
    if (expected || !child->wanted) {
        child_enter(child, CHILD_STOPPED);
        if (child->wanted)
            child_spawn(child);
        return;
    }
    uint64_t lived_ms = uv_now(child->all->loop) - child->started_ms;
    log_warning("what=\"child ended\" child=%s status=%d signal=%d lived_ms=%llu again_in_ms=%u",
                names[child->kind], (int)status, signal, (unsigned long long)lived_ms,
                lived_ms >= CHILD_PROVEN_MS ? CHILD_PAUSE_LEAST_MS : child->pause_ms);
    if (lived_ms >= CHILD_PROVEN_MS)
        child->pause_ms = CHILD_PAUSE_LEAST_MS;
    child_pause(child);
}

static int process_start(struct child *child, int socket, int area, int dial)
{
    char parent[16];
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    char program[] = "weir-controlplane", child_flag[] = "--child", parent_flag[] = "--parent";
    char name[8];
    snprintf(name, sizeof name, "%s", names[child->kind]);
    char *arguments[] = {program, child_flag, name, parent_flag, parent, NULL};
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
        {.flags = UV_INHERIT_FD, .data.fd = socket},
        {.flags = UV_INHERIT_FD, .data.fd = area},
        {.flags = dial >= 0 ? UV_INHERIT_FD : UV_IGNORE, .data.fd = dial},
    };
    static_assert(sizeof stdio / sizeof stdio[0] == CHILD_DIAL + 1, "by number");
    uv_process_options_t options = {
        .exit_cb = on_exit_of,
        .file = "/proc/self/exe",
        .args = arguments,
        .stdio_count = CHILD_DIAL + 1,
        .stdio = stdio,
    };
    uv_process_t *process = calloc(1, sizeof *process);
    CHECK(process);
    process->data = child;
    int error = uv_spawn(child->all->loop, process, &options);
    if (error) {
        uv_close((uv_handle_t *)process, process_closed);
        return error;
    }
    child->process = process;
    child->pid = process->pid;
    return 0;
}

// The child's end of a fresh dial desk, -1 when it needs none, or -errno.
static int dial_fd(struct child *child)
{
    struct children *all = child->all;
    int end = -1;
    if (child->kind != CHILD_AUTH || !all->auth.dovecot)
        return -1;
    dial_desk_close(all->dial);
    all->dial = NULL;
    int error = dial_desk_open(&all->dial, all->loop, all->dovecot_socket, &end);
    return error ? error : end;
}

// A child that was stopped, or loops, answers nothing and does not die of it.
static void on_look(uv_timer_t *timer)
{
    struct child *child = (struct child *)timer->data;
    uint64_t turns = __atomic_load_n(&child->area->turns, __ATOMIC_RELAXED);
    child->looks_missed = turns == child->turns_seen ? child->looks_missed + 1 : 0;
    child->turns_seen = turns;
    if (child->looks_missed < (turns ? CHILD_LOOKS_HUNG : CHILD_LOOKS_OPENING))
        return;
    log_warning("what=\"child hangs and is killed\" child=%s turns=%lu", names[child->kind], turns);
    uv_process_kill(child->process, SIGKILL);
}

static void child_spawn(struct child *child)
{
    int socket = attach_client_connect(child->all->dataplane_socket);
    int area = socket < 0 ? socket : area_make(child);
    int dial = area < 0 ? -1 : dial_fd(child);
    int error = area < 0 ? area : dial < -1 ? dial : process_start(child, socket, area, dial);
    if (dial >= 0)
        close(dial);
    if (area >= 0)
        close(area);
    if (socket >= 0)
        close(socket);
    if (error) {
        log_warning("what=\"child not started\" child=%s error=\"%s\"", names[child->kind],
                    strerror(-error));
        child_pause(child);
        return;
    }
    child_enter(child, CHILD_RUNNING);
    child->started_ms = uv_now(child->all->loop);
    uv_timer_start(&child->timer, on_look, CHILD_LOOK_MS, CHILD_LOOK_MS);
    error = pid_file_write(child->all->pid_directory, names[child->kind], child->pid);
    if (error)
        log_warning("what=\"pid file not written\" child=%s error=\"%s\"", names[child->kind],
                    strerror(-error));
}

static void on_end_overdue(uv_timer_t *timer)
{
    struct child *child = (struct child *)timer->data;
    if (child->process)
        uv_process_kill(child->process, SIGKILL);
}

static void child_end(struct child *child)
{
    switch (child->state) {
    case CHILD_STOPPED:
    case CHILD_ENDING:
        return;
    case CHILD_WAITING:
        uv_timer_stop(&child->timer);
        child_enter(child, CHILD_STOPPED);
        return;
    case CHILD_RUNNING:
        area_give(child); // its figures are those of another configuration
        uv_process_kill(child->process, SIGTERM);
        child_enter(child, CHILD_ENDING);
        uv_timer_start(&child->timer, on_end_overdue, CHILD_END_MS, 0);
        return;
    }
}

static void configure(struct children *children, const struct config *config)
{
    struct dns_child_config *dns = &children->dns;
    struct auth_child_config *auth = &children->auth;
    memset(dns, 0, sizeof *dns); // padding too: they are compared as bytes
    memset(auth, 0, sizeof *auth);
    for (uint32_t i = 0; i < config->dns.servers_count && i < LOOKUP_SERVERS_MAX; i++)
        memcpy(dns->servers[i], config->dns.servers[i], sizeof dns->servers[i]);
    dns->servers_count = config->dns.servers_count;
    dns->timeout_ms = config->dns.timeout_ms;
    dns->dnsbl_count = config->head.smtp.dnsbl_zones;
    for (unsigned i = 0; i < dns->dnsbl_count; i++) {
        memcpy(dns->dnsbl[i].zone, config->dnsbl[i].zone, sizeof dns->dnsbl[i].zone);
        dns->dnsbl[i].replies = config->dnsbl[i].replies;
        dns->dnsbl[i].weight = config->dnsbl[i].weight;
    }
    memcpy(dns->host_name, config->head.smtp.host_name, sizeof dns->host_name);
    memcpy(dns->user, config->control.dns_user, sizeof dns->user);
    memcpy(auth->passwd_file, config->auth.passwd_file, sizeof auth->passwd_file);
    auth->dovecot = config->auth.backend == CONFIG_AUTH_DOVECOT;
    snprintf(children->dovecot_socket, sizeof children->dovecot_socket, "%s", config->auth.socket);
    auth->allow_plain = config->auth.allow_plain;
    memcpy(children->limits, config->head.limits, sizeof children->limits);
    memcpy(children->modes, config->head.modes, sizeof children->modes);
    memcpy(auth->user, config->control.auth_user, sizeof auth->user);
    dns->parent = auth->parent = (int)getpid();
}
static_assert((int)LOOKUP_SERVERS_MAX == (int)CONFIG_SERVERS_MAX, "one fits the other");
static_assert((int)LOOKUP_DNSBL_MAX == (int)CONFIG_DNSBL_MAX, "one fits the other");
static_assert((int)LOOKUP_DNSBL_ZONE_SIZE == (int)CONFIG_DNSBL_ZONE_SIZE, "one fits the other");
static_assert((int)LOOKUP_DNSBL_WEIGHT_MAX == (int)CONFIG_DNSBL_WEIGHT_MAX, "one fits the other");
static_assert((int)LOOKUP_SERVER_TEXT == (int)CONFIG_SERVER_SIZE, "one fits the other");

void children_init(struct children *children, uv_loop_t *loop, const struct config *config)
{
    memset(children, 0, sizeof *children);
    children->loop = loop;
    memcpy(children->dataplane_socket, config->control.dataplane_socket,
           sizeof children->dataplane_socket);
    memcpy(children->pid_directory, config->control.pid_directory, sizeof children->pid_directory);
    configure(children, config);
    for (int i = 0; i < CHILD_COUNT; i++) {
        struct child *child = &children->items[i];
        *child = (struct child){.kind = (enum child_kind)i,
                                .state = CHILD_STOPPED,
                                .all = children,
                                .pause_ms = CHILD_PAUSE_LEAST_MS};
        CHECK(uv_timer_init(loop, &child->timer) == 0);
        child->timer.data = child;
        pid_file_remove(children->pid_directory, names[i]); // of one that was killed
    }
}

static void child_done(struct child *child)
{
    area_give(child);
    if (!uv_is_closing((uv_handle_t *)&child->timer))
        uv_close((uv_handle_t *)&child->timer, NULL);
}

void children_done(struct children *children)
{
    for (int i = 0; i < CHILD_COUNT; i++)
        child_done(&children->items[i]);
    dial_desk_close(children->dial);
    children->dial = NULL;
}

void children_start(struct children *children)
{
    for (int i = 0; i < CHILD_COUNT; i++) {
        struct child *child = &children->items[i];
        child->wanted = true;
        child->pause_ms = CHILD_PAUSE_LEAST_MS;
        if (child->state == CHILD_STOPPED)
            child_spawn(child);
    }
}

void children_stop(struct children *children)
{
    for (int i = 0; i < CHILD_COUNT; i++) {
        children->items[i].wanted = false;
        child_end(&children->items[i]);
    }
}

bool children_gone(const struct children *children)
{
    for (int i = 0; i < CHILD_COUNT; i++)
        if (children->items[i].process)
            return false;
    return true;
}

void children_configure(struct children *children, const struct config *config)
{
    struct dns_child_config dns = children->dns;
    struct auth_child_config auth = children->auth;
    char socket[DIAL_PLACE_SIZE];
    memcpy(socket, children->dovecot_socket, sizeof socket);
    configure(children, config);
    limits_tell(children);
    if (memcmp(&dns, &children->dns, sizeof dns) != 0)
        child_end(&children->items[CHILD_DNS]); // still wanted: its end starts the next
    if (memcmp(&auth, &children->auth, sizeof auth) != 0 ||
        strcmp(socket, children->dovecot_socket) != 0)
        child_end(&children->items[CHILD_AUTH]);
    for (int i = 0; i < CHILD_COUNT; i++)
        if (children->items[i].wanted && children->items[i].state == CHILD_STOPPED)
            child_spawn(&children->items[i]);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "support/fake_dataplane.h"

#include "contract/doorbell.h"
#include "support/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { STRANGERS = 8, BANS = 64, TICK_MS = 1 };

struct fake_role {
    int socket; // -1: nobody
    int button; // of the doorbell
    unsigned channels_count;
    struct spsc_channel channels[WORKERS_MAX];
};

struct fake_worker {
    unsigned bans_count, sessions_count;
    struct ban bans[BANS];
};

struct fake_dataplane {
    pthread_t thread;
    pthread_mutex_t lock;
    bool stop, mute_orders, mute_results, refuse;
    char refuse_text[200];
    unsigned workers_count, taken;
    int listener, counters_fd;
    struct counter_area *counters;
    struct policy *policy;
    int strangers[STRANGERS];
    struct fake_role roles[ROLE_COUNT];
    struct fake_worker workers[WORKERS_MAX];
    char path[108];
};

static void role_close(struct fake_role *role)
{
    for (unsigned i = 0; i < role->channels_count; i++)
        spsc_channel_close(&role->channels[i]);
    if (role->button >= 0)
        close(role->button);
    if (role->socket >= 0)
        close(role->socket);
    *role = (struct fake_role){.socket = -1, .button = -1};
}

static void welcome(struct fake_dataplane *fake, enum attach_role which)
{
    struct fake_role *role = &fake->roles[which];
    int fds[ATTACH_FDS_MAX], count = 0;
    for (unsigned i = 0; i < fake->workers_count; i++) {
        fds[count] = spsc_channel_create();
        CHECK(fds[count] >= 0);
        enum spsc_end end = which == ROLE_OPS ? SPSC_ANSWERER : SPSC_ASKER;
        CHECK(spsc_channel_open(&role->channels[i], fds[count++], end) == 0);
    }
    role->channels_count = fake->workers_count;
    int bell[DOORBELL_ENDS];
    CHECK(doorbell_open(bell) == 0);
    role->button = bell[DOORBELL_BUTTON];
    fds[count++] = bell[DOORBELL_BELL];
    if (which == ROLE_OPS)
        fds[count++] = fake->counters_fd;
    struct attach_welcome record = {.magic = ATTACH_MAGIC,
                                    .version = contract_version,
                                    .workers = (uint16_t)fake->workers_count,
                                    .slot_size = sizeof(struct message),
                                    .slots = SPSC_SLOTS};
    int error = attach_send(role->socket, &record, sizeof record, fds, count);
    for (unsigned i = 0; i <= fake->workers_count; i++)
        close(fds[i]);
    if (error)
        role_close(role);
}

static const char *policy_fault(struct fake_dataplane *fake, int fd, uint64_t size)
{
    const char *what = "memfd";
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);
    int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    if (fake->refuse)
        return fake->refuse_text;
    if (fstat(fd, &status) < 0 || (uint64_t)status.st_size != size || (seals & needed) != needed)
        return "not a sealed memfd";
    struct policy *policy = malloc(size);
    CHECK(policy && pread(fd, policy, size, 0) == (ssize_t)size);
    if (!policy_is_sound(policy, size, &what)) {
        free(policy);
        return what;
    }
    free(fake->policy);
    fake->policy = policy;
    fake->taken++;
    return NULL;
}

static void take_policy(struct fake_dataplane *fake)
{
    struct fake_role *ops = &fake->roles[ROLE_OPS];
    struct attach_policy facts;
    int fd = -1, count = 0;
    int error = attach_receive(ops->socket, &facts, sizeof facts, &fd, 1, &count);
    if (error == -EAGAIN)
        return;
    if (error || count != 1) {
        role_close(ops);
        return;
    }
    const char *fault = policy_fault(fake, fd, facts.size);
    close(fd);
    if (fake->mute_results)
        return;
    struct attach_result result = {
        .magic = ATTACH_MAGIC, .error = fault ? -EINVAL : 0, .generation = facts.generation};
    snprintf(result.text, sizeof result.text, "%s", fault ? fault : "");
    if (attach_send(ops->socket, &result, sizeof result, NULL, 0) < 0)
        role_close(ops);
    else if (!fault && ops->channels_count == 0)
        welcome(fake, ROLE_OPS);
}

static void greet(struct fake_dataplane *fake, int *stranger)
{
    struct attach_hello hello;
    int error = attach_receive(*stranger, &hello, sizeof hello, NULL, 0, NULL);
    if (error == -EAGAIN)
        return;
    int fd = *stranger;
    *stranger = -1;
    if (error || hello.magic != ATTACH_MAGIC || hello.role >= ROLE_COUNT) {
        close(fd);
        return;
    }
    role_close(&fake->roles[hello.role]);
    fake->roles[hello.role].socket = fd;
}

static void accept_one(struct fake_dataplane *fake)
{
    int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (int i = 0; fd >= 0 && i < STRANGERS; i++)
        if (fake->strangers[i] < 0) {
            fake->strangers[i] = fd;
            return;
        }
    if (fd >= 0)
        close(fd);
}

static void ring(struct fake_role *role, unsigned worker)
{
    if (spsc_wants_bell(&role->channels[worker].out))
        doorbell_ring(role->button);
}

static bool ban_remove(struct fake_worker *worker, const struct addr *addr)
{
    for (unsigned i = 0; i < worker->bans_count; i++)
        if (addr_equal(&worker->bans[i].addr, addr)) {
            worker->bans[i] = worker->bans[--worker->bans_count];
            return true;
        }
    return false;
}

static bool ban_add(struct fake_worker *worker, const struct ban *ban)
{
    (void)ban_remove(worker, &ban->addr);
    if (worker->bans_count == BANS)
        return false;
    worker->bans[worker->bans_count++] = *ban;
    return true;
}

static void ban_list(const struct fake_worker *worker, uint32_t cursor, struct ban_page *page)
{
    for (uint32_t i = cursor; i < worker->bans_count && page->count < BANS_PER_MESSAGE; i++)
        page->bans[page->count++] = worker->bans[i];
    uint32_t next = cursor + page->count;
    page->next = next < worker->bans_count ? next : 0;
}

static void session_list(const struct fake_worker *worker, unsigned number, uint32_t cursor,
                         struct session_page *page)
{
    for (uint32_t i = cursor; i < worker->sessions_count && page->count < SESSIONS_PER_MESSAGE;
         i++) {
        struct session_row *row = &page->rows[page->count++];
        *row = (struct session_row){.id = number * 1000000u + i, .backend = 255, .client_port = 99};
        CHECK(addr_parse("198.51.100.10", &row->client));
        row->user_size = 6;
        memcpy(row->user, "a\x1b[1m\xff", row->user_size);
        row->state_size = 4;
        memcpy(row->state, "mail", row->state_size);
    }
    uint32_t next = cursor + page->count;
    page->next = next < worker->sessions_count ? next : 0;
}

static struct message obey(struct fake_dataplane *fake, unsigned number, const struct message *m)
{
    struct fake_worker *worker = &fake->workers[number];
    struct message answer = message_make((enum message_kind)m->kind, STATUS_OK, m->handle);
    bool found = true;
    switch ((enum message_kind)m->kind) {
    case MESSAGE_BAN_ADD:
        found = ban_add(worker, &m->ban);
        break;
    case MESSAGE_BAN_REMOVE:
        found = ban_remove(worker, &m->ban.addr);
        break;
    case MESSAGE_BAN_LIST:
        ban_list(worker, m->page_question.cursor, &answer.ban_page);
        break;
    case MESSAGE_SESSION_LIST:
        session_list(worker, number, m->page_question.cursor, &answer.session_page);
        break;
    case MESSAGE_TRACE:
        answer.trace_page.count = number == 0;
        answer.trace_page.stories[0] = (struct trace_story){.user = 5, .count = 1};
        answer.trace_page.stories[0].events[0] =
            (struct trace_event){.ago_ms = 1500, .kind = TRACE_ABORTED, .times = 1};
        break;
    case MESSAGE_DRAIN:
        break;
    case MESSAGE_SESSION_KILL:
        found = m->session_kill.id / 1000000u == number &&
                m->session_kill.id % 1000000u < worker->sessions_count;
        break;
    default:
        found = false;
        break;
    }
    if (!found)
        answer.status = STATUS_NOT_FOUND;
    return answer;
}

static void serve_orders(struct fake_dataplane *fake)
{
    struct fake_role *ops = &fake->roles[ROLE_OPS];
    for (unsigned worker = 0; worker < ops->channels_count; worker++) {
        struct message question;
        while (!fake->mute_orders && spsc_take(&ops->channels[worker].in, &question)) {
            CHECK(message_is_sound(&question) && question.status == STATUS_ASKED);
            struct message answer = obey(fake, worker, &question);
            CHECK(spsc_put(&ops->channels[worker].out, &answer));
            ring(ops, worker);
        }
    }
}

static void child_hear(struct fake_dataplane *fake, enum attach_role which)
{
    struct fake_role *role = &fake->roles[which];
    char byte;
    if (role->socket < 0)
        return;
    if (recv(role->socket, &byte, 1, MSG_DONTWAIT) == 0)
        role_close(role);
    else if (role->channels_count == 0 && fake->policy)
        welcome(fake, which);
}

static void turn(struct fake_dataplane *fake)
{
    accept_one(fake);
    for (int i = 0; i < STRANGERS; i++)
        if (fake->strangers[i] >= 0)
            greet(fake, &fake->strangers[i]);
    if (fake->roles[ROLE_OPS].socket >= 0)
        take_policy(fake);
    child_hear(fake, ROLE_DNS);
    child_hear(fake, ROLE_AUTH);
    serve_orders(fake);
}

static void *run(void *arg)
{
    struct fake_dataplane *fake = (struct fake_dataplane *)arg;
    for (bool stop = false; !stop;) {
        pthread_mutex_lock(&fake->lock);
        turn(fake);
        stop = fake->stop;
        pthread_mutex_unlock(&fake->lock);
        struct pollfd listener = {.fd = fake->listener, .events = POLLIN};
        poll(&listener, 1, TICK_MS);
    }
    return NULL;
}

static void counters_create(struct fake_dataplane *fake)
{
    fake->counters_fd = memfd_create("fake-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fake->counters_fd >= 0 && ftruncate(fake->counters_fd, sizeof *fake->counters) == 0);
    fake->counters = mmap(NULL, sizeof *fake->counters, PROT_READ | PROT_WRITE, MAP_SHARED,
                          fake->counters_fd, 0);
    CHECK(fake->counters != MAP_FAILED);
    fake->counters->version = contract_version;
    fake->counters->workers = fake->workers_count;
    int seals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    CHECK(fcntl(fake->counters_fd, F_ADD_SEALS, seals) == 0);
}

struct fake_dataplane *fake_dataplane_start(const char *path, unsigned workers)
{
    struct fake_dataplane *fake = calloc(1, sizeof *fake);
    CHECK(fake && workers <= WORKERS_MAX);
    fake->workers_count = workers;
    snprintf(fake->path, sizeof fake->path, "%s", path);
    for (int i = 0; i < STRANGERS; i++)
        fake->strangers[i] = -1;
    for (int i = 0; i < ROLE_COUNT; i++)
        fake->roles[i] = (struct fake_role){.socket = -1, .button = -1};
    counters_create(fake);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    fake->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(bind(fake->listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(fake->listener, STRANGERS) == 0);
    pthread_mutex_init(&fake->lock, NULL);
    CHECK(pthread_create(&fake->thread, NULL, run, fake) == 0);
    return fake;
}

void fake_dataplane_stop(struct fake_dataplane *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->stop = true;
    pthread_mutex_unlock(&fake->lock);
    pthread_join(fake->thread, NULL);
    close(fake->listener);
    unlink(fake->path);
    for (int i = 0; i < STRANGERS; i++)
        if (fake->strangers[i] >= 0)
            close(fake->strangers[i]);
    for (int i = 0; i < ROLE_COUNT; i++)
        role_close(&fake->roles[i]);
    munmap(fake->counters, sizeof *fake->counters);
    close(fake->counters_fd);
    free(fake->policy);
    free(fake);
}

void fake_dataplane_refuse(struct fake_dataplane *fake, const char *text)
{
    pthread_mutex_lock(&fake->lock);
    fake->refuse = text != NULL;
    snprintf(fake->refuse_text, sizeof fake->refuse_text, "%s", text ? text : "");
    pthread_mutex_unlock(&fake->lock);
}

void fake_dataplane_mute(struct fake_dataplane *fake, bool orders, bool results)
{
    pthread_mutex_lock(&fake->lock);
    fake->mute_orders = orders;
    fake->mute_results = results;
    pthread_mutex_unlock(&fake->lock);
}

void fake_dataplane_sessions(struct fake_dataplane *fake, unsigned worker, unsigned count)
{
    pthread_mutex_lock(&fake->lock);
    fake->workers[worker].sessions_count = count;
    pthread_mutex_unlock(&fake->lock);
}

unsigned fake_dataplane_taken(struct fake_dataplane *fake)
{
    pthread_mutex_lock(&fake->lock);
    unsigned taken = fake->taken;
    pthread_mutex_unlock(&fake->lock);
    return taken;
}

struct policy *fake_dataplane_policy(struct fake_dataplane *fake)
{
    struct policy *copy = NULL;
    pthread_mutex_lock(&fake->lock);
    if (fake->policy) {
        copy = malloc(fake->policy->size);
        CHECK(copy);
        memcpy(copy, fake->policy, fake->policy->size);
    }
    pthread_mutex_unlock(&fake->lock);
    return copy;
}

bool fake_dataplane_attached(struct fake_dataplane *fake, enum attach_role role)
{
    pthread_mutex_lock(&fake->lock);
    bool attached = fake->roles[role].channels_count > 0;
    pthread_mutex_unlock(&fake->lock);
    return attached;
}

unsigned fake_dataplane_bans(struct fake_dataplane *fake, unsigned worker)
{
    pthread_mutex_lock(&fake->lock);
    unsigned bans = fake->workers[worker].bans_count;
    pthread_mutex_unlock(&fake->lock);
    return bans;
}

struct counter_block *fake_dataplane_counters(struct fake_dataplane *fake, unsigned worker)
{
    return &fake->counters->blocks[worker];
}

bool fake_dataplane_send(struct fake_dataplane *fake, enum attach_role role, unsigned worker,
                         const struct message *message)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_role *to = &fake->roles[role];
    bool sent = worker < to->channels_count && spsc_put(&to->channels[worker].out, message);
    if (sent)
        ring(to, worker);
    pthread_mutex_unlock(&fake->lock);
    return sent;
}

void fake_dataplane_break_ring(struct fake_dataplane *fake, unsigned worker)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_role *ops = &fake->roles[ROLE_OPS];
    CHECK(worker < ops->channels_count);
    ops->channels[worker].out.memory->tail += SPSC_SLOTS * 7;
    doorbell_ring(ops->button);
    pthread_mutex_unlock(&fake->lock);
}

void fake_dataplane_lie(struct fake_dataplane *fake, struct rng *rng, unsigned touches)
{
    pthread_mutex_lock(&fake->lock);
    for (unsigned i = 0; i < touches; i++) {
        uint64_t which = rng_below(rng, ROLE_COUNT);
        struct fake_role *role = &fake->roles[which];
        if (role->channels_count == 0)
            continue;
        struct spsc_channel *channel = &role->channels[rng_below(rng, role->channels_count)];
        hostile_touch(channel->memory, which == ROLE_OPS ? SPSC_ANSWERER : SPSC_ASKER, rng);
        doorbell_ring(role->button);
    }
    pthread_mutex_unlock(&fake->lock);
}

static bool take_answer(struct fake_dataplane *fake, enum attach_role role, unsigned worker,
                        struct message *ret_answer)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_role *from = &fake->roles[role];
    bool taken = worker < from->channels_count && spsc_take(&from->channels[worker].in, ret_answer);
    pthread_mutex_unlock(&fake->lock);
    return taken;
}

bool fake_dataplane_ask(struct fake_dataplane *fake, enum attach_role role, unsigned worker,
                        const struct message *question, struct message *ret_answer,
                        unsigned timeout_ms)
{
    bool answered = false;
    if (!fake_dataplane_send(fake, role, worker, question))
        return false;
    for (unsigned i = 0; i < timeout_ms && !answered; i++) {
        answered = take_answer(fake, role, worker, ret_answer) &&
                   ret_answer->kind != MESSAGE_OFFER; // that comes unasked
        if (!answered)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return answered;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "support/hostile.h"

#include "contract/attach.h"

#include <string.h>
#include <sys/socket.h>

enum { FAR_ONE_IN = 400, RECORD_MAX = 300, FDS_MAX = 100 };

static void bytes_rewrite(void *memory, size_t size, size_t run_max, struct rng *rng)
{
    size_t run = 1 + rng_below(rng, run_max);
    size_t offset = rng_below(rng, size - run + 1);
    for (size_t i = 0; i < run; i++)
        ((uint8_t *)memory)[offset + i] = (uint8_t)rng_next(rng);
}

static void publish(struct spsc_memory *ring, struct rng *rng)
{
    enum message_kind kind = (enum message_kind)rng_below(rng, MESSAGE_KIND_COUNT + 1);
    enum message_status status = (enum message_status)rng_below(rng, STATUS_COUNT + 1);
    uint64_t handle = rng_below(rng, 4) << 32 | rng_below(rng, 64);
    uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
    struct message *slot = &ring->slots[tail % SPSC_SLOTS];
    *slot = message_make(kind, status, handle);
    for (uint64_t i = rng_below(rng, 4); i > 0; i--)
        bytes_rewrite(slot->bytes, sizeof slot->bytes, 16, rng);
    __atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
}

static void index_rewrite(struct spsc_channel_memory *memory, struct rng *rng)
{
    struct spsc_memory *ring = rng_below(rng, 2) ? &memory->questions : &memory->answers;
    uint32_t *fields[] = {&ring->tail, &ring->head, &ring->asleep};
    uint32_t *field = fields[rng_below(rng, 3)];
    bool near = rng_below(rng, 2);
    *field = near ? *field + (uint32_t)rng_below(rng, SPSC_SLOTS + 2) : (uint32_t)rng_next(rng);
}

void hostile_touch(struct spsc_channel_memory *memory, enum spsc_end end, struct rng *rng)
{
    struct spsc_memory *out = end == SPSC_ASKER ? &memory->questions : &memory->answers;
    struct spsc_memory *in = end == SPSC_ASKER ? &memory->answers : &memory->questions;
    if (rng_below(rng, FAR_ONE_IN) == 0) {
        index_rewrite(memory, rng);
        return;
    }
    switch (rng_below(rng, 8)) {
    case 0:
        bytes_rewrite(memory->questions.slots, sizeof memory->questions.slots, 64, rng);
        break;
    case 1:
        bytes_rewrite(memory->answers.slots, sizeof memory->answers.slots, 64, rng);
        break;
    case 2:
        in->asleep = (uint32_t)rng_next(rng);
        break;
    case 3: // what was asked is taken, read or not
        in->head = __atomic_load_n(&in->tail, __ATOMIC_RELAXED);
        break;
    default:
        if (out->tail - out->head < SPSC_SLOTS)
            publish(out, rng);
        break;
    }
}

static size_t record_make(uint8_t *bytes, struct rng *rng)
{
    struct attach_hello hello = {ATTACH_MAGIC, contract_version, (uint16_t)rng_below(rng, 4)};
    struct attach_policy policy = {.magic = ATTACH_MAGIC, .size = rng_next(rng)};
    struct attach_result result = {.magic = ATTACH_MAGIC, .error = (int32_t)rng_next(rng)};
    struct attach_welcome welcome = {ATTACH_MAGIC, contract_version, (uint16_t)rng_below(rng, 40),
                                     sizeof(struct message), SPSC_SLOTS};
    const struct {
        const void *record;
        size_t size;
    } kinds[] = {{&hello, sizeof hello},
                 {&policy, sizeof policy},
                 {&result, sizeof result},
                 {&welcome, sizeof welcome}};
    size_t kind = rng_below(rng, 4), size = kinds[kind].size;
    memcpy(bytes, kinds[kind].record, size);
    if (rng_below(rng, 2))
        bytes_rewrite(bytes, size, size, rng);
    return rng_below(rng, 4) ? size : rng_below(rng, RECORD_MAX);
}

void hostile_record(int socket, int fd, struct rng *rng)
{
    uint8_t bytes[RECORD_MAX] = {0};
    union {
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {.iov_base = bytes, .iov_len = record_make(bytes, rng)};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    int fds[FDS_MAX], count = rng_below(rng, 2) ? (int)rng_below(rng, FDS_MAX + 1) : 0;
    for (int i = 0; i < count; i++)
        fds[i] = fd;
    if (count > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, (size_t)count * sizeof(int));
    }
    if (sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return; // closed or full: the next connection takes the rest
}

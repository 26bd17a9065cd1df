// SPDX-License-Identifier: BSD-3-Clause
#include "contract/spsc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOT_MASK = SPSC_SLOTS - 1, SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static void ring_break(struct spsc *ring)
{
    __atomic_store_n(&ring->broken, true, __ATOMIC_RELAXED);
}

bool spsc_put(struct spsc *ring, const struct message *message)
{
    uint32_t head = __atomic_load_n(&ring->memory->head, __ATOMIC_ACQUIRE);
    uint32_t used = ring->index - head;
    if (used > SPSC_SLOTS)
        ring_break(ring);
    if (ring->broken || used == SPSC_SLOTS)
        return false;
    ring->memory->slots[ring->index & SLOT_MASK] = *message;
    ring->index++;
    __atomic_store_n(&ring->memory->tail, ring->index, __ATOMIC_RELEASE);
    return true;
}

static bool take(struct spsc *ring, struct message *ret_message, bool wipe)
{
    uint32_t tail = __atomic_load_n(&ring->memory->tail, __ATOMIC_ACQUIRE);
    uint32_t ready = tail - ring->index;
    if (ready > SPSC_SLOTS)
        ring_break(ring);
    if (ring->broken || ready == 0)
        return false;
    struct message *slot = &ring->memory->slots[ring->index & SLOT_MASK];
    *ret_message = *slot;
    if (wipe)
        message_wipe(slot);
    ring->index++;
    __atomic_store_n(&ring->memory->head, ring->index, __ATOMIC_RELEASE);
    return true;
}

bool spsc_take(struct spsc *ring, struct message *ret_message)
{
    return take(ring, ret_message, false);
}

bool spsc_take_wiping(struct spsc *ring, struct message *ret_message)
{
    return take(ring, ret_message, true);
}

bool spsc_is_ready(const struct spsc *ring)
{
    return __atomic_load_n(&ring->memory->tail, __ATOMIC_ACQUIRE) != ring->index;
}

bool spsc_sleep(struct spsc *ring)
{
    __atomic_store_n(&ring->memory->asleep, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&ring->memory->tail, __ATOMIC_SEQ_CST) == ring->index || ring->broken)
        return true;
    spsc_wake(ring);
    return false;
}

void spsc_wake(struct spsc *ring)
{
    __atomic_store_n(&ring->memory->asleep, 0, __ATOMIC_RELAXED);
}

bool spsc_wants_bell(const struct spsc *ring)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // the puts are seen before the flag is read
    return __atomic_load_n(&ring->memory->asleep, __ATOMIC_RELAXED) != 0;
}

int spsc_channel_create(void)
{
    int fd = memfd_create("weir-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, sizeof(struct spsc_channel_memory)) < 0 ||
        fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int spsc_channel_open(struct spsc_channel *channel, int fd, enum spsc_end end)
{
    // Seals before size: a size that was read first may change until the seals are set.
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS)
        return -EPROTO;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (status.st_size != (off_t)sizeof(struct spsc_channel_memory))
        return -EPROTO;
    struct spsc_channel_memory *memory =
        mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    struct spsc questions = {.memory = &memory->questions};
    struct spsc answers = {.memory = &memory->answers};
    *channel = (struct spsc_channel){
        .out = end == SPSC_ASKER ? questions : answers,
        .in = end == SPSC_ASKER ? answers : questions,
        .memory = memory,
    };
    return 0;
}

bool spsc_channel_is_broken(const struct spsc_channel *channel)
{
    return __atomic_load_n(&channel->in.broken, __ATOMIC_RELAXED) ||
           __atomic_load_n(&channel->out.broken, __ATOMIC_RELAXED);
}

void spsc_channel_close(struct spsc_channel *channel)
{
    if (channel->memory)
        munmap(channel->memory, sizeof *channel->memory);
    *channel = (struct spsc_channel){0};
}

// SPDX-License-Identifier: BSD-3-Clause

/* A child's end of its channels when the other end lies: the input writes indices, flags and slots
 * of the shared memory between our calls, or plays a worker that behaves.
 */

#include "lookup/lookup_port.h"
#include "contract/doorbell.h"
#include "fuzz/fuzz.h"

#include <stdlib.h>

enum { WORKERS = 2, KINDS = 1U << MESSAGE_RDNS | 1U << MESSAGE_SPF, DEBTS_MAX = 2 * SPSC_SLOTS };

static struct spsc_channel workers[WORKERS]; // the other ends
static struct lookup_port port;

static void start(void)
{
    static struct spsc_channel_memory *memory[WORKERS];
    port = (struct lookup_port){
        .client = {.socket = port.client.socket, .bell = port.client.bell, .workers = WORKERS},
        .kinds = KINDS,
        .waiting = port.waiting,
    };
    if (!port.waiting) {
        port.waiting = calloc(LOOKUP_WAITING_MAX, sizeof *port.waiting);
        int bell[DOORBELL_ENDS];
        CHECK(port.waiting && doorbell_open(bell) == 0);
        port.client.bell = bell[DOORBELL_BELL];
        port.client.socket = bell[DOORBELL_BUTTON]; // never readable
    }
    for (int i = 0; i < WORKERS; i++) {
        if (!memory[i])
            memory[i] = calloc(1, sizeof *memory[i]); // its ends are guarded, unlike a mapping's
        CHECK(memory[i]);
        memory[i]->questions.tail = memory[i]->questions.head = memory[i]->questions.asleep = 0;
        memory[i]->answers.tail = memory[i]->answers.head = memory[i]->answers.asleep = 0;
        workers[i] = (struct spsc_channel){.out = {.memory = &memory[i]->questions},
                                           .in = {.memory = &memory[i]->answers},
                                           .memory = memory[i]};
        port.client.channels[i] = (struct spsc_channel){.out = {.memory = &memory[i]->answers},
                                                        .in = {.memory = &memory[i]->questions},
                                                        .memory = memory[i]};
    }
}

static struct message question(struct reader *r)
{
    struct message m = message_make(MESSAGE_RDNS, STATUS_ASKED, 7);
    uint16_t offset = reader_u16(r) % sizeof m;
    struct span bytes = reader_bytes(r, reader_u8(r));
    bytes = span_head(bytes, sizeof m - offset);
    if (bytes.size)
        memcpy((uint8_t *)&m + offset, bytes.at, bytes.size);
    return m;
}

static void index_write(struct reader *r)
{
    uint8_t which = reader_u8(r);
    struct spsc_channel_memory *memory = workers[which & 1].memory;
    struct spsc_memory *ring = which & 2 ? &memory->questions : &memory->answers;
    uint32_t *fields[] = {&ring->tail, &ring->head, &ring->asleep, &ring->tail};
    *fields[which >> 2 & 3] = reader_u32(r);
}

static void slot_write(struct reader *r)
{
    uint8_t which = reader_u8(r);
    struct spsc_channel_memory *memory = workers[which & 1].memory;
    struct spsc_memory *ring = which & 2 ? &memory->questions : &memory->answers;
    ring->slots[reader_u16(r) % SPSC_SLOTS] = question(r);
}

static void questions_take(void)
{
    struct message m;
    unsigned worker;
    for (int i = 0; i < DEBTS_MAX && lookup_port_take(&port, &worker, &m); i++) {
        CHECK(worker < WORKERS && message_is_sound(&m) && m.status == STATUS_ASKED);
        CHECK(KINDS & 1U << m.kind);
        m = message_make((enum message_kind)m.kind, STATUS_UNAVAILABLE, m.handle);
        lookup_port_answer(&port, worker, &m);
    }
}

static void turn(struct reader *r)
{
    uint8_t order = reader_u8(r);
    struct message m;
    switch (order % 6) {
    case 0:
        m = question(r);
        (void)spsc_put(&workers[order >> 7].out, &m);
        break;
    case 1:
        questions_take();
        break;
    case 2:
        (void)spsc_take(&workers[order >> 7].in, &m);
        break;
    case 3:
        index_write(r);
        break;
    case 4:
        slot_write(r);
        break;
    case 5:
        lookup_port_flush(&port);
        CHECK(lookup_port_wait(&port, NULL, 0, 0));
        break;
    }
    CHECK(port.waiting_count <= LOOKUP_WAITING_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(span_of(data, size));
    start();
    while (r.left.size > 0 && !r.short_read)
        turn(&r);
    // Broken once, broken for good, and no more than that.
    bool broken = lookup_port_is_broken(&port);
    questions_take();
    CHECK(!broken || lookup_port_is_broken(&port));
    CHECK(port.counters.answers + port.waiting_count + port.counters.answers_dropped >=
          port.counters.questions);
    return 0;
}

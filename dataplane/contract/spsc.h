// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Single-producer single-consumer rings of fixed-size slots in shared memory, safe against a
 * hostile or dying peer (the index protocol is Lamport's, 1983; the caution is ours).
 *
 * A channel is one memfd, sealed against shrinking and growing, that holds two rings: questions
 * (asker to answerer) and answers (back). Slot size and count are the contract's constants, never
 * read from the memory. Each end keeps its own index private, publishes it, reads the peer's index
 * once and range-checks it: a peer that lies makes its own channel useless (spsc_broken) and
 * nothing else. A slot is published only after it is written, and taken by copying it out, so what
 * was validated cannot change afterwards. When either side dies the channel is thrown away whole;
 * the survivor or the successor starts with a fresh one (contract/attach.h).
 */

#include "base/check.h"
#include "contract/message.h"

#include <stdbool.h>
#include <stdint.h>

enum { SPSC_SLOTS = 512 };
static_assert((SPSC_SLOTS & (SPSC_SLOTS - 1)) == 0, "a power of two");

struct spsc_memory { // one direction, in the memfd
    uint32_t tail;   // next to write, written by the producer
    uint32_t pad0[15];
    uint32_t head;   // next to read, written by the consumer
    uint32_t asleep; // the consumer waits for its doorbell, written by the consumer
    uint32_t pad1[14];
    struct message slots[SPSC_SLOTS];
};

struct spsc_channel_memory { // the whole memfd
    struct spsc_memory questions, answers;
};

struct spsc { // one end of one direction, private memory
    struct spsc_memory *memory;
    uint32_t index; // own: tail for the producer, head for the consumer
    bool broken;    // the peer published an impossible index; nothing moves any more. Read by all
};

// Producer. False when full or broken; the message is copied.
bool spsc_put(struct spsc *ring, const struct message *message);
// Consumer. False when empty or broken; the message is copied out.
bool spsc_take(struct spsc *ring, struct message *ret_message);
// The same, and leaves no copy in the slot: for questions that hold credentials.
bool spsc_take_wiping(struct spsc *ring, struct message *ret_message);

/* A consumer that wants to block calls spsc_sleep: true means that nothing is ready and the
 * producer will ring, so it may wait for its bell (contract/doorbell.h); it calls spsc_wake when it
 * is up again. A producer asks spsc_wants_bell once after a batch of puts and rings if so. A
 * consumer that lies costs the producer that one ring a batch. */
bool spsc_is_ready(const struct spsc *ring); // something can be taken, or the ring is broken
bool spsc_sleep(struct spsc *ring) MUST_CHECK;
void spsc_wake(struct spsc *ring);
bool spsc_wants_bell(const struct spsc *ring);

enum spsc_end { SPSC_ASKER, SPSC_ANSWERER };

struct spsc_channel {
    struct spsc out, in; // the asker's out are questions, the answerer's out are answers
    struct spsc_channel_memory *memory;
};

// A new sealed memfd. The descriptor, close-on-exec, or -errno.
int spsc_channel_create(void) MUST_CHECK;
// Maps it; checks size and seals. 0 or -errno (-EPROTO: not such a memfd). fd stays the caller's.
int spsc_channel_open(struct spsc_channel *channel, int fd, enum spsc_end end) MUST_CHECK;
// Either direction, by any thread: the peer lied, and the channel is of no use any more.
bool spsc_channel_is_broken(const struct spsc_channel *channel);
void spsc_channel_close(struct spsc_channel *channel);

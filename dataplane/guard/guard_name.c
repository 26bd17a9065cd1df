// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_name.h"

enum { MESSAGE_SIZE = 7 }; // the most that is one word to SipHash

// All but the hash; returns what is to be hashed.
static inline uint64_t begin(struct guard_name *name, const struct addr *source)
{
    uint64_t head, tail;
    memcpy(&head, source->bytes, sizeof head);
    memcpy(&tail, source->bytes + 8, sizeof tail);
    tail = __builtin_bswap64(tail);
    name->v4 = head == 0 && tail >> 32 == 0xffff;
    name->number = name->v4 ? (uint32_t)tail : __builtin_bswap64(head);
    return name->v4 ? tail : name->number >> 16;
}

static inline void finish(struct guard_name *name, uint64_t hash)
{
    name->hash_48 = hash;
    name->hash = name->v4 ? hash : (hash | 1) * ((name->number & 0xffff) + 1);
}

void guard_name_burst(const struct siphash_key *key, const struct packet *packets, unsigned count,
                      struct guard_name *ret_names)
{
    uint64_t words[1][SIPHASH_BURST], hashes[SIPHASH_BURST];
    for (unsigned i = 0; i < count; i++)
        words[0][i] = begin(&ret_names[i], &packets[i].src);
    siphash_burst(key, (const uint64_t(*)[SIPHASH_BURST])words, MESSAGE_SIZE, count, hashes);
    for (unsigned i = 0; i < count; i++)
        finish(&ret_names[i], hashes[i]);
}

struct guard_name guard_name_of(const struct siphash_key *key, const struct addr *source)
{
    struct guard_name name;
    uint64_t message = begin(&name, source);
    finish(&name, siphash(key, &message, MESSAGE_SIZE));
    return name;
}

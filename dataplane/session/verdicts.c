// SPDX-License-Identifier: BSD-3-Clause
#include "session/verdicts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 4, KINDS = MESSAGE_SPF - MESSAGE_RDNS + 1 };

struct verdict {
    uint64_t hash;
    uint64_t until_us;
    uint32_t epoch; // 0: never used
    struct addr addr;
    uint8_t kind;
    uint8_t body[sizeof(struct rdns_answer)]; // the longest
};

static const struct {
    uint16_t question, answer; // bytes
} sizes[KINDS] = {
    {sizeof(struct rdns_question), sizeof(struct rdns_answer)},
    {sizeof(struct dnsbl_question), sizeof(struct dnsbl_answer)},
    {sizeof(struct helo_question), sizeof(struct helo_answer)},
    {sizeof(struct spf_question), sizeof(struct spf_answer)},
};

int verdicts_init(struct verdicts *verdicts, uint32_t entries, const struct siphash_key *key)
{
    CHECK(entries > 0 && entries <= UINT32_MAX / 2);
    uint32_t sets = 1;
    while (sets * WAYS < entries)
        sets *= 2;
    *verdicts = (struct verdicts){.entries = calloc((size_t)sets * WAYS, sizeof(struct verdict)),
                                  .epoch = 1,
                                  .set_mask = sets - 1,
                                  .key = *key};
    return verdicts->entries ? 0 : -ENOMEM;
}

void verdicts_done(struct verdicts *verdicts)
{
    free(verdicts->entries);
    verdicts->entries = NULL;
}

static bool is_kept(const struct message *question)
{
    return question->kind >= MESSAGE_RDNS && question->kind < MESSAGE_RDNS + KINDS;
}

// Of the question's whole body: message_make left zeros where nothing stands.
static uint64_t hash_of(const struct verdicts *verdicts, const struct message *question)
{
    return siphash(&verdicts->key, question->bytes, sizes[question->kind - MESSAGE_RDNS].question);
}

static uint64_t until_us(const struct verdicts *verdicts, const struct verdict *verdict)
{
    return verdict->epoch == verdicts->epoch ? verdict->until_us : 0;
}

static bool is_of(const struct verdict *verdict, uint64_t hash, const struct message *question)
{
    return verdict->hash == hash && verdict->kind == question->kind &&
           addr_equal(&verdict->addr, &question->rdns_question.addr);
}

bool verdicts_find(const struct verdicts *verdicts, const struct message *question, uint64_t now_us,
                   struct message *ret_answer)
{
    if (!is_kept(question))
        return false;
    uint64_t hash = hash_of(verdicts, question);
    const struct verdict *set = &verdicts->entries[(hash & verdicts->set_mask) * WAYS];
    for (int i = 0; i < WAYS; i++) {
        if (until_us(verdicts, &set[i]) <= now_us || !is_of(&set[i], hash, question))
            continue;
        enum message_kind kind = (enum message_kind)question->kind;
        *ret_answer = message_make(kind, STATUS_OK, question->handle);
        memcpy(ret_answer->bytes, set[i].body, sizes[kind - MESSAGE_RDNS].answer);
        return true;
    }
    return false;
}

void verdicts_put(struct verdicts *verdicts, const struct message *question,
                  const struct message *answer, uint64_t now_us)
{
    if (!is_kept(question) || answer->status != STATUS_OK || answer->keep_s == 0)
        return;
    uint64_t hash = hash_of(verdicts, question);
    struct verdict *set = &verdicts->entries[(hash & verdicts->set_mask) * WAYS];
    struct verdict *place = set; // its own, or what holds the shortest
    for (int i = 0; i < WAYS; i++) {
        if (until_us(verdicts, &set[i]) < until_us(verdicts, place))
            place = &set[i];
        if (is_of(&set[i], hash, question)) {
            place = &set[i];
            break;
        }
    }
    uint32_t keep_s = answer->keep_s < VERDICT_KEEP_MOST_S ? answer->keep_s : VERDICT_KEEP_MOST_S;
    *place = (struct verdict){.hash = hash,
                              .until_us = now_us + keep_s * UINT64_C(1000000),
                              .epoch = verdicts->epoch,
                              .addr = question->rdns_question.addr,
                              .kind = question->kind};
    memcpy(place->body, answer->bytes, sizes[question->kind - MESSAGE_RDNS].answer);
}

void verdicts_flush(struct verdicts *verdicts)
{
    if (++verdicts->epoch == 0)
        verdicts->epoch = 1;
}

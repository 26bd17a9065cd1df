// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_heavy.h"

#include "guard/guard_memory.h"
#include "guard/guard_name.h"

#include <errno.h>
#include <math.h>

enum {
    BUCKET_BITS = 7,
    INTERVAL_MOST = 1 << 16,
    HALVINGS_MOST = 32, // before counts are scaled back to the present
};
static_assert(GUARD_HEAVY_ENTRIES == GUARD_HEAVY_WAYS << BUCKET_BITS, "all are used");

// Connections are few and worth a longer look.
static const uint64_t half_lives_us[TOP_MEASURE_COUNT] = {
    [TOP_PACKETS] = 5000000,
    [TOP_SYNS] = 5000000,
    [TOP_CONNECTIONS] = 60000000,
    [TOP_REFUSALS] = 5000000,
};

enum { TABLES = TOP_MEASURE_COUNT * TOP_SCOPE_COUNT };
static const size_t memory_size = sizeof(struct guard_heavy_entry) * GUARD_HEAVY_ENTRIES * TABLES;

int guard_heavy_init(struct guard_heavy *heavy, int numa_node, const struct siphash_key *key)
{
    static const char label[][16] = {"guard_heavy hash", "guard_heavy keys", "guard_heavy rng."};
    *heavy = (struct guard_heavy){
        .key = {{siphash(key, label[0], sizeof label[0]), siphash(key, label[1], sizeof label[1])}},
        .memory = guard_memory_take(memory_size, numa_node),
    };
    if (!heavy->memory)
        return -ENOMEM;
    rng_seed(&heavy->rng, siphash(key, label[2], sizeof label[2]));
    struct guard_heavy_entry *table = heavy->memory;
    for (int measure = 0; measure < TOP_MEASURE_COUNT; measure++) {
        struct guard_heavy_sampler *s = &heavy->samplers[measure];
        *s = (struct guard_heavy_sampler){.skip = 1, .interval = 1, .unit = 1};
        for (int scope = 0; scope < TOP_SCOPE_COUNT; scope++, table += GUARD_HEAVY_ENTRIES)
            s->tables[scope] = table;
    }
    return 0;
}

void guard_heavy_done(struct guard_heavy *heavy)
{
    guard_memory_give(heavy->memory, memory_size);
    explicit_bzero(heavy, sizeof *heavy);
}

static struct guard_name name_of(const struct guard_heavy *heavy, const struct addr *addr,
                                 enum top_scope scope)
{
    struct guard_name name = guard_name_of(&heavy->key, addr);
    return scope == TOP_PREFIXES ? guard_name_prefix(&heavy->key, &name) : name;
}

static struct addr addr_of(const struct guard_heavy_entry *entry, enum top_scope scope)
{
    if (entry->family == 4) {
        unsigned host_bits = scope == TOP_PREFIXES ? GUARD_NAME_HOST_BITS_V4 : 0;
        uint32_t v4 = __builtin_bswap32((uint32_t)(entry->number << host_bits));
        return addr_from_v4(&v4);
    }
    struct addr addr = {0};
    uint64_t v6 = __builtin_bswap64(entry->number);
    memcpy(addr.bytes, &v6, sizeof v6);
    return addr;
}

static struct guard_heavy_entry *bucket_of(struct guard_heavy_entry *table,
                                           const struct guard_name *name)
{
    return table + (name->hash >> (32 - BUCKET_BITS)) * GUARD_HEAVY_WAYS;
}

static uint32_t family_of(const struct guard_name *name)
{
    return name->v4 ? 4 : 6;
}

static bool is_of(const struct guard_heavy_entry *entry, const struct guard_name *name)
{
    return entry->number == name->number && entry->family == family_of(name);
}

static void charge(struct guard_heavy_entry *table, const struct guard_name *name, double weight)
{
    struct guard_heavy_entry *bucket = bucket_of(table, name), *least = bucket;
    for (unsigned i = 0; i < GUARD_HEAVY_WAYS; i++) {
        if (is_of(&bucket[i], name)) {
            bucket[i].count += weight;
            return;
        }
        least = bucket[i].count < least->count ? &bucket[i] : least;
    }
    least->error = (float)least->count;
    least->count += weight;
    least->number = name->number;
    least->family = family_of(name);
}

/* Geometric with mean N, so every event is taken with the chance 1/N whatever came before it. It
 * remembers nothing: when N changes, a gap under way may be drawn anew without bias. */
static uint32_t gap(struct guard_heavy *heavy, uint32_t interval)
{
    if (interval == 1)
        return 1;
    double chance = (double)((rng_next(&heavy->rng) >> 11) + 1) * 0x1p-53; // (0, 1]
    return 1 + (uint32_t)(log(chance) / log1p(-1.0 / interval));           // below 37 N
}

void guard_heavy_sample(struct guard_heavy *heavy, enum top_measure measure,
                        const struct addr *source)
{
    struct guard_heavy_sampler *s = &heavy->samplers[measure];
    double weight = s->unit * s->interval;
    if (++s->samples >= GUARD_HEAVY_SAMPLES && s->interval < INTERVAL_MOST) {
        s->samples /= 2; // as many as there would have been
        s->interval *= 2;
    }
    s->skip = gap(heavy, s->interval);
    if (addr_is_zero(source))
        return;
    s->total += weight;
    struct guard_name name = name_of(heavy, source, TOP_SOURCES),
                      prefix = guard_name_prefix(&heavy->key, &name);
    charge(s->tables[TOP_SOURCES], &name, weight);
    charge(s->tables[TOP_PREFIXES], &prefix, weight);
}

// All counts as if the epoch were now: so they stay numbers that a double and a float can hold.
static void rebase(struct guard_heavy_sampler *s, double scale)
{
    s->total *= scale;
    for (int scope = 0; scope < TOP_SCOPE_COUNT; scope++)
        for (unsigned i = 0; i < GUARD_HEAVY_ENTRIES; i++) {
            s->tables[scope][i].count *= scale;
            s->tables[scope][i].error *= (float)scale;
        }
}

void guard_heavy_advance(struct guard_heavy *heavy, uint64_t now_us)
{
    if (now_us < heavy->tick_us)
        return;
    heavy->tick_us = now_us + GUARD_HEAVY_TICK_US;
    for (int measure = 0; measure < TOP_MEASURE_COUNT; measure++) {
        struct guard_heavy_sampler *s = &heavy->samplers[measure];
        if (s->samples < GUARD_HEAVY_SAMPLES / 4 && s->interval > 1) {
            s->interval /= 2;
            s->skip = gap(heavy, s->interval);
        }
        s->samples = 0;
        double halvings =
            (double)(now_us - heavy->epoch_us[measure]) / (double)half_lives_us[measure];
        if (halvings > HALVINGS_MOST) {
            rebase(s, exp2(-halvings));
            heavy->epoch_us[measure] = now_us;
            halvings = 0;
        }
        s->unit = exp2(halvings);
    }
}

// Thousandths a second, of a count in that measure.
static uint64_t rate_of(const struct guard_heavy *heavy, enum top_measure measure, double count)
{
    double seconds = (double)half_lives_us[measure] / 1e6;
    return (uint64_t)(count / heavy->samplers[measure].unit * M_LN2 / seconds * 1000 + 0.5);
}

void guard_heavy_page(const struct guard_heavy *heavy, const struct page_question *question,
                      struct top_page *ret_page)
{
    enum top_measure measure = (enum top_measure)question->measure;
    enum top_scope scope = (enum top_scope)question->scope;
    CHECK(measure < TOP_MEASURE_COUNT && scope < TOP_SCOPE_COUNT);
    const struct guard_heavy_sampler *s = &heavy->samplers[measure];
    *ret_page =
        (struct top_page){.total = rate_of(heavy, measure, s->total), .interval = s->interval};
    for (uint32_t at = question->cursor; at < GUARD_HEAVY_ENTRIES; at++) {
        const struct guard_heavy_entry *entry = &s->tables[scope][at];
        uint64_t most = rate_of(heavy, measure, entry->count);
        if (most == 0)
            continue;
        if (ret_page->count == TOP_ROWS_PER_MESSAGE) {
            ret_page->next = at;
            return;
        }
        ret_page->rows[ret_page->count++] = (struct top_row){
            .addr = addr_of(entry, scope),
            .least = rate_of(heavy, measure, entry->count - entry->error),
            .most = most,
        };
    }
}

void guard_heavy_find(const struct guard_heavy *heavy, enum top_measure measure,
                      enum top_scope scope, const struct addr *addr, struct top_place *ret_place)
{
    struct guard_heavy_entry *table = heavy->samplers[measure].tables[scope];
    struct guard_name name = name_of(heavy, addr, scope);
    const struct guard_heavy_entry *entry = bucket_of(table, &name);
    *ret_place = (struct top_place){0};
    for (unsigned i = 0; i < GUARD_HEAVY_WAYS; i++, entry++) {
        if (!is_of(entry, &name))
            continue;
        double least = entry->count - entry->error;
        ret_place->most = rate_of(heavy, measure, entry->count);
        ret_place->least = rate_of(heavy, measure, least);
        if (ret_place->most == 0)
            return;
        ret_place->position = 1;
        for (unsigned other = 0; other < GUARD_HEAVY_ENTRIES; other++)
            ret_place->position += table[other].count - table[other].error > least;
        return;
    }
}

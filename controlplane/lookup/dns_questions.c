// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dns_questions.h"

#include "base/pool.h"
#include "lookup/dnsbl.h"
#include "lookup/fiber.h"
#include "lookup/helo_match.h"
#include "lookup/lookup_cache.h"
#include "lookup/rdns.h"
#include "lookup/spf_check.h"

#include <errno.h>
#include <stdlib.h>

enum { BUCKETS = 2048, SOURCES = 4096, KINDS = MESSAGE_SPF - MESSAGE_RDNS + 1 };

union body {
    struct rdns_answer rdns;
    struct dnsbl_answer dnsbl;
    struct helo_answer helo;
    struct spf_answer spf;
};

static const struct {
    uint32_t size;     // bytes of an answer's body
    uint32_t remember; // answers
} kinds[KINDS] = {
    {sizeof(struct rdns_answer), DNS_CACHE_RDNS},
    {sizeof(struct dnsbl_answer), DNS_CACHE_OTHERS},
    {sizeof(struct helo_answer), DNS_CACHE_OTHERS},
    {sizeof(struct spf_answer), DNS_CACHE_OTHERS},
};
static_assert(MESSAGE_DNSBL == MESSAGE_RDNS + 1 && MESSAGE_HELO == MESSAGE_RDNS + 2,
              "the kinds in their order");

struct waiter {
    uint64_t asker; // the message's handle
    handle self;
    struct waiter *next;
    unsigned worker;
};

struct spf_job {
    struct fiber *fiber;
    struct spf_question question;
    const struct dns_answer *answer; // of the look-up under way, once it is there
    bool waiting;                    // the fiber yielded for it
};

struct job {
    struct dns_questions *questions;
    handle self;
    struct lookup_digest key;
    struct job *chain;          // of the same bucket
    struct job *later, *sooner; // by deadline, while open
    struct waiter *waiters;
    uint64_t deadline_ms;
    uint32_t keep_s; // for which its answer is remembered
    uint16_t source; // index of its count
    uint8_t kind;    // enum message_kind
    bool open;       // not answered yet: can be joined
    union {
        struct rdns rdns;
        struct dnsbl dnsbl;
        struct helo_match_job helo;
        struct spf_job spf;
    };
};

struct dns_questions {
    struct dns_questions_config config;
    struct dns_questions_counters counters;
    struct lookup_secret secret;
    struct lookup_cache caches[KINDS];
    struct pool jobs, waiters;
    struct job *buckets[BUCKETS];
    struct job *soonest, *latest;
    uint64_t now_ms;
    unsigned spf_jobs;
    uint8_t source_jobs[SOURCES];
};

int dns_questions_open(struct dns_questions **ret_questions,
                       const struct dns_questions_config *config)
{
    struct dns_questions *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->config = *config;
    int error = lookup_secret_make(&q->secret);
    for (int i = 0; i < KINDS && !error; i++)
        error = lookup_cache_init(&q->caches[i], kinds[i].remember, kinds[i].size);
    if (!error)
        error = pool_init(&q->jobs, DNS_JOBS_MAX, sizeof(struct job));
    if (!error)
        error = pool_init(&q->waiters, DNS_WAITERS_MAX, sizeof(struct waiter));
    if (error)
        dns_questions_close(q);
    else
        *ret_questions = q;
    return error;
}

void dns_questions_close(struct dns_questions *q)
{
    for (int i = 0; i < KINDS; i++)
        lookup_cache_done(&q->caches[i]);
    if (q->jobs.objects) {
        CHECK(q->jobs.used == 0);
        pool_done(&q->jobs);
    }
    if (q->waiters.objects)
        pool_done(&q->waiters);
    free(q);
    spf_check_done();
    fiber_stacks_done();
}

const struct dns_questions_counters *dns_questions_counters(const struct dns_questions *q)
{
    return &q->counters;
}

static const struct addr *source_of(const struct message *m)
{
    return &m->rdns_question.addr;
}

static uint16_t source_index(const struct dns_questions *q, const struct addr *addr)
{
    size_t size = addr_is_v4(addr) ? sizeof addr->bytes : sizeof addr->bytes / 2;
    return (uint16_t)(siphash(&q->secret.keys[0], addr->bytes, size) % SOURCES);
}

struct key_bytes {
    size_t size;
    uint8_t bytes[sizeof(struct spf_question) + sizeof(struct helo_question)];
};

static void key_add_lower(struct key_bytes *key, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        key->bytes[key->size++] = (uint8_t)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
    }
}

static void key_add_name(struct key_bytes *key, const struct message_name *name)
{
    key->bytes[key->size++] = name->size;
    key_add_lower(key, name->text, name->size);
}

// What makes two questions equal. A local part may be told apart by its case; a record that asks
// DNS about it cannot, so all of it is compared without.
static struct lookup_digest key_of(const struct dns_questions *q, const struct message *m)
{
    struct key_bytes key = {.size = 1 + sizeof(struct addr), .bytes[0] = m->kind};
    memcpy(key.bytes + 1, source_of(m), sizeof(struct addr));
    if (m->kind == MESSAGE_HELO) {
        key_add_name(&key, &m->helo_question.helo);
        key_add_name(&key, &m->helo_question.name);
    } else if (m->kind == MESSAGE_SPF) {
        key_add_name(&key, &m->spf_question.helo);
        key_add_lower(&key, m->spf_question.mail_from, m->spf_question.mail_from_size);
    }
    return lookup_digest_of(&q->secret, span_of(key.bytes, key.size));
}

static struct job **bucket_of(struct dns_questions *q, struct lookup_digest key)
{
    return &q->buckets[key.word[0] % BUCKETS];
}

static struct lookup_cache *cache_of(struct dns_questions *q, uint8_t kind)
{
    return &q->caches[kind - MESSAGE_RDNS];
}

// body: of that kind; NULL: unavailable.
static void answer(struct dns_questions *q, unsigned worker, uint8_t kind, uint64_t asker,
                   const void *body, uint32_t keep_s)
{
    struct message m =
        message_make((enum message_kind)kind, body ? STATUS_OK : STATUS_UNAVAILABLE, asker);
    m.keep_s = keep_s;
    if (body)
        memcpy(m.bytes, body, kinds[kind - MESSAGE_RDNS].size);
    q->config.answer(q->config.context, worker, &m);
}

static void job_unlink(struct job *job)
{
    struct dns_questions *q = job->questions;
    struct job **link = bucket_of(q, job->key);
    while (*link != job)
        link = &(*link)->chain;
    *link = job->chain;
    *(job->sooner ? &job->sooner->later : &q->soonest) = job->later;
    *(job->later ? &job->later->sooner : &q->latest) = job->sooner;
}

static void job_link(struct job *job)
{
    struct dns_questions *q = job->questions;
    struct job **bucket = bucket_of(q, job->key);
    job->chain = *bucket;
    *bucket = job;
    job->sooner = q->latest; // all have the same time, so the newest is the latest
    *(q->latest ? &q->latest->later : &q->soonest) = job;
    q->latest = job;
}

// Answers everybody who waits. The job stays until its look-ups have ended, closed.
static void job_answer(struct job *job, const void *body)
{
    struct dns_questions *q = job->questions;
    if (!job->open)
        return;
    job->open = false;
    job_unlink(job);
    while (job->waiters) {
        struct waiter *waiter = job->waiters;
        job->waiters = waiter->next;
        answer(q, waiter->worker, job->kind, waiter->asker, body, job->keep_s);
        pool_give(&q->waiters, waiter->self);
    }
}

static void job_end(struct job *job)
{
    struct dns_questions *q = job->questions;
    CHECK(!job->open);
    q->source_jobs[job->source]--;
    pool_give(&q->jobs, job->self);
}

static void remember(struct job *job, const void *body, uint32_t ttl, uint32_t most)
{
    struct dns_questions *q = job->questions;
    uint32_t keep_s = ttl < DNS_KEEP_LEAST_S ? DNS_KEEP_LEAST_S : ttl;
    job->keep_s = keep_s < most ? keep_s : most;
    lookup_cache_put(cache_of(q, job->kind), job->key, body, q->now_ms + 1000ULL * job->keep_s);
}

static void on_rdns(void *context, const struct rdns_answer *verdict, uint32_t ttl)
{
    struct job *job = context;
    uint32_t most = verdict->verdict == RDNS_CONFIRMED ? DNS_KEEP_MOST_S : DNS_KEEP_EMPTY_MOST_S;
    if (verdict->verdict != RDNS_TEMPERROR)
        remember(job, verdict, ttl, most);
    job_answer(job, verdict);
    job_end(job);
}

static void on_dnsbl(void *context, bool whole, int16_t score, uint32_t ttl)
{
    struct job *job = context;
    struct dnsbl_answer verdict = {score};
    if (whole)
        remember(job, &verdict, ttl, DNS_KEEP_EMPTY_MOST_S);
    job_answer(job, &verdict);
    job_end(job);
}

static void on_helo(void *context, enum helo_match match, uint32_t ttl)
{
    struct job *job = context;
    struct helo_answer verdict = {(uint8_t)match};
    if (match != HELO_TEMPERROR)
        remember(job, &verdict, ttl, DNS_KEEP_EMPTY_MOST_S);
    job_answer(job, &verdict);
    job_end(job);
}

static void on_spf_record(void *context, const struct dns_answer *found)
{
    struct job *job = context;
    job->spf.answer = found;
    if (job->spf.waiting)
        fiber_resume(job->spf.fiber); // the job may be gone after this call
}

static const struct dns_answer *spf_lookup(void *context, const char *name, enum dns_type type)
{
    static const struct dns_answer too_late = {.status = DNS_FAILED};
    struct job *job = context;
    if (!job->open)
        return &too_late;
    job->spf.answer = NULL;
    dns_resolver_ask(job->questions->config.resolver, name, type, on_spf_record, job);
    job->spf.waiting = true;
    if (!job->spf.answer)
        fiber_yield();
    job->spf.waiting = false;
    return job->spf.answer;
}

static void spf_run(void *argument)
{
    struct job *job = argument;
    struct dns_questions *q = job->questions;
    struct spf_dns dns = {spf_lookup, job, q->config.host_name};
    uint32_t ttl;
    struct spf_answer verdict = {.result = (uint8_t)spf_check(&job->spf.question, &dns, &ttl)};
    if (verdict.result != SPF_TEMPERROR)
        remember(job, &verdict, ttl, DNS_KEEP_MOST_S);
    job_answer(job, &verdict);
    q->spf_jobs--;
    job_end(job);
}

static bool waiter_add(struct job *job, unsigned worker, uint64_t asker)
{
    struct dns_questions *q = job->questions;
    void *memory;
    handle self = pool_take(&q->waiters, &memory);
    if (self == HANDLE_NONE)
        return false;
    struct waiter *waiter = memory;
    *waiter = (struct waiter){.asker = asker, .self = self, .next = job->waiters, .worker = worker};
    job->waiters = waiter;
    return true;
}

static struct job *job_open(struct dns_questions *q, struct lookup_digest key,
                            const struct message *m, unsigned worker)
{
    void *memory;
    uint16_t source = source_index(q, source_of(m));
    if (q->source_jobs[source] >= DNS_SOURCE_JOBS_MAX)
        return NULL;
    handle self = pool_take(&q->jobs, &memory);
    if (self == HANDLE_NONE)
        return NULL;
    struct job *job = memory;
    memset(job, 0, offsetof(struct job, rdns));
    job->questions = q;
    job->self = self;
    job->key = key;
    job->deadline_ms = q->now_ms + q->config.timeout_ms;
    job->source = source;
    job->kind = m->kind;
    if (!waiter_add(job, worker, m->handle)) {
        pool_give(&q->jobs, self);
        return NULL;
    }
    q->source_jobs[source]++;
    job->open = true;
    job_link(job);
    return job;
}

static void spf_begin(struct dns_questions *q, struct job *job, const struct message *m)
{
    job->spf = (struct spf_job){.question = m->spf_question};
    job->spf.fiber = q->spf_jobs < DNS_SPF_MAX ? fiber_create(spf_run, job) : NULL;
    if (!job->spf.fiber) {
        q->counters.refused++;
        job_answer(job, NULL);
        job_end(job);
        return;
    }
    q->spf_jobs++;
    fiber_resume(job->spf.fiber); // the job may be gone after this call
}

// The job may be gone after this call.
static void job_begin(struct job *job, const struct message *m)
{
    struct dns_questions *q = job->questions;
    const struct dns_questions_config *config = &q->config;
    switch (m->kind) {
    case MESSAGE_RDNS:
        return rdns_start(&job->rdns, config->resolver, source_of(m), on_rdns, job);
    case MESSAGE_DNSBL:
        return dnsbl_start(&job->dnsbl, config->resolver, config->dnsbl, config->dnsbl_count,
                           source_of(m), on_dnsbl, job);
    case MESSAGE_HELO:
        return helo_match_start(&job->helo, config->resolver, &m->helo_question, on_helo, job);
    default:
        return spf_begin(q, job, m);
    }
}

static struct job *job_find(struct dns_questions *q, struct lookup_digest key)
{
    struct job *job = *bucket_of(q, key);
    while (job && !lookup_digest_equal(job->key, key))
        job = job->chain;
    return job;
}

void dns_questions_take(struct dns_questions *q, unsigned worker, const struct message *m,
                        uint64_t now_ms)
{
    CHECK(m->kind >= MESSAGE_RDNS && m->kind < MESSAGE_RDNS + KINDS);
    q->now_ms = now_ms;
    q->counters.asked++;
    struct lookup_digest key = key_of(q, m);
    const void *known = lookup_cache_find(cache_of(q, m->kind), key, now_ms);
    if (known) {
        q->counters.from_cache++;
        uint64_t left_ms = lookup_cache_until_ms(cache_of(q, m->kind), known) - now_ms;
        return answer(q, worker, m->kind, m->handle, known, (uint32_t)(left_ms / 1000));
    }
    struct job *job = job_find(q, key);
    if (job && waiter_add(job, worker, m->handle)) {
        q->counters.joined++;
        return;
    }
    job = job ? NULL : job_open(q, key, m, worker);
    if (!job) {
        q->counters.refused++;
        return answer(q, worker, m->kind, m->handle, NULL, 0);
    }
    job_begin(job, m);
}

static union body late_body(const struct job *job)
{
    switch (job->kind) {
    case MESSAGE_RDNS:
        return (union body){.rdns = {.verdict = RDNS_TEMPERROR}};
    case MESSAGE_DNSBL:
        return (union body){.dnsbl = {job->dnsbl.score}};
    case MESSAGE_HELO:
        return (union body){.helo = {HELO_TEMPERROR}};
    default:
        return (union body){.spf = {SPF_TEMPERROR}};
    }
}

void dns_questions_expire(struct dns_questions *q, uint64_t now_ms)
{
    q->now_ms = now_ms;
    while (q->soonest && q->soonest->deadline_ms <= now_ms) {
        struct job *job = q->soonest;
        q->counters.expired++;
        union body body = late_body(job);
        job_answer(job, &body);
    }
}

int dns_questions_timeout_ms(const struct dns_questions *q, uint64_t now_ms)
{
    if (!q->soonest)
        return -1;
    return q->soonest->deadline_ms > now_ms ? (int)(q->soonest->deadline_ms - now_ms) : 0;
}

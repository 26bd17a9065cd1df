// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dns_questions.h"

#include "base/pool.h"
#include "lookup/fiber.h"
#include "lookup/lookup_cache.h"
#include "lookup/rdns.h"
#include "lookup/spf_check.h"

#include <errno.h>
#include <stdlib.h>

enum { BUCKETS = 2048 };

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
    uint8_t kind; // MESSAGE_RDNS or MESSAGE_SPF
    bool open;    // not answered yet: can be joined
    union {
        struct rdns rdns;
        struct spf_job spf;
    };
};

struct dns_questions {
    struct dns_questions_config config;
    struct dns_questions_counters counters;
    struct lookup_secret secret;
    struct lookup_cache rdns_cache, spf_cache;
    struct pool jobs, waiters;
    struct job *buckets[BUCKETS];
    struct job *soonest, *latest;
    uint64_t now_ms;
    unsigned spf_jobs;
};

int dns_questions_open(struct dns_questions **ret_questions,
                       const struct dns_questions_config *config)
{
    struct dns_questions *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->config = *config;
    int error = lookup_secret_make(&q->secret);
    if (!error)
        error = lookup_cache_init(&q->rdns_cache, DNS_CACHE_RDNS, sizeof(struct rdns_answer));
    if (!error)
        error = lookup_cache_init(&q->spf_cache, DNS_CACHE_SPF, sizeof(struct spf_answer));
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
    lookup_cache_done(&q->rdns_cache);
    lookup_cache_done(&q->spf_cache);
    if (q->jobs.objects) {
        CHECK(q->jobs.used == 0);
        pool_done(&q->jobs);
    }
    if (q->waiters.objects)
        pool_done(&q->waiters);
    free(q);
    fiber_stacks_done();
}

const struct dns_questions_counters *dns_questions_counters(const struct dns_questions *q)
{
    return &q->counters;
}

static size_t lower_copy(uint8_t *to, const char *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (uint8_t)(from[i] + 32) : (uint8_t)from[i];
    return size;
}

// What makes two questions equal. A local part may be told apart by its case; a record that asks
// DNS about it cannot, so all of it is compared without.
static struct lookup_digest key_of(const struct dns_questions *q, const struct message *m)
{
    uint8_t bytes[sizeof(struct spf_question) + 8];
    size_t size = 0;
    bytes[size++] = m->kind;
    if (m->kind == MESSAGE_RDNS) {
        memcpy(bytes + size, m->rdns_question.addr.bytes, sizeof(struct addr));
        size += sizeof(struct addr);
    } else {
        const struct spf_question *spf = &m->spf_question;
        memcpy(bytes + size, spf->addr.bytes, sizeof spf->addr);
        size += sizeof spf->addr;
        bytes[size++] = spf->helo.size;
        size += lower_copy(bytes + size, spf->helo.text, spf->helo.size);
        size += lower_copy(bytes + size, spf->mail_from, spf->mail_from_size);
    }
    return lookup_digest_of(&q->secret, span_of(bytes, size));
}

static struct job **bucket_of(struct dns_questions *q, struct lookup_digest key)
{
    return &q->buckets[key.word[0] % BUCKETS];
}

static void answer_body_set(struct message *m, const void *body)
{
    if (m->kind == MESSAGE_RDNS)
        memcpy(&m->rdns_answer, body, sizeof m->rdns_answer);
    else
        memcpy(&m->spf_answer, body, sizeof m->spf_answer);
}

// body: struct rdns_answer or spf_answer; NULL: unavailable.
static void answer(struct dns_questions *q, unsigned worker, uint8_t kind, uint64_t asker,
                   const void *body)
{
    struct message m =
        message_make((enum message_kind)kind, body ? STATUS_OK : STATUS_UNAVAILABLE, asker);
    if (body)
        answer_body_set(&m, body);
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
        answer(q, waiter->worker, job->kind, waiter->asker, body);
        pool_give(&q->waiters, waiter->self);
    }
}

static void job_end(struct job *job)
{
    CHECK(!job->open);
    pool_give(&job->questions->jobs, job->self);
}

static uint64_t until_ms(const struct dns_questions *q, uint32_t ttl, uint32_t most)
{
    uint32_t keep = ttl < DNS_KEEP_LEAST_S ? DNS_KEEP_LEAST_S : ttl;
    return q->now_ms + 1000ULL * (keep < most ? keep : most);
}

static void on_rdns(void *context, bool available, const struct rdns_answer *verdict, uint32_t ttl)
{
    struct job *job = context;
    struct dns_questions *q = job->questions;
    uint32_t most = verdict->verdict == RDNS_CONFIRMED ? DNS_KEEP_MOST_S : DNS_KEEP_EMPTY_MOST_S;
    if (available)
        lookup_cache_put(&q->rdns_cache, job->key, verdict, until_ms(q, ttl, most));
    job_answer(job, available ? verdict : NULL);
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
        lookup_cache_put(&q->spf_cache, job->key, &verdict, until_ms(q, ttl, DNS_KEEP_MOST_S));
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
    handle self = pool_take(&q->jobs, &memory);
    if (self == HANDLE_NONE)
        return NULL;
    struct job *job = memory;
    memset(job, 0, offsetof(struct job, rdns));
    job->questions = q;
    job->self = self;
    job->key = key;
    job->deadline_ms = q->now_ms + q->config.timeout_ms;
    job->kind = m->kind;
    if (!waiter_add(job, worker, m->handle)) {
        pool_give(&q->jobs, self);
        return NULL;
    }
    job->open = true;
    job_link(job);
    return job;
}

static void rdns_begin(struct dns_questions *q, struct job *job, const struct message *m)
{
    rdns_start(&job->rdns, q->config.resolver, &m->rdns_question.addr, on_rdns, job);
    // The job may be gone after this call.
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
    CHECK(m->kind == MESSAGE_RDNS || m->kind == MESSAGE_SPF);
    q->now_ms = now_ms;
    q->counters.asked++;
    struct lookup_digest key = key_of(q, m);
    struct lookup_cache *cache = m->kind == MESSAGE_RDNS ? &q->rdns_cache : &q->spf_cache;
    const void *known = lookup_cache_find(cache, key, now_ms);
    if (known) {
        q->counters.from_cache++;
        return answer(q, worker, m->kind, m->handle, known);
    }
    struct job *job = job_find(q, key);
    if (job && waiter_add(job, worker, m->handle)) {
        q->counters.joined++;
        return;
    }
    job = job ? NULL : job_open(q, key, m, worker);
    if (!job) {
        q->counters.refused++;
        return answer(q, worker, m->kind, m->handle, NULL);
    }
    if (m->kind == MESSAGE_RDNS)
        rdns_begin(q, job, m);
    else
        spf_begin(q, job, m);
}

void dns_questions_expire(struct dns_questions *q, uint64_t now_ms)
{
    static const struct spf_answer too_late = {.result = SPF_TEMPERROR};
    q->now_ms = now_ms;
    while (q->soonest && q->soonest->deadline_ms <= now_ms) {
        struct job *job = q->soonest;
        q->counters.expired++;
        job_answer(job, job->kind == MESSAGE_SPF ? &too_late : NULL);
    }
}

int dns_questions_timeout_ms(const struct dns_questions *q, uint64_t now_ms)
{
    if (!q->soonest)
        return -1;
    return q->soonest->deadline_ms > now_ms ? (int)(q->soonest->deadline_ms - now_ms) : 0;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_pool.h"

#include "lookup/lookup_wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue { // a ring of jobs not begun
    uint32_t at, count;
    struct auth_job jobs[AUTH_JOBS_MAX];
};

struct auth_pool {
    pthread_mutex_t mutex; // over everything below but fd
    pthread_cond_t wanted; // jobs came, or stop
    bool stop;
    uint32_t inside;        // jobs between put and take
    struct queue queues[2]; // those that go first, the others
    uint32_t results_first, results_count;
    struct auth_job_result results[AUTH_JOBS_MAX];
    int fd;
    unsigned threads_count;
    pthread_t threads[AUTH_THREADS];
};

static struct queue *queue_next(struct auth_pool *pool)
{
    for (int i = 0; i < 2; i++)
        if (pool->queues[i].count > 0)
            return &pool->queues[i];
    return NULL;
}

// Waits. False: stop.
static bool job_next(struct auth_pool *pool, struct auth_job *ret_job)
{
    struct queue *queue = NULL;
    pthread_mutex_lock(&pool->mutex);
    while (!pool->stop && !(queue = queue_next(pool)))
        pthread_cond_wait(&pool->wanted, &pool->mutex);
    bool go_on = !pool->stop;
    if (go_on) {
        struct auth_job *job = &queue->jobs[queue->at];
        *ret_job = *job;
        explicit_bzero(job, sizeof *job);
        queue->at = (queue->at + 1) % AUTH_JOBS_MAX;
        queue->count--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return go_on;
}

static void result_put(struct auth_pool *pool, struct auth_job_result result)
{
    static const uint64_t one = 1;
    pthread_mutex_lock(&pool->mutex);
    CHECK(pool->results_count < AUTH_JOBS_MAX);
    pool->results[(pool->results_first + pool->results_count++) % AUTH_JOBS_MAX] = result;
    pthread_mutex_unlock(&pool->mutex);
    if (write(pool->fd, &one, sizeof one) < 0)
        return; // the counter is full: it is readable anyway
}

static void *thread_main(void *argument)
{
    struct auth_pool *pool = argument;
    struct auth_job job;
    while (job_next(pool, &job)) {
        struct auth_job_result result = {.id = job.id, .late = lookup_now_ms() >= job.until_ms};
        result.right =
            !result.late && password_hash_verify(job.scheme, span_of(job.hash, job.hash_size),
                                                 span_of(job.password, job.password_size));
        explicit_bzero(&job, sizeof job);
        result_put(pool, result);
    }
    return NULL;
}

int auth_pool_open(struct auth_pool **ret_pool)
{
    struct auth_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return -ENOMEM;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wanted, NULL);
    pool->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = pool->fd < 0 ? -errno : 0;
    while (!error && pool->threads_count < AUTH_THREADS) {
        error = -pthread_create(&pool->threads[pool->threads_count], NULL, thread_main, pool);
        pool->threads_count += error == 0;
    }
    if (error)
        auth_pool_close(pool);
    else
        *ret_pool = pool;
    return error;
}

void auth_pool_close(struct auth_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->stop = true;
    pthread_cond_broadcast(&pool->wanted);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->threads_count; i++)
        pthread_join(pool->threads[i], NULL);
    if (pool->fd >= 0)
        close(pool->fd);
    pthread_cond_destroy(&pool->wanted);
    pthread_mutex_destroy(&pool->mutex);
    explicit_bzero(pool, sizeof *pool);
    free(pool);
}

bool auth_pool_put(struct auth_pool *pool, const struct auth_job *job)
{
    pthread_mutex_lock(&pool->mutex);
    bool room = pool->inside < AUTH_JOBS_MAX;
    if (room) {
        struct queue *queue = &pool->queues[job->first ? 0 : 1];
        queue->jobs[(queue->at + queue->count++) % AUTH_JOBS_MAX] = *job;
        pool->inside++;
        pthread_cond_signal(&pool->wanted);
    }
    pthread_mutex_unlock(&pool->mutex);
    return room;
}

bool auth_pool_take(struct auth_pool *pool, struct auth_job_result *ret_result)
{
    uint64_t finished;
    ssize_t got = read(pool->fd, &finished, sizeof finished); // before the look: none is missed
    (void)got;
    pthread_mutex_lock(&pool->mutex);
    bool any = pool->results_count > 0;
    if (any) {
        *ret_result = pool->results[pool->results_first];
        pool->results_first = (pool->results_first + 1) % AUTH_JOBS_MAX;
        pool->results_count--;
        pool->inside--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return any;
}

int auth_pool_fd(const struct auth_pool *pool)
{
    return pool->fd;
}

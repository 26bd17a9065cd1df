// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The threads that hash passwords, so that the loop that takes questions never waits for one.
 *
 * A bounded queue: AUTH_JOBS_MAX jobs between put and take, whatever their state, so a finished job
 * always has room. Jobs with `first` overtake the others. A job whose time is past before a thread
 * gets to it is given back unhashed. What a job holds of credentials is wiped when it was taken.
 * put, take and fd are for one thread.
 */

#include "base/check.h"
#include "base/limits.h"
#include "lookup/auth_backend.h"
#include "lookup/password_hash.h"

#include <stdint.h>

enum { AUTH_JOBS_MAX = AUTH_TRIES_MAX, AUTH_THREADS = 2 };

struct auth_job {
    uint32_t id; // the caller's
    bool first;
    enum password_scheme scheme;
    uint8_t hash_size, password_size;
    uint64_t until_ms; // of lookup_now_ms
    char hash[PASSWORD_HASH_MAX];
    char password[PASSWORD_MAX];
};

struct auth_job_result {
    uint32_t id;
    bool right;
    bool late; // not hashed
};

struct auth_pool;

int auth_pool_open(struct auth_pool **ret_pool) MUST_CHECK; // 0 or -errno
void auth_pool_close(struct auth_pool *pool);               // waits for the hashes under way

// False when full. The job is copied.
bool auth_pool_put(struct auth_pool *pool, const struct auth_job *job);
bool auth_pool_take(struct auth_pool *pool, struct auth_job_result *ret_result); // finished
int auth_pool_fd(const struct auth_pool *pool); // readable when jobs finished; take empties it

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The threads that hash passwords, so that the loop that takes questions never waits for one.
 *
 * A bounded queue: AUTH_JOBS_MAX jobs between put and take, whatever their state, so a finished job
 * always has room. What a job holds of credentials is wiped when it was taken. put, take and fd are
 * for one thread.
 */

#include "base/check.h"
#include "base/limits.h"
#include "lookup/password_hash.h"

#include <stdint.h>

enum { AUTH_JOBS_MAX = 256, AUTH_THREADS = 2 };

struct auth_job {
    uint32_t id; // the caller's
    enum password_scheme scheme;
    uint8_t hash_size, password_size;
    char hash[PASSWORD_HASH_MAX];
    char password[PASSWORD_MAX];
};

struct auth_pool;

int auth_pool_open(struct auth_pool **ret_pool) MUST_CHECK; // 0 or -errno
void auth_pool_close(struct auth_pool *pool);               // waits for the hashes under way

// False when full. The job is copied.
bool auth_pool_put(struct auth_pool *pool, const struct auth_job *job);
// A finished job: its id, and whether the password made the hash.
bool auth_pool_take(struct auth_pool *pool, uint32_t *ret_id, bool *ret_right);
int auth_pool_fd(const struct auth_pool *pool); // readable when jobs finished; take empties it

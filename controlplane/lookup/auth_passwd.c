// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_passwd.h"

#include "base/rng.h"
#include "lookup/auth_pool.h"

#include <errno.h>
#include <stdlib.h>

struct begun { // a try that the pool has
    bool user_known;
    uint8_t user_size, hash_size;
    char user[USER_NAME_MAX];
    char hash[PASSWORD_HASH_MAX];
};

struct auth_passwd {
    struct passwd_file file;
    struct auth_pool *pool;
    struct siphash_key secret; // whose hash a stranger's name costs
    int error;                 // of the last refresh, errno
    struct begun begun[AUTH_TRIES_MAX];
};

int auth_passwd_open(struct auth_passwd **ret_passwd, const char *path, bool allow_plain)
{
    struct auth_passwd *passwd = calloc(1, sizeof *passwd);
    if (!passwd)
        return -ENOMEM;
    passwd_file_init(&passwd->file, path, allow_plain);
    int error = rng_secret(&passwd->secret, sizeof passwd->secret);
    if (!error)
        error = auth_pool_open(&passwd->pool);
    if (error)
        auth_passwd_close(passwd);
    else
        *ret_passwd = passwd;
    return error;
}

void auth_passwd_close(struct auth_passwd *passwd)
{
    if (passwd->pool)
        auth_pool_close(passwd->pool);
    passwd_file_done(&passwd->file);
    explicit_bzero(passwd, sizeof *passwd);
    free(passwd);
}

// Whose hash to compute: the user's, or for one who cannot log in somebody else's.
static bool user_choose(const struct auth_passwd *passwd, struct span name,
                        struct passwd_user *ret_user, bool *ret_known)
{
    *ret_known = passwd_file_find(&passwd->file, name, ret_user) &&
                 ret_user->scheme != PASSWORD_LOCKED && ret_user->scheme != PASSWORD_UNSUPPORTED;
    if (*ret_known)
        return true;
    uint64_t number = siphash(&passwd->secret, name.at, name.size);
    return passwd_file_some(&passwd->file, number, ret_user);
}

static bool passwd_begin(void *context, const struct auth_try *try, uint64_t now_ms)
{
    struct auth_passwd *passwd = context;
    struct begun *begun = &passwd->begun[try->id];
    struct passwd_user user;
    if (!user_choose(passwd, try->user, &user, &begun->user_known))
        return false;
    begun->user_size = (uint8_t)try->user.size;
    memcpy(begun->user, try->user.at, try->user.size);
    begun->hash_size = (uint8_t)user.hash.size;
    memcpy(begun->hash, user.hash.at, user.hash.size);
    struct auth_job job = {
        .id = try->id,
        .first = try->known,
        .until_ms = try->until_ms,
        .scheme = user.scheme,
        .hash_size = begun->hash_size,
        .password_size = try->question->password_size,
    };
    memcpy(job.hash, user.hash.at, user.hash.size);
    memcpy(job.password, try->question->password, job.password_size);
    bool put = auth_pool_put(passwd->pool, &job);
    explicit_bzero(&job, sizeof job);
    return put;
}

// The file may have changed while the hash was computed.
static bool hash_is_current(const struct auth_passwd *passwd, const struct begun *begun)
{
    struct passwd_user user;
    return passwd_file_find(&passwd->file, span_of(begun->user, begun->user_size), &user) &&
           span_equal(user.hash, span_of(begun->hash, begun->hash_size));
}

static bool passwd_take(void *context, struct auth_result *ret_result)
{
    struct auth_passwd *passwd = context;
    struct auth_job_result result;
    if (!auth_pool_take(passwd->pool, &result))
        return false;
    struct begun *begun = &passwd->begun[result.id];
    bool right = result.right && begun->user_known && hash_is_current(passwd, begun);
    *ret_result = (struct auth_result){.id = result.id};
    ret_result->outcome = result.late ? OUTCOME_UNAVAILABLE : right ? OUTCOME_RIGHT : OUTCOME_WRONG;
    ret_result->user_size = begun->user_size;
    memcpy(ret_result->user, begun->user, begun->user_size);
    explicit_bzero(begun, sizeof *begun);
    return true;
}

static uint64_t passwd_generation(void *context)
{
    return ((const struct auth_passwd *)context)->file.generation;
}

struct auth_backend auth_passwd_backend(struct auth_passwd *passwd)
{
    return (struct auth_backend){passwd, passwd_begin, passwd_take, passwd_generation};
}

void auth_passwd_refresh(struct auth_passwd *passwd)
{
    passwd->error = -passwd_file_refresh(&passwd->file);
}

int auth_passwd_fd(const struct auth_passwd *passwd)
{
    return auth_pool_fd(passwd->pool);
}

int auth_passwd_error(const struct auth_passwd *passwd)
{
    return passwd->error;
}

uint32_t auth_passwd_users(const struct auth_passwd *passwd)
{
    return passwd_file_count(&passwd->file);
}

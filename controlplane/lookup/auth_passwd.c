// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_passwd.h"

#include "base/rng.h"
#include "lookup/auth_pool.h"
#include "lookup/scram_server.h"

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
    struct scram_server scram[AUTH_EXCHANGES_MAX];
    uint32_t steps_count;
    struct auth_step_result steps[AUTH_EXCHANGES_MAX]; // one of each exchange at the most
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

// SCRAM takes no time worth a thread, so its steps have ended when they have begun.

// The user's keys, or some that nobody has a password for. False: SCRAM is not offered any more.
static bool keys_choose(const struct auth_passwd *passwd, const struct scram_server *scram,
                        struct password_scram *ret_keys, bool *ret_known)
{
    struct span name = span_of(scram->user, scram->user_size);
    struct passwd_user first, user;
    struct password_scram like;
    if (!passwd_file_scram(&passwd->file, &first) || !password_scram_parse(first.hash, &like))
        return false;
    *ret_known = passwd_file_find(&passwd->file, name, &user) && user.scheme == PASSWORD_SCRAM &&
                 password_scram_parse(user.hash, ret_keys);
    if (!*ret_known)
        password_scram_pretend(&like, name, ret_keys);
    explicit_bzero(&like, sizeof like);
    return true;
}

static enum auth_outcome scram_begin(const struct auth_passwd *passwd, struct scram_server *scram,
                                     const struct auth_step *step, struct auth_step_result *result)
{
    const struct sasl_question *question = step->question;
    struct password_scram keys;
    uint8_t nonce[SCRAM_NONCE_BYTES];
    bool known;
    if (!scram_server_begin(scram, step->mechanism, step->response,
                            question->has_binding ? question->binding : NULL))
        return OUTCOME_REFUSED;
    if (!keys_choose(passwd, scram, &keys, &known) || rng_secret(nonce, sizeof nonce) < 0)
        return OUTCOME_UNAVAILABLE;
    scram_server_challenge(scram, &keys, nonce);
    explicit_bzero(&keys, sizeof keys);
    result->challenge_size = scram->first_size;
    memcpy(result->challenge, scram->first, scram->first_size);
    return OUTCOME_CHALLENGE;
}

static enum auth_outcome scram_end(const struct auth_passwd *passwd,
                                   const struct scram_server *scram, const struct auth_step *step,
                                   struct auth_step_result *result)
{
    struct password_scram keys;
    bool known;
    if (!keys_choose(passwd, scram, &keys, &known))
        return OUTCOME_UNAVAILABLE;
    bool proven = scram_server_judge(scram, &keys, step->response, result->challenge);
    explicit_bzero(&keys, sizeof keys);
    if (!proven || !known)
        return OUTCOME_WRONG;
    result->challenge_size = SCRAM_LAST_SIZE;
    result->user_size = scram->user_size;
    memcpy(result->user, scram->user, scram->user_size);
    return OUTCOME_RIGHT;
}

static bool passwd_step(void *context, const struct auth_step *step, uint64_t now_ms)
{
    struct auth_passwd *passwd = context;
    struct scram_server *scram = &passwd->scram[step->id];
    if (!mechanism_is_in(step->mechanism, MECHANISMS_SCRAM))
        return false;
    CHECK(passwd->steps_count < AUTH_EXCHANGES_MAX);
    struct auth_step_result *result = &passwd->steps[passwd->steps_count++];
    *result = (struct auth_step_result){.id = step->id};
    result->outcome = step->first ? scram_begin(passwd, scram, step, result)
                                  : scram_end(passwd, scram, step, result);
    return true;
}

static bool passwd_take_step(void *context, struct auth_step_result *ret_result)
{
    struct auth_passwd *passwd = context;
    if (passwd->steps_count == 0)
        return false;
    *ret_result = passwd->steps[--passwd->steps_count];
    return true;
}

static void passwd_drop(void *context, uint32_t id)
{
    struct auth_passwd *passwd = context;
    for (uint32_t i = 0; i < passwd->steps_count; i++)
        if (passwd->steps[i].id == id)
            passwd->steps[i] = passwd->steps[--passwd->steps_count];
}

static uint32_t passwd_mechanisms(void *context)
{
    const struct auth_passwd *passwd = context;
    struct passwd_user first;
    return passwd_file_scram(&passwd->file, &first) ? MECHANISMS_SCRAM : 0;
}

static uint64_t passwd_generation(void *context)
{
    return ((const struct auth_passwd *)context)->file.generation;
}

struct auth_backend auth_passwd_backend(struct auth_passwd *passwd)
{
    return (struct auth_backend){
        .context = passwd,
        .begin = passwd_begin,
        .take = passwd_take,
        .step = passwd_step,
        .take_step = passwd_take_step,
        .drop = passwd_drop,
        .mechanisms = passwd_mechanisms,
        .generation = passwd_generation,
    };
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

// SPDX-License-Identifier: BSD-3-Clause
#include "worker/snapshot_store.h"

#include "guard/guard.h"
#include "mail/master.h"
#include "rules/rules.h"
#include "tls/tls_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW };

static void snapshot_free(struct snapshot *s)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        if (s->uses[i].scratch)
            rules_scratch_close(s->uses[i].scratch);
    if (s->rules)
        rules_free(s->rules);
    if (s->tls)
        tls_context_free(s->tls);
    tls_clients_free(s->tls_clients);
    if (s->lists)
        guard_lists_free(s->lists);
    if (s->policy)
        munmap((void *)(uintptr_t)s->policy, s->policy->size);
    explicit_bzero(s->masters, sizeof s->masters);
    free(s);
}

static const struct policy *map_policy(int fd, uint64_t size, const char **ret_what)
{
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &status) < 0 ||
        (uint64_t)status.st_size != size || size == 0) {
        *ret_what = "not a sealed snapshot of that size";
        return NULL;
    }
    const struct policy *policy = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (policy == MAP_FAILED) {
        *ret_what = "cannot be mapped";
        return NULL;
    }
    if (!policy_is_sound(policy, size, ret_what)) {
        munmap((void *)(uintptr_t)policy, size);
        return NULL;
    }
    return policy;
}

// A million prefixes are built in half a second and compared in some milliseconds.
static bool same_lists(const struct policy *a, const struct policy *b)
{
    size_t size = a->prefixes.count * sizeof(struct policy_class_prefix);
    return a->prefixes.count == b->prefixes.count &&
           memcmp(policy_at(a, a->prefixes), policy_at(b, b->prefixes), size) == 0;
}

static bool read_masters(struct snapshot *s, char *text, size_t text_size)
{
    for (int i = 0; i < s->policy->backends_count; i++) {
        const struct policy_backend *backend = &s->policy->backends[i];
        if (!backend->master_file[0])
            continue;
        const char *wrong = master_read(backend->master_file, &s->masters[i]);
        if (wrong) {
            snprintf(text, text_size, "backends.%s: master file %.150s: %s", backend->name,
                     backend->master_file, wrong);
            return false;
        }
    }
    return true;
}

// Fills what is derived; on failure the text says what was wrong.
static bool derive(struct snapshot *s, const struct snapshot_store *store, unsigned workers,
                   char *text, size_t text_size)
{
    const char *what = NULL;
    const struct snapshot *before = store->newest;
    if (!read_masters(s, text, text_size))
        return false;
    char cause[200];
    s->tls_clients = tls_clients_build(s->policy, cause, sizeof cause, &what);
    if (!s->tls_clients) {
        snprintf(text, text_size, "backends: %s", what);
        return false;
    }
    if (s->policy->certificates_count > 0) {
        s->tls = tls_context_build(s->policy, store->tickets, cause, sizeof cause, &what);
        if (!s->tls) {
            snprintf(text, text_size, "tls: %s", what);
            return false;
        }
    }
    s->rules = rules_build(s->policy, &what);
    if (!s->rules) {
        snprintf(text, text_size, "rules: %s", what);
        return false;
    }
    for (unsigned i = 0; i < workers; i++) {
        s->uses[i].scratch = rules_scratch_open(s->rules);
        if (!s->uses[i].scratch) {
            snprintf(text, text_size, "rules: no memory for scratch space");
            return false;
        }
    }
    s->lists = before && same_lists(before->policy, s->policy)
                   ? guard_lists_share(before->lists)
                   : guard_lists_build(s->policy, &what);
    if (!s->lists) {
        snprintf(text, text_size, "lists: %s", what);
        return false;
    }
    return true;
}

int snapshot_store_add(struct snapshot_store *store, int fd, uint64_t size,
                       const struct policy_boot *boot, char *ret_text, size_t text_size)
{
    const char *what = NULL;
    const struct policy *policy = map_policy(fd, size, &what);
    if (!policy) {
        snprintf(ret_text, text_size, "snapshot refused: %s", what);
        return -EINVAL;
    }
    if (boot && memcmp(boot, &policy->boot, sizeof *boot) != 0) {
        snprintf(ret_text, text_size,
                 "boot and interfaces are read when weir-dataplane starts: "
                 "stop it, reload the configuration, start it");
        munmap((void *)(uintptr_t)policy, size);
        return -EBUSY;
    }
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(ret_text, text_size, "no memory");
        munmap((void *)(uintptr_t)policy, size);
        return -ENOMEM;
    }
    s->policy = policy;
    unsigned workers = store->workers ? store->workers : policy->boot.workers;
    if (!derive(s, store, workers, ret_text, text_size)) {
        snapshot_free(s);
        return -EINVAL;
    }
    store->workers = workers;
    s->older = store->newest;
    store->newest = s;
    return 0;
}

static bool is_used(const struct snapshot *s, unsigned workers)
{
    for (unsigned i = 0; i < workers; i++)
        if (__atomic_load_n(&s->uses[i].current, __ATOMIC_ACQUIRE) ||
            __atomic_load_n(&s->uses[i].sessions, __ATOMIC_ACQUIRE))
            return true;
    return false;
}

void snapshot_store_collect(struct snapshot_store *store)
{
    if (!store->newest)
        return;
    for (struct snapshot **at = &store->newest->older; *at;) {
        struct snapshot *s = *at;
        if (is_used(s, store->workers)) {
            at = &s->older;
            continue;
        }
        *at = s->older;
        snapshot_free(s);
    }
}

void snapshot_store_done(struct snapshot_store *store)
{
    while (store->newest) {
        struct snapshot *s = store->newest;
        store->newest = s->older;
        snapshot_free(s);
    }
}

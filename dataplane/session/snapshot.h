// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A policy and what the main lcore derived from it, immutable, shared by all workers.
 *
 * Each worker counts its own sessions that still run under a snapshot; the main lcore frees one
 * when every worker has swapped to a newer and all counts are zero. Counts have one writer each.
 */

#include "base/limits.h"
#include "contract/policy.h"
#include "mail/mail.h"

struct tls_context;
struct tls_clients;
struct rules_set;
struct rules_scratch;
struct guard_lists;

struct snapshot_use {  // of one worker, on its own cache line
    uint32_t sessions; // written by that worker
    uint32_t current;  // 1 while the worker opens sessions under this snapshot; likewise
    struct rules_scratch *scratch;
    uint8_t pad[48];
};

struct snapshot {
    const struct policy *policy;
    struct tls_context *tls;         // NULL without certificates
    struct tls_clients *tls_clients; // towards backends
    struct rules_set *rules;
    struct guard_lists *lists;                // the worker's business
    struct mail_master masters[BACKENDS_MAX]; // of the backends that have one
    struct snapshot *older;                   // the main lcore's list
    struct snapshot_use uses[WORKERS_MAX];
};

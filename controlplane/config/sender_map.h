// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The sender map: who may send as whom, beside everybody as himself. A line for an address:
 *   ADDRESS: LOGIN, LOGIN ...        or, for all addresses of a domain, @DOMAIN: LOGIN ...
 * The mailbox map, which backend has whose mailbox, has the same shape:
 *   LOGIN: BACKEND, BACKEND ...      or, for all logins of a domain, @DOMAIN: BACKEND
 * Lines that begin with '#' and empty ones are nothing; an address may have several lines. All is
 * taken in lower case. The file is taken whole or not at all: every line that is wrong is told with
 * its number. A map is immutable and counted, so that copies of a configuration share it, and holds
 * what contract/policy.h wants, sorted. One thread.
 */

#include "base/span.h"
#include "config/config_errors.h"
#include "contract/policy.h"

enum { SENDER_MAP_MB_MAX = 256 };

struct sender_map {
    unsigned references;
    uint32_t count, room;
    struct policy_sender *entries;
    char *texts;
    size_t texts_size, texts_room;
};

enum sender_map_kind { MAP_SENDERS, MAP_MAILBOXES };

// 0; -EINVAL, -E2BIG or -errno with lines in `errors`. Each success is given back once.
int sender_map_read(const char *file, enum sender_map_kind kind, struct sender_map **ret_map,
                    struct config_errors *errors) MUST_CHECK;
int sender_map_parse(const char *file, struct span text, enum sender_map_kind kind,
                     struct sender_map **ret_map,
                     struct config_errors *errors) MUST_CHECK; // `file` is for the errors

struct sender_map *sender_map_share(struct sender_map *map); // NULL is fine, for both
void sender_map_give(struct sender_map *map);

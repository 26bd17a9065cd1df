// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The dns child's questions while they are worked on: equal ones are joined and asked once, answers
 * are remembered for their time to live, and everything is bounded: DNS_JOBS_MAX different
 * questions at a time, DNS_SOURCE_JOBS_MAX of them about one source (an IPv4 address or an IPv6
 * /64), DNS_SPF_MAX of them SPF, DNS_WAITERS_MAX askers in all. What is beyond gets
 * STATUS_UNAVAILABLE at once. Sources are counted by a keyed hash, so now and then two share.
 *
 * Each question is answered exactly once, at the latest timeout_ms after the first equal one came,
 * then with temperror; DNS lists with the sum so far. No verdict for want of servers is not
 * remembered; other answers tell for how long they are (message.keep_s). One thread; the answer
 * function must not call back.
 */

#include "contract/message.h"
#include "lookup/dns_resolver.h"
#include "lookup/lookup.h"

enum {
    DNS_JOBS_MAX = 1024,
    DNS_SOURCE_JOBS_MAX = 64,
    DNS_SPF_MAX = 512,
    DNS_WAITERS_MAX = 8192,
    DNS_CACHE_RDNS = 65536,   // entries, 320 bytes each
    DNS_CACHE_OTHERS = 65536, // entries of each other kind, 64 bytes each
    DNS_KEEP_LEAST_S = 10,    // a time to live of 0 is for the resolver; a flood is still joined
    DNS_KEEP_MOST_S = 3600,
    DNS_KEEP_EMPTY_MOST_S = 300,
};

typedef void dns_questions_answer(void *context, unsigned worker, const struct message *answer);

struct dns_questions_config {
    struct dns_resolver *resolver; // stays the caller's
    unsigned timeout_ms;
    const char *host_name;            // ours, for SPF's %{r}; stays the caller's
    const struct lookup_dnsbl *dnsbl; // the lists that are asked; stay the caller's
    unsigned dnsbl_count;
    dns_questions_answer *answer;
    void *context;
};

struct dns_questions_counters {
    uint64_t asked, from_cache, joined, refused, expired;
};

struct dns_questions;

// 0 or -errno.
int dns_questions_open(struct dns_questions **ret_questions,
                       const struct dns_questions_config *config) MUST_CHECK;
// All look-ups must have ended: close the resolver first, which ends them.
void dns_questions_close(struct dns_questions *questions);

// A sound question of kind RDNS, DNSBL, HELO or SPF. May answer before it returns.
void dns_questions_take(struct dns_questions *questions, unsigned worker,
                        const struct message *question, uint64_t now_ms);

// Answers what is past its time. To be called before and after the resolver runs, too: it also
// tells the time.
void dns_questions_expire(struct dns_questions *questions, uint64_t now_ms);
int dns_questions_timeout_ms(const struct dns_questions *questions, uint64_t now_ms); // -1: none

const struct dns_questions_counters *dns_questions_counters(const struct dns_questions *questions);

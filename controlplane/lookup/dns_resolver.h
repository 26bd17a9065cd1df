// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Questions to the configured recursive resolvers, by c-ares, without blocking. Answers are kept
 * for their time to live (dns_cache.h) and equal questions joined, so whoever asks for verdicts
 * asks as if nobody had before.
 *
 * Query ids and source ports must not be guessable (RFC 5452). c-ares 1.18 seeds its ids from
 * /dev/urandom when a channel is opened, and falls back to rand() without saying so: open checks
 * the device first, and opens every channel that will ever be used, before the sandbox closes. A
 * c-ares channel keeps its sockets, and so its ports, for as long as a query is under way: so the
 * channels take turns, each for DNS_TURN_QUERIES questions or DNS_TURN_MS, and one that ran dry
 * comes back with fresh sockets.
 *
 * One thread. Answers come from within dns_resolver_run, or from within dns_resolver_ask when it
 * is known at once; each question gets exactly one, in bounded time (dns_resolver_config.timeout_ms
 * in all tries).
 */

#include "lookup/dns_answer.h"

#include "base/check.h"

enum {
    DNS_CHANNELS = 8,
    DNS_TURN_QUERIES = 1000,
    DNS_TURN_MS = 1000,
    DNS_QUERIES_MAX = 8192, // under way at a time, joined ones counted; more fail at once
};

struct dns_resolver;

struct dns_resolver_config {
    const char *servers; // "addr:port,[addr]:port"
    uint32_t timeout_ms; // for one question, all tries and servers
};

struct dns_resolver_counters {
    uint64_t asked, from_cache, joined; // questions: new, known, the same as one under way
};

// The answer is valid during the call only, and until it asks something.
typedef void dns_resolver_done(void *context, const struct dns_answer *answer);

// 0 or -errno.
int dns_resolver_open(struct dns_resolver **ret_resolver,
                      const struct dns_resolver_config *config) MUST_CHECK;
void dns_resolver_close(struct dns_resolver *resolver); // pending questions fail first

// name: text without final dot; one that is no askable name is answered DNS_EMPTY.
void dns_resolver_ask(struct dns_resolver *resolver, const char *name, enum dns_type type,
                      dns_resolver_done *done, void *context);

// The name that an address has in a zone of addresses: in-addr.arpa (RFC 1035, section 3.5),
// ip6.arpa (RFC 3596, section 2.5) or a list (RFC 5782, section 2). zone: at most 127 bytes.
void dns_reverse_name(const struct addr *addr, const char *zone, char ret_name[DNS_NAME_SIZE]);

// Readable when run has something to do; run must also be called after timeout_ms (-1: no need).
int dns_resolver_fd(const struct dns_resolver *resolver);
int dns_resolver_timeout_ms(const struct dns_resolver *resolver);
void dns_resolver_run(struct dns_resolver *resolver, uint64_t now_ms);

const struct dns_resolver_counters *dns_resolver_counters(const struct dns_resolver *resolver);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The flood filter: what a packet from outside must pass before any state is spent on it.
 *
 * One a worker; sources are steered so that a source's state is on one worker. Order of judgement
 * for a SYN: lists (allow beats everything but sanity), bans, service, rates. The ISN is always a
 * cookie (RFC 4987, section 3.6), the options that must survive (MSS, window scale, SACK) are in it
 * or in the timestamp. A connection begins with an ACK that carries a valid cookie; only then
 * limits on connections count, and only proven sources can be banned.
 *
 * Nobody is framed. Whoever completes a handshake leaves a print: TTL, options and timestamp clock
 * of its SYNs. A later SYN of that print has a rate of its own, which SYNs forged in its name
 * cannot use up unless they have the print too. Other SYNs are limited as back-scatter: by source;
 * under attack also by /24 or /48 and in all. A source without history, whose address is being
 * forged or that comes during a random flood, gets through with its SYN's retransmission after
 * 1 s, as long as such returning SYNs are within the same limits (guard_answer.h).
 *
 * Attack mode begins when SYNs pass the high mark and ends when they stayed under the low mark for
 * 5 s (guard_pressure.h). In peace a bounded number of SYN-ACKs is remembered and sent again after
 * 1 s and 3 s, within the budget of a /24 or /48 (guard_syncache.h); a SYN needs no memory to
 * become a connection.
 *
 * Rates are GCRA (ITU-T I.371): one theoretical arrival time a source, IPv4 address or IPv6 /64, in
 * a table without allocation, scans or timers: eight 8-byte entries a cache line; a full bucket
 * replaces the entry with the least debt, so overload forgets debt and never refuses a conforming
 * source.
 *
 * Limits come by class of the source, each enforced, in shadow or off (contract/policy.h). Those
 * wider than a source are shared by all workers, to workers - 1 connections or SYN-ACKs
 * (guard_tally.h); attack mode is one for all.
 *
 * Refusals are returned, not counted: the caller counts the reason. What is no refusal (SYNs
 * received and answered, sources banned, the mode) is counted here. Counts, rates, history and
 * bans live through a policy swap.
 */

#include "base/packet.h"
#include "base/siphash.h"
#include "contract/charge.h"
#include "contract/counter.h"
#include "contract/message.h"
#include "contract/policy.h"
#include "guard/guard_answer.h"

struct rte_mbuf;
struct guard;
struct guard_lists; // allow and deny prefixes, longest match

struct guard_connection;
struct guard_login;
struct guard_quota;

// Where the guards of all workers find one another; zeroed by the caller, outlives them.
struct guard_peers {
    struct guard_connection *connections[WORKERS_MAX];
    struct guard_answer *answers[WORKERS_MAX];
    struct guard_quota *quotas[WORKERS_MAX];
    struct guard_login *logins[WORKERS_MAX];
};

struct guard_config {
    uint32_t sources;  // IPv4 entries, rounded up to a power of two; IPv6 has half as many
    uint32_t sessions; // client connections at a time, at the most, whatever the limits say
    uint16_t worker, workers;
    struct guard_peers *peers; // the same for all workers; one alone may have NULL
    uint16_t mtu;              // of the outside leg, bytes: our MSS is this less 40 or 60
    uint32_t receive_bytes;    // tcp's largest window; a SYN-ACK offers at most 65535 of it
    int numa_node;             // -1: any
    struct siphash_key key;    // per boot, the same for all workers: cookies and table
    struct counter_block *counters;
};

struct guard *guard_open(const struct guard_config *config) MUST_CHECK; // NULL: no memory
void guard_shut(struct guard *guard);

// Built aside by the main lcore, never by a worker. NULL when the lists do not fit or memory is
// short; *ret_what says which. Immutable afterwards, shared by all workers.
struct guard_lists *guard_lists_build(const struct policy *policy,
                                      const char **ret_what) MUST_CHECK;
// Lists are counted, on the main lcore: one more that shares them, and one less.
struct guard_lists *guard_lists_share(struct guard_lists *lists);
void guard_lists_free(struct guard_lists *lists); // NULL is fine

// The worker's swap, between two turns. Both must outlive their use by this guard.
void guard_policy(struct guard *guard, const struct policy *policy,
                  const struct guard_lists *lists);

/* Received packets are judged a burst at a time, so that they wait for memory together:
 *
 *     guard_look                                all of them: classes, places in the tables
 *     guard_glance                              SYNs under attack, of which only headers are known
 *     guard_admit, then guard_syn or guard_ack  one after the other, in order of arrival
 *     and guard_connection_begun
 *     guard_answer                              the SYNs that guard_syn let through
 *
 * The next burst may be looked at before this one is judged. A look is good for its packet and
 * until its burst's guard_answer only; nothing else of this guard may be called in between, but
 * guard_connection_closed. Locating changes nothing: what a packet does to its source is seen by
 * the next one.
 */
enum { GUARD_BURST = 32 };

struct guard_look {
    int8_t service; // that the packet is for: index in the policy, or -1
    uint8_t class;  // of its source
    struct guard_answer_place place;
};
void guard_look(struct guard *guard, const struct packet *packets, unsigned count,
                struct guard_look *ret_looks);

bool guard_is_attacked(const struct guard *guard);

// Under attack, SYNs without data of which net_glance told, at the places of a burst that `which`
// names. *ret_reasons there: why each is refused, counted as guard_syn would, by what was known
// before; its checksum and options are never looked at. REASON_NONE: that is not certain, it is to
// be parsed and judged.
void guard_glance(struct guard *guard, const struct packet *packets, const struct guard_look *looks,
                  const uint8_t *which, unsigned count, uint64_t now_us, uint8_t *ret_reasons);

// Lists and bans, for every packet from outside, ICMP too. REASON_NONE: go on.
enum reason guard_admit(struct guard *guard, const struct packet *packet,
                        const struct guard_look *look, uint64_t now_us);

// A SYN. REASON_NONE: m and the packet are the guard's until guard_answer gives m
// back. Else the caller frees m.
enum reason guard_syn(struct guard *guard, struct rte_mbuf *m, const struct packet *packet,
                      const struct guard_look *look, uint64_t now_us);

// The SYNs taken since the last call are SYN-ACKs now (from the IP header on, checksums complete),
// in order, to be emitted on LEG_OUTSIDE. How many. But those with a bit in `but` (1: the first)
// are the caller's again and not answered: connections of theirs were found.
unsigned guard_answer(struct guard *guard, uint32_t but, struct rte_mbuf *ret_synacks[GUARD_BURST],
                      uint64_t now_us);

// Any other segment of no connection. REASON_NONE: it is the final ACK of a handshake; *handshake
// describes it. `known`: it did already, as tcp_reopened filled it, and no cookie is asked for.
enum reason guard_ack(struct guard *guard, const struct packet *packet,
                      const struct guard_look *look, uint64_t now_us, bool known,
                      struct tcp_handshake *handshake);

// The connection that it asks for. REASON_NONE: it fits its limits, and is counted. Else it is
// refused to somebody who is really there, and waits.
enum reason guard_connection_begun(struct guard *guard, const struct packet *packet,
                                   const struct guard_look *look, uint64_t now_us,
                                   struct tcp_handshake *handshake);

// How guard_advance emits: `take` gives an empty mbuf with room for headers before it (NULL: none),
// `send` takes it with a packet from the IP header on.
struct guard_output {
    struct rte_mbuf *(*take)(void *context);
    void (*send)(void *context, struct rte_mbuf *m, enum leg leg, uint64_t now_us);
    void *context;
};

// To be called some 100 times a second: ends attack mode, and sends SYN-ACKs again. Bounded.
void guard_advance(struct guard *guard, const struct guard_output *output, uint64_t now_us);

// The connection that guard_connection_begun counted has ended (or could not be made). `service` is
// what its look said then, also when the policy has another order by now.
void guard_connection_closed(struct guard *guard, const struct addr *client, unsigned service);

// Before a client or user does what has a rate (guard_quota.h). REASON_NONE: it may, and is
// charged; what a limit in shadow mode would have refused is counted, and noted in *shadowed.
enum reason guard_charge(struct guard *guard, enum charge charge, const struct addr *client,
                         struct span user, uint64_t now_us, uint64_t *shadowed);

// A user has logged in to one more session (guard_login.h), or left it. What limits in shadow mode
// would have refused is counted and noted likewise. A ticket of 0 is none.
enum reason guard_login(struct guard *guard, enum protocol protocol, const struct addr *client,
                        struct span user, uint64_t now_us, uint64_t *ret_ticket,
                        uint64_t *shadowed);
void guard_logout(struct guard *guard, const struct addr *client, uint64_t ticket);

// Bans of this worker. An IPv6 address stands for its /64. Bounded; add returns false when the
// table is full or the address is on the allow list.
bool guard_ban_add(struct guard *guard, const struct ban *ban, uint64_t now_us);
bool guard_ban_remove(struct guard *guard, const struct addr *addr);
void guard_ban_list(const struct guard *guard, uint32_t cursor, uint64_t now_us,
                    struct ban_page *ret_page);

// Whether packets from there are dropped by bans and lists. The number changes whenever that may
// have begun for somebody.
bool guard_is_barred(struct guard *guard, const struct addr *addr, uint64_t now_us);
uint64_t guard_bars(const struct guard *guard);
// A proven client did what is an offence (guard_conduct.h). True: it is banned now, for that.
// Neither the allow list nor relay networks can be.
bool guard_offend(struct guard *guard, const struct addr *client, enum reason reason,
                  uint64_t now_us);
// A session of its ended as sessions should. Until that is forgotten, or it is on the allow list,
// the client is good.
void guard_praise(struct guard *guard, const struct addr *client, uint64_t now_us);
bool guard_is_good(const struct guard *guard, const struct addr *client, uint64_t now_us);

// What is known of an address; `places` of the answer are left alone.
void guard_explain(const struct guard *guard, const struct addr *addr, uint64_t now_us,
                   struct explain_answer *answer);

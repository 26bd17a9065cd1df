// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The policy: everything that the data plane must know, as one flat snapshot.
 *
 * The control plane compiles the operator's YAML into it, writes it to a memfd, seals that against
 * any further write, and hands it over (contract/attach.h). The data plane checks it with
 * policy_is_sound, builds what it derives from it beside the running one, and lets every worker
 * swap at the start of a turn. A snapshot never changes after it was published; the data plane
 * keeps the last one for as long as it runs, control plane or not. `boot` is read once, at the
 * first snapshot: a later one with another boot part is refused with a text that says to restart.
 *
 * Variable parts stand behind the struct as ranges: offset in bytes from the snapshot's start (a
 * multiple of 8), and count. Texts are NUL-terminated within their arrays.
 */

#include "base/addr.h"
#include "base/limits.h"
#include "base/span.h"
#include "contract/reason.h"
#include "contract/version.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    POLICY_MAGIC = 0x57454952,
    POLICY_SIZE_MAX = 1 << 30,
    POLICY_PREFIXES_MAX = 1 << 22,
    POLICY_SENDERS_MAX = 1 << 22,
};

enum limit {
#define LIMIT(name, value, least, most, unit, scope, reason, text) LIMIT_##name,
#include "contract/limit.def"
#undef LIMIT
    LIMIT_COUNT,
};

struct limit_set {
    uint64_t words[2]; // bit n of both together: 1 << enum limit
};
enum { LIMITS_IN_SET = 128 };
static_assert((int)LIMIT_COUNT <= LIMITS_IN_SET, "a bit each");

// Shadow: counted as "would have refused", and nothing refused. Off: not looked at.
enum limit_mode { MODE_ENFORCE, MODE_SHADOW, MODE_OFF, MODE_COUNT };

struct limit_facts {
    const char *name; // upper case
    uint64_t value;   // default
    uint64_t least, most;
    const char *unit, *text;
    bool by_class;      // a class may have its own
    bool always;        // it is always enforced
    enum reason reason; // what it refuses with, or NONE
};
const struct limit_facts *limit_facts(enum limit limit);
const char *limit_why_modeless(enum limit limit); // constant text; NULL: it has a mode
const char *limit_mode_name(enum limit_mode mode);
bool limit_find(const char *name, enum limit *ret_limit) MUST_CHECK; // any case

enum finding { // what can be found against a client or a sender (contract/finding.def)
#define FINDING(name, section, key, value, reason, bad, reject, defer, text) FINDING_##name,
#include "contract/finding.def"
#undef FINDING
    FINDING_COUNT,
};
static_assert((int)FINDING_COUNT <= 32, "a bit each in a word");

enum family_index { FAMILY_V4, FAMILY_V6, FAMILY_COUNT };

struct policy_interface {           // of one leg
    char device[128];               // DPDK device: a PCI address or a vdev with its arguments
    struct addr addr[FAMILY_COUNT]; // ours; all zero: that family is off
    uint8_t bits[FAMILY_COUNT];     // on-link prefix, of 128
    uint16_t mtu;                   // bytes of an IP packet
    uint16_t vlan;                  // 0: untagged
};

struct policy_route {
    struct prefix to;
    struct addr via;
    uint8_t leg; // enum leg
};

struct policy_boot {
    char eal[512];                   // further EAL arguments, separated by spaces
    struct policy_interface legs[2]; // by enum leg; equal devices mean one port for both
    uint16_t workers;
    uint16_t lcores[WORKERS_MAX]; // CPU of each worker
    uint16_t main_lcore;
    uint16_t idle_sleep_us; // what an idle worker sleeps; 0: it spins
    uint32_t hugepage_mb;   // memory to take, MiB
    uint32_t mbufs;         // packet buffers in all
    uint32_t connections;   // TCP connections a worker, both sides
    uint32_t sessions;      // mail sessions a worker
    uint32_t sources;       // entries of a worker's IPv4 source table, a power of two
};

enum protocol { PROTOCOL_SMTP, PROTOCOL_IMAP, PROTOCOL_POP3, PROTOCOL_COUNT };
enum tls_mode { TLS_OFF, TLS_STARTTLS, TLS_IMPLICIT, TLS_MODE_COUNT };

struct policy_service {
    char name[16];      // smtp, submission, submissions, imap, …
    uint16_t port;      // on every address of ours outside
    uint8_t protocol;   // enum protocol
    uint8_t tls;        // enum tls_mode; STARTTLS means offered
    uint8_t backend;    // index
    uint8_t submission; // 0 or 1; SMTP: TLS and AUTH before MAIL, sender must belong to the login
};

enum backend_identity { // how the backend is told who the client is
    IDENTITY_NONE,
    IDENTITY_FORWARD, // SMTP XCLIENT; IMAP ID; POP3 XCLIENT
    IDENTITY_PROXY,   // PROXY protocol, version 2, before anything else
    IDENTITY_COUNT,
};

struct policy_server { // one of a backend's; all of them hold the same mail
    struct addr addr;
    uint16_t port;
    uint8_t weight; // share of the connections, 1 to 255
    uint8_t backup; // 1: used when no other is up
};

struct policy_backend {
    char name[32];
    uint8_t protocol;      // enum protocol
    uint8_t identity;      // enum backend_identity
    uint8_t tls;           // enum tls_mode, towards its servers
    uint8_t tls_verify;    // 0 or 1: certificates must be good for tls_name
    uint8_t servers_count; // 1 or more
    struct policy_server servers[BACKEND_SERVERS_MAX];
    char tls_name[HOST_NAME_MAX_DNS + 1]; // "": certificates must be good for the server's address
    char tls_ca_file[PATH_NAME_MAX + 1];  // PEM; "": the system's
    // IMAP and POP3: with the master user of this file (mail/master.h) every user is logged in
    // there; "": with the password that the client sent.
    char master_file[PATH_NAME_MAX + 1];
};

enum action {
    ACTION_TAG, // accept, and say so in the headers
    ACTION_DEFER,
    ACTION_REJECT,
    ACTION_RULE_COUNT,                 // rules know those above
    ACTION_SHADOW = ACTION_RULE_COUNT, // tag, and count that it would have been refused
    ACTION_OFF,                        // not looked at
    ACTION_SCORE,                      // adds points to the score, which is a finding itself
    ACTION_COUNT,
};

enum { POINTS_MAX = 100, SCORE_MAX = POINTS_MAX * FINDING_COUNT };

struct policy_verdict { // what becomes of a finding
    uint8_t action;     // enum action
    uint8_t points;     // ACTION_SCORE: 1 to POINTS_MAX; else 0
};

struct finding_facts {
    const char *name;          // upper case
    const char *section, *key; // of the configuration, within `smtp`
    enum action value;         // default
    enum reason reason;
};
const struct finding_facts *finding_facts(enum finding finding);

struct policy_smtp {
    char host_name[HOST_NAME_MAX_DNS + 1]; // in greeting, Received and Authentication-Results
    struct policy_verdict verdicts[FINDING_COUNT]; // on services that are not submission
    uint8_t dnsbl_zones;                           // how many are asked; 0: none
    int16_t dnsbl_threshold;                       // 1 or more: from there on listed
    uint16_t score_threshold;                      // 1 or more: from there on reached
    char subaddress; // what ends the mailbox in "mailbox+detail"; 0: nothing does
};
void policy_verdicts_default(struct policy_smtp *smtp);

struct policy_certificate {
    char certificate_file[PATH_NAME_MAX + 1]; // PEM, leaf first
    char key_file[PATH_NAME_MAX + 1];         // PEM
};

enum rule_part { RULE_ENVELOPE = 1, RULE_HEADERS = 2, RULE_BODY = 4 }; // bits

struct policy_rule { // id in the Hyperscan database is the index
    char name[32];
    uint8_t parts;  // bits of enum rule_part
    uint8_t action; // enum action below ACTION_RULE_COUNT
};

struct policy_domain {
    char name[HOST_NAME_MAX_DNS + 1]; // lower case, no final dot
    uint8_t backend;                  // index
};

// A login may send as that address, or, where it begins with '@', as any of the domain. In
// sender_texts from `text` on stand the address and, behind it, the login, both in lower case.
struct policy_sender {
    uint32_t text;
    uint16_t sender_size;
    uint16_t login_size;
};

/* Classes of sources by number: of two equal prefixes the greater class counts, so allow beats
 * deny, both beat what the operator names, and that beats martian. */
enum {
    CLASS_DEFAULT,
    CLASS_MARTIAN,
    CLASS_NAMED, // the first of the operator's
    CLASS_DENY = 14,
    CLASS_ALLOW,
    CLASSES_MAX,
};

struct policy_class { // what it has of its own; the rest is the default class's
    char name[16];    // "": there is no such class
    struct limit_set own_limits, own_modes; // those by class: set below
    uint64_t limits[LIMIT_COUNT];
    uint8_t modes[LIMIT_COUNT]; // enum limit_mode
};

struct policy_class_prefix {
    struct prefix prefix;
    uint8_t class;
};

struct policy_range {
    uint64_t offset; // bytes from the start of the snapshot
    uint32_t count;  // elements; bytes for rules_database
    uint32_t pad;
};

struct policy {
    uint32_t magic;      // POLICY_MAGIC
    uint32_t version;    // contract_version
    uint64_t size;       // bytes, all of it
    uint64_t generation; // rises with every snapshot of one control plane
    struct policy_boot boot;
    uint64_t limits[LIMIT_COUNT];             // of the default class, and those that have no class
    uint8_t modes[LIMIT_COUNT];               // likewise; enum limit_mode
    struct policy_class classes[CLASSES_MAX]; // only named ones have something of their own
    struct policy_smtp smtp;
    uint16_t services_count, backends_count, certificates_count, routes_count;
    struct policy_service services[SERVICES_MAX];
    struct policy_backend backends[BACKENDS_MAX];
    struct policy_certificate certificates[CERTIFICATES_MAX];
    struct policy_route routes[ROUTES_MAX];
    struct policy_range domains;          // struct policy_domain, sorted by name
    struct policy_range relay_networks;   // struct prefix
    struct policy_range lenient_networks; // likewise
    struct policy_range senders;          // struct policy_sender, sorted by address, then login
    struct policy_range sender_texts;     // bytes
    // Whose mailbox is at another backend than the service's (contract/policy_mailbox.h), as
    // struct policy_sender: a login or @domain, and the backend's name.
    struct policy_range mailboxes, mailbox_texts;
    struct policy_range prefixes;       // struct policy_class_prefix, PREFIXES_MAX at most
    struct policy_range rules;          // struct policy_rule
    struct policy_range rules_database; // bytes: hs_serialize_database, streaming mode; may be 0
};

// Every count, offset, enum, limit and text in range, and boot usable. On false *ret_what names the
// first wrong field (a constant text).
bool policy_is_sound(const struct policy *policy, size_t size, const char **ret_what) MUST_CHECK;

static inline const void *policy_at(const struct policy *policy, struct policy_range range)
{
    return (const uint8_t *)policy + range.offset;
}

static inline bool limit_set_has(const struct limit_set *set, enum limit limit)
{
    return (set->words[limit / 64] >> limit % 64 & 1) != 0;
}
static inline void limit_set_add(struct limit_set *set, enum limit limit)
{
    set->words[limit / 64] |= UINT64_C(1) << limit % 64;
}

uint64_t policy_limit(const struct policy *policy, unsigned class, enum limit limit);
enum limit_mode policy_mode(const struct policy *policy, unsigned class, enum limit limit);

// The domain's entry, compared without case, or NULL.
const struct policy_domain *policy_domain_find(const struct policy *policy, struct span name);
bool policy_may_relay(const struct policy *policy, const struct addr *client); // relay_networks
// The client need not keep to CR LF: it is in lenient_networks.
bool policy_is_lenient(const struct policy *policy, const struct addr *client);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What travels in the rings: flat, fixed size, no pointers, host byte order (both ends are one
 * machine). Every field is the sender's claim: the receiver copies the message, calls
 * message_is_sound, and only then reads it.
 *
 * Three roles have channels (contract/attach.h):
 *   dns   worker asks, the dns child answers        RDNS, DNSBL, HELO, SPF
 *   auth  worker asks, the auth child answers       AUTH, SASL; it sends OFFER unasked
 *   ops   the control plane's loop asks, the worker answers (BAN_*, SESSION_*, TOP_LIST, EXPLAIN,
 *         TRACE, SERVER_*, DRAIN), and the worker also sends REPORT messages unasked in the
 * answers' direction. An answer carries its question's kind and handle. The handle is the asker's
 * own (index and generation): an answer whose handle finds nothing is dropped and counted.
 *
 * Texts are counted, not terminated. Texts of foreign origin in answers (PTR names) hold only what
 * message_is_sound lets through, so that nothing downstream meets CR, LF or NUL in them.
 */

#include "base/addr.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/span.h"
#include "contract/trace.h"
#include "contract/version.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum message_kind {
    MESSAGE_RDNS = 1,
    MESSAGE_DNSBL,
    MESSAGE_HELO,
    MESSAGE_SPF,
    MESSAGE_AUTH,
    MESSAGE_SASL,
    MESSAGE_OFFER,
    MESSAGE_BAN_ADD,
    MESSAGE_BAN_REMOVE,
    MESSAGE_BAN_LIST,
    MESSAGE_SESSION_LIST,
    MESSAGE_SESSION_KILL,
    MESSAGE_REPORT,
    MESSAGE_TOP_LIST,
    MESSAGE_EXPLAIN,
    MESSAGE_TRACE,
    MESSAGE_SERVER_LIST,
    MESSAGE_SERVER_DRAIN,
    MESSAGE_DRAIN,
    MESSAGE_KIND_COUNT,
};

enum message_status {
    STATUS_ASKED,       // it is a question
    STATUS_OK,          // the body holds an answer
    STATUS_UNAVAILABLE, // no answer could be had: DNS dead, back end down, queue full, too late
    STATUS_NOT_FOUND,   // ops: no such ban or session
    STATUS_COUNT,
};

struct message_name { // LDH and dots and underscore only (and ':' for literals), no final dot
    uint8_t size;
    char text[HOST_NAME_MAX_DNS];
};

// Reverse DNS, forward confirmed: PTR, then A or AAAA of each name (RFC 8601's iprev).
enum rdns_verdict {
    RDNS_NONE,        // no PTR record that names a host
    RDNS_UNCONFIRMED, // none of the names leads back
    RDNS_CONFIRMED,
    RDNS_TEMPERROR, // DNS failed, or there was no answer in time
    RDNS_VERDICT_COUNT,
};

struct rdns_question {
    struct addr addr;
};
struct rdns_answer {
    uint8_t verdict;          // enum rdns_verdict
    struct message_name name; // CONFIRMED: that name; UNCONFIRMED: the first; else empty
};

// Block and allow lists in DNS (RFC 5782): the sum of the weights of those that list the address.
enum { DNSBL_SCORE_MAX = 1600 }; // either way

struct dnsbl_question {
    struct addr addr;
};
struct dnsbl_answer {
    int16_t score;
};

// How a HELO name, no literal, stands to the client's address; the first that holds.
enum helo_match {
    HELO_EQUAL,        // it is the confirmed name
    HELO_ORGANISATION, // it and the confirmed name have one registrable domain
    HELO_FORWARD,      // its addresses hold the client's
    HELO_MISMATCH,
    HELO_TEMPERROR, // DNS failed, or there was no answer in time
    HELO_MATCH_COUNT,
};

struct helo_question {
    struct addr addr;
    struct message_name helo;
    struct message_name name; // confirmed by reverse DNS, or empty
};
struct helo_answer {
    uint8_t match; // enum helo_match
};

// SPF (RFC 7208): result for one identity. An empty mail_from asks for the HELO identity.
enum spf_result {
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR,
    SPF_RESULT_COUNT,
};

struct spf_question {
    struct addr addr;
    struct message_name helo;
    uint16_t mail_from_size;
    char mail_from[MAIL_ADDRESS_MAX]; // local-part@domain, no angle brackets
};
struct spf_answer {
    uint8_t result; // enum spf_result
};

struct auth_client {  // who wants to log in
    uint64_t session; // as in reports
    struct addr addr, local;
    uint16_t port, local_port;
    uint8_t protocol; // enum protocol (contract/policy.h)
    uint8_t tls;      // 0 or 1
};

// A login with a password that the worker learnt under TLS. Wiped by whoever is done with it.
enum auth_verdict { AUTH_WRONG, AUTH_RIGHT, AUTH_THROTTLED, AUTH_VERDICT_COUNT };

struct auth_question {
    struct auth_client client;
    uint8_t user_size, password_size;
    char user[USER_NAME_MAX];
    char password[PASSWORD_MAX];
};
struct auth_answer {
    uint8_t verdict;          // enum auth_verdict
    uint8_t limit;            // AUTH_GUESSES_*: why it waits, or in shadow would; 0: none
    uint8_t user_size;        // canonical login name, when right
    char user[USER_NAME_MAX]; // printable ASCII without spaces
};

/* A SASL exchange whose messages only the auth child reads: it has the keys, or a back end that has
 * them. One of a session at a time; a first message drops what was open. A response longer than a
 * message travels in several: all but the last have EXCHANGE_MORE and are not answered, and the
 * ring keeps their order; the last says EXCHANGE_LOST where one found no room. An exchange that the
 * child does not know (it ended, or the child is another) is unavailable. */
enum { EXCHANGE_FIRST = 1, EXCHANGE_MORE = 2, EXCHANGE_LOST = 4 };         // flags
enum { SASL_PART_MAX = 864, SASL_CHALLENGE_MAX = 704, SASL_BINDING = 32 }; // bytes

struct sasl_question {
    struct auth_client client;
    uint8_t mechanism; // enum mechanism
    uint8_t flags;
    uint8_t has_binding;           // 0 or 1: it holds the channel's tls-exporter (RFC 9266)
    uint8_t binding[SASL_BINDING]; // likewise
    uint16_t response_size;
    uint8_t response[SASL_PART_MAX];
};
struct sasl_answer {
    uint8_t verdict;   // enum auth_verdict, when the exchange is over
    uint8_t limit;     // as in auth_answer
    uint8_t goes_on;   // 0 or 1: the challenge wants a response
    uint8_t user_size; // canonical login name, when right
    char user[USER_NAME_MAX];
    uint16_t challenge_size; // not 0 with a right verdict: the client must see it first
    uint8_t challenge[SASL_CHALLENGE_MAX];
};

struct offer {           // what the auth child's back end has now
    uint32_t mechanisms; // bits 1 << enum mechanism
};

struct ban {          // also the question of BAN_ADD and BAN_REMOVE
    struct addr addr; // IPv4 address, or the network address of an IPv6 /64
    uint32_t seconds; // left, or to last
    uint16_t reason;  // enum reason that brought it; 0: by the operator
};

enum {
    BANS_PER_MESSAGE = 16,
    SESSIONS_PER_MESSAGE = 4,
    TOP_ROWS_PER_MESSAGE = 30,
    STORIES_PER_MESSAGE = 4,
    SERVERS_PER_MESSAGE = 8,
};

struct page_question { // *_LIST and TRACE walk a table, page by page
    uint32_t cursor;   // 0, then what the last answer gave
    uint8_t measure;   // enum top_measure, TOP_LIST only
    uint8_t scope;     // enum top_scope, likewise
    uint64_t session;  // TRACE only: its connections; 0: all that ended ill
};
struct ban_page {
    uint32_t next; // cursor; 0: that was all
    uint8_t count;
    struct ban bans[BANS_PER_MESSAGE];
};

// Heavy hitters of a worker. Rates are now's, in thousandths a second.
enum top_measure { TOP_PACKETS, TOP_SYNS, TOP_CONNECTIONS, TOP_REFUSALS, TOP_MEASURE_COUNT };
enum top_scope { TOP_SOURCES, TOP_PREFIXES, TOP_SCOPE_COUNT }; // address or /64; /24 or /48

struct top_row {
    struct addr addr;     // its first address
    uint64_t least, most; // its rate is between them
};
struct top_page {
    uint32_t next; // cursor; 0: that was all
    uint8_t count;
    uint32_t interval; // one event in so many was looked at
    uint64_t total;    // rate of all together
    struct top_row rows[TOP_ROWS_PER_MESSAGE];
};
struct top_place { // of one address in a table
    uint64_t least, most;
    uint32_t position; // 1: nobody surely makes more; 0: it is not there
};

struct explain_question {
    struct addr addr;
};
struct explain_answer {    // what a worker's guard knows of an address
    uint32_t ban_seconds;  // left; 0: not banned
    uint16_t ban_reason;   // enum reason that brought it; 0: by the operator
    uint8_t is_proven;     // 1: it completed a handshake, kept in its good history
    uint8_t attack;        // 1: a SYN flood is on
    uint8_t is_good;       // 1: its last session was without offence, and that is not forgotten
    uint32_t points;       // of its offences, not yet forgiven
    uint32_t points_most;  // beyond which it is banned
    uint32_t proven_s;     // seconds since the last
    uint32_t connections;  // open now
    uint64_t debt_us;      // of its unproven SYNs: until their rate is paid
    uint64_t tolerance_us; // debt up to which they are answered; UINT64_MAX: always
    struct top_place places[TOP_MEASURE_COUNT][TOP_SCOPE_COUNT];
};

struct session_row {
    uint64_t id; // unique while the data plane runs; names the session to SESSION_KILL
    uint64_t age_us;
    uint64_t idle_us;
    uint64_t bytes_in, bytes_out; // seen from the client's side, plaintext
    struct addr client;
    uint16_t client_port;
    uint8_t service; // index in the policy
    uint8_t tls;     // 0 or 1
    uint8_t backend; // index in the policy, 255: none yet
    uint8_t state_size, user_size;
    char state[16];
    char user[64]; // cut
};
struct session_page {
    uint32_t next; // cursor; 0: that was all
    uint8_t count;
    struct session_row rows[SESSIONS_PER_MESSAGE];
};
struct session_kill {
    uint64_t id;
};

// What became of connections: the story's user is its session's number, with the backend's leg in
// bit 63; with bit 62 it is no session's: a check of a server, or a connection kept ready.
enum { TRACE_BACKEND_BIT = 63, TRACE_DIAL_BIT = 62 };
struct trace_page {
    uint32_t next; // cursor; 0: that was all
    uint8_t count;
    struct trace_story stories[STORIES_PER_MESSAGE]; // open ones, then the latest first
};

// Servers of backends as a worker sees them.
enum server_health { SERVER_UNKNOWN, SERVER_UP, SERVER_DOWN, SERVER_HEALTH_COUNT };

struct server_row {
    char backend[32]; // name
    struct addr addr;
    uint16_t port;
    uint16_t last_failure; // enum reason; 0: none yet
    uint8_t health;        // enum server_health
    uint8_t drained;       // 0 or 1
    uint8_t backup;        // 0 or 1
    uint8_t weight;
    uint8_t good, failed;              // in a row
    uint8_t spares;                    // connections kept ready
    uint32_t connections;              // of sessions, now
    uint64_t since_us;                 // it is in this health
    uint64_t opened, failures, checks; // ever
};
struct server_page {
    uint32_t next; // cursor; 0: that was all
    uint8_t count;
    struct server_row rows[SERVERS_PER_MESSAGE];
};
struct server_order { // SERVER_DRAIN
    char backend[32]; // name
    struct addr addr;
    uint16_t port; // 0: all of that backend
    uint8_t drain; // 1: nobody connects to it any more; 0: it is enabled again
};

// DRAIN: no new connections, and sessions end at their next safe point, at the latest in `seconds`.
struct drain_order {
    uint32_t seconds; // UINT32_MAX: as DRAIN_SECONDS says
    uint8_t drain;    // 0: no more of that
};
struct drain_answer {
    uint32_t sessions; // open now
};

enum report_login {    // what came of the last login
    REPORT_LOGIN_NONE, // none was tried
    REPORT_LOGIN_RIGHT,
    REPORT_LOGIN_WRONG,
    REPORT_LOGIN_THROTTLED,
    REPORT_LOGIN_UNAVAILABLE,
    REPORT_LOGIN_COUNT,
};

// What a session notes on its way, for the session log.
struct report_facts {
    uint64_t id;
    uint64_t started_us; // microseconds of Unix time
    uint64_t duration_us;
    uint64_t bytes_in, bytes_out;
    uint64_t message_bytes; // of the mails
    struct addr client, local;
    uint16_t client_port, local_port;
    uint16_t reason;     // enum reason, of its end
    uint16_t refusal;    // enum reason, of the last of its refusals
    uint8_t service;     // index in the policy
    uint8_t backend;     // 255: none
    uint8_t tls_version; // 0: none, 2: TLS 1.2, 3: TLS 1.3
    uint8_t login;       // enum report_login
    uint8_t rdns;        // enum rdns_verdict, 255: not asked
    uint8_t helo_match;  // enum helo_match, 255: likewise
    uint8_t spf;         // enum spf_result, 255: likewise
    uint8_t spf_helo;    // likewise, of the HELO name
    int16_t dnsbl;       // score, INT16_MIN: not asked or not answered
    uint16_t score;      // of all findings
    uint32_t findings;   // bits 1 << enum finding
    uint32_t commands;
    uint16_t mails, recipients, refusals;
    uint8_t user_size;
    char user[64]; // cut
};

enum report_text { // those that are only put together at the end
    TEXT_TLS_CIPHER,
    TEXT_SERVER_NAME, // the client's SNI
    TEXT_RDNS_NAME,
    TEXT_HELO,
    TEXT_MAIL_FROM, // of the last transaction
    TEXT_RCPT_TO,   // its recipients, each with its fate behind it
    REPORT_TEXTS,
};

enum report_recipient { RECIPIENT_TAKEN = '\0', RECIPIENT_REFUSED = '\1' };

// The end of a session, one a session.
struct report {
    struct report_facts facts;
    uint16_t sizes[REPORT_TEXTS];
    char texts[768]; // one behind the other
};
enum { REPORT_TEXT_MAX = 128 }; // bytes of one; RCPT_TO may have what is left

// In the order of the enum, each at most once. What is too long is cut; of RCPT_TO whole
// recipients go.
void report_add(struct report *report, enum report_text which, struct span text);
struct span report_text(const struct report *report, enum report_text which);

struct message {
    uint16_t version; // contract_version
    uint8_t kind;     // enum message_kind
    uint8_t status;   // enum message_status
    uint32_t keep_s;  // answers of dns: seconds for which they hold; 0: for this question alone
    uint64_t handle;  // the asker's
    union {
        struct rdns_question rdns_question;
        struct rdns_answer rdns_answer;
        struct dnsbl_question dnsbl_question;
        struct dnsbl_answer dnsbl_answer;
        struct helo_question helo_question;
        struct helo_answer helo_answer;
        struct spf_question spf_question;
        struct spf_answer spf_answer;
        struct auth_question auth_question;
        struct auth_answer auth_answer;
        struct sasl_question sasl_question;
        struct sasl_answer sasl_answer;
        struct offer offer;
        struct ban ban;
        struct page_question page_question;
        struct ban_page ban_page;
        struct session_page session_page;
        struct session_kill session_kill;
        struct trace_page trace_page;
        struct top_page top_page;
        struct explain_question explain_question;
        struct explain_answer explain_answer;
        struct server_page server_page;
        struct server_order server_order;
        struct drain_order drain_order;
        struct drain_answer drain_answer;
        struct report report;
        uint8_t bytes[1008];
    };
};
static_assert(sizeof(struct message) == 1024, "a slot is 1 KiB");

// A message of that kind with all other bytes zero.
struct message message_make(enum message_kind kind, enum message_status status, uint64_t handle);

// Version, kind, status, every size and every enum in range, names and logins printable as said
// above. The only gate between a peer's bytes and code that trusts them.
bool message_is_sound(const struct message *message) MUST_CHECK;

// False when text does not fit or has a byte that a DNS name as text cannot have. One final dot is
// left out.
bool message_name_set(struct message_name *name, struct span text);
static inline struct span message_name_span(const struct message_name *name)
{
    return span_of(name->text, name->size);
}

void message_wipe(struct message *message); // zeros that the compiler keeps

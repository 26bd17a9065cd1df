// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What a worker knows of the servers behind its backends, and which of them it takes next.
 *
 * A server is known by its backend's name, its address and its port, so what was learnt outlives a
 * change of policy. It is up, down or not yet known; BACKEND_FALL failures in a row bring it down,
 * whoever saw them, check or connection for a client, and nobody connects to it then but checks,
 * until BACKEND_RISE of them in a row were good. The first failure of one that is not known yet
 * brings it down. After that its share grows from an eighth to the whole within
 * BACKEND_SLOW_START_SECONDS. Without checks none is ever down.
 *
 * Chosen is the server with the least (connections + 1) / share among those that are up, not
 * drained, and not tried yet, those that are no backup before those that are; of equal ones the
 * next in turn.
 *
 * Pure: no connections here, and time is an argument.
 */

#include "base/pool.h"
#include "contract/message.h"
#include "mail/mail.h"

enum { SERVER_SLOTS = 2 * BACKENDS_MAX * BACKEND_SERVERS_MAX, SERVER_SPARES_MAX = 64 };
enum { SERVER_NONE = UINT16_MAX }; // no slot

struct server {
    char backend[32]; // name; "": the slot is free
    struct addr addr;
    uint16_t port;
    bool listed;           // the newest policy has it,
    uint8_t backend_index; // there
    uint8_t server_index;  // there
    uint8_t health;        // enum server_health
    bool drained;          // by the operator: nobody connects, not even checks bring it back
    uint8_t good, failed;  // in a row
    uint16_t last_failure; // enum reason; 0: none yet
    uint32_t connections;  // of sessions, those being opened included
    uint64_t changed_us;   // when it came up or went down
    uint64_t check_us;     // when the next check is due
    bool checking;         // one is under way
    bool slow_start;       // it was down before it came up
    uint64_t opened, failures, checks; // ever: connections for sessions, failures, checks
    struct mail_offer offer;           // as it said last
    uint8_t spares_opening;
    uint8_t spares_count;
    handle spares[SERVER_SPARES_MAX]; // dials; the newest last
};

struct servers {
    struct server slots[SERVER_SLOTS];
    uint16_t of[BACKENDS_MAX][BACKEND_SERVERS_MAX]; // slots of the newest policy
    const struct policy *policy;                    // that one
    uint32_t domain_backends;                       // bits: where its domains' mail goes
    uint32_t turn;
};

// The newest policy. Servers that it has no more are forgotten when their last connection ends.
void servers_policy(struct servers *servers, const struct policy *policy, uint64_t now_us);

// The slot of a server of any policy, or SERVER_NONE.
uint16_t servers_find(const struct servers *servers, const struct policy *policy, unsigned backend,
                      unsigned server);

// The next server to connect to. `tried`: a bit each, set by this call. SERVER_NONE: there is none.
uint16_t servers_choose(struct servers *servers, const struct policy *policy, unsigned backend,
                        uint8_t *tried, unsigned *ret_server, uint64_t now_us);

// A connection was opened and greeted, or was not. Health follows.
void servers_worked(struct servers *servers, uint16_t slot, const struct mail_offer *offer,
                    bool check, uint64_t now_us);
void servers_failed(struct servers *servers, uint16_t slot, enum reason reason, uint64_t now_us);

void servers_use(struct servers *servers, uint16_t slot);   // a session's connection begins
void servers_leave(struct servers *servers, uint16_t slot); // and ends; SERVER_NONE is fine

// What all servers that are up and known offer, of all backends that the service's mail may go to.
void servers_offer(const struct servers *servers, const struct policy *policy, unsigned service,
                   struct mail_offer *ret_offer);

void servers_list(const struct servers *servers, uint32_t cursor, uint64_t now_us,
                  struct server_page *ret_page);
// Drains or enables; false: there is no such server.
bool servers_drain(struct servers *servers, const struct server_order *order);
bool servers_is_drained(const struct servers *servers, uint16_t slot); // SERVER_NONE is fine
unsigned servers_down(const struct servers *servers); // of the newest policy, drained ones too

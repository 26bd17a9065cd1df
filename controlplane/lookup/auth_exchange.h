// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SASL exchanges of sessions with the back end, through the gate of auth_gate.h.
 *
 * What counts as a guess: the response that carries a credential, the token of OAUTHBEARER and
 * XOAUTH2, the proof of SCRAM. It is charged when it is given to the back end and refunded unless
 * it was wrong. A token that was wrong is known again and not counted twice. A proof is another one
 * each time, whatever password it was made with, so each wrong one counts: a program that goes on
 * with a stale password by SCRAM is made to wait sooner than by PLAIN. It may not be otherwise:
 * could the proofs of one password be told to be the same, one could be used twice.
 *
 * The memory is fixed: AUTH_EXCHANGES_MAX exchanges, AUTH_EXCHANGES_PREFIX_MAX of a /24 or /48.
 * Beyond that the oldest gives way (of the prefix, of all), so that half-open exchanges keep nobody
 * out who answers in time. One that gave way, or is of another child, is unavailable. Responses are
 * wiped when the back end has them.
 */

#include "lookup/auth_gate.h"
#include "lookup/auth_questions.h"

enum { AUTH_EXCHANGES_PREFIX_MAX = AUTH_EXCHANGES_MAX / 8, EXCHANGE_MS = 5 * 60 * 1000 };

struct auth_exchanges;

// All that is given stays the caller's and goes on being read; `figures` are counted. 0 or -errno.
int auth_exchange_open(struct auth_exchanges **ret_exchanges, struct auth_gate *gate,
                       const struct auth_questions_config *config, uint64_t *figures) MUST_CHECK;
void auth_exchange_close(struct auth_exchanges *exchanges);

// A sound question of kind SASL. The caller wipes it.
void auth_exchange_take(struct auth_exchanges *exchanges, unsigned worker,
                        const struct message *question, uint64_t now_ms);
// Answers what the back end has finished.
void auth_exchange_finish(struct auth_exchanges *exchanges, uint64_t now_ms);
void auth_exchange_expire(struct auth_exchanges *exchanges, uint64_t now_ms); // ends what is old

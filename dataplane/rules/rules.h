// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Content rules by Hyperscan, streaming: a part of a mail may come in any pieces and a match may
 * span them. The control plane compiles; here the serialized database is checked and loaded, and
 * scanned.
 *
 * The set is built aside by the main lcore and immutable; each worker has its own scratch. A scan
 * is one mail transaction's: open at MAIL, fed part by part, closed at the end. Each part is its
 * own stream, so that a rule for headers never matches in the body.
 */

#include "base/check.h"
#include "base/span.h"
#include "contract/policy.h"

struct rules_set;     // shared, immutable
struct rules_scratch; // one a worker and set
struct rules_scan;    // one a transaction

// A policy without database gives an empty set. NULL: *ret_what says why.
struct rules_set *rules_build(const struct policy *policy, const char **ret_what) MUST_CHECK;
void rules_free(struct rules_set *set);
struct rules_scratch *rules_scratch_open(const struct rules_set *set) MUST_CHECK;
void rules_scratch_close(struct rules_scratch *scratch);

// NULL: empty set, or no memory; rules_feed takes NULL and never matches.
struct rules_scan *rules_scan_open(const struct rules_set *set);
// The next bytes of that part. True: a rule that asks for more than tagging has matched, now or
// before; *ret_rule is the index of the strictest one (reject over defer over tag).
bool rules_feed(struct rules_scan *scan, struct rules_scratch *scratch, enum rule_part part,
                struct span data, uint32_t *ret_rule);
uint32_t rules_matched(const struct rules_scan *scan); // rules matched so far, tags included
void rules_scan_close(struct rules_scan *scan, struct rules_scratch *scratch);

// SPDX-License-Identifier: BSD-3-Clause
#include "rules/rules.h"

#include <hs/hs.h>
#include <stdlib.h>

enum { PARTS = 3 }; // enum rule_part has a bit each

struct rule {
    uint8_t parts;
    uint8_t action;
};

struct rules_set {
    hs_database_t *database;
    uint32_t count;
    struct rule rules[]; // a copy: the policy may be gone before the last worker has swapped
};

struct rules_scratch {
    hs_scratch_t *scratch;
};

struct rules_scan {
    const struct rules_set *set;
    hs_stream_t *streams[PARTS]; // NULL until the part has data
    uint32_t matched;            // distinct rules
    uint32_t strictest;          // index, when `refused`
    bool refused;                // a rule that asks for more than tagging has matched
    uint64_t seen[];             // a bit a rule
};

/* The database comes from the control plane's snapshot. Hyperscan checks its magic, version,
 * platform and checksum; the mode it leaves to us, and a block database in hs_open_stream fails for
 * every mail.
 */
static const char *load(const void *bytes, size_t size, hs_database_t **ret_database)
{
    if (hs_valid_platform() != HS_SUCCESS)
        return "rules: this CPU cannot run Hyperscan (SSSE3)";
    char *info = NULL;
    if (hs_serialized_database_info(bytes, size, &info) != HS_SUCCESS)
        return "rules: not a Hyperscan database";
    bool streaming = strstr(info, "Mode: STREAM") != NULL;
    free(info);
    if (!streaming)
        return "rules: the database is not for streaming";
    switch (hs_deserialize_database(bytes, size, ret_database)) {
    case HS_SUCCESS:
        return NULL;
    case HS_NOMEM:
        return "rules: no memory for the database";
    case HS_DB_VERSION_ERROR:
        return "rules: the database was made by another version of Hyperscan";
    case HS_DB_PLATFORM_ERROR:
        return "rules: the database was made for another CPU";
    default:
        return "rules: the database is damaged";
    }
}

struct rules_set *rules_build(const struct policy *policy, const char **ret_what)
{
    uint32_t count = policy->rules_database.count ? policy->rules.count : 0;
    struct rules_set *set = calloc(1, sizeof *set + count * sizeof set->rules[0]);
    if (!set) {
        *ret_what = "rules: no memory";
        return NULL;
    }
    if (policy->rules_database.count == 0)
        return set;
    const char *what = load(policy_at(policy, policy->rules_database), policy->rules_database.count,
                            &set->database);
    if (what) {
        *ret_what = what;
        free(set);
        return NULL;
    }
    const struct policy_rule *rules = policy_at(policy, policy->rules);
    set->count = count;
    for (uint32_t i = 0; i < count; i++)
        set->rules[i] = (struct rule){rules[i].parts, rules[i].action};
    return set;
}

void rules_free(struct rules_set *set)
{
    if (!set)
        return;
    hs_free_database(set->database);
    free(set);
}

struct rules_scratch *rules_scratch_open(const struct rules_set *set)
{
    struct rules_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch || !set->database)
        return scratch;
    if (hs_alloc_scratch(set->database, &scratch->scratch) == HS_SUCCESS)
        return scratch;
    free(scratch);
    return NULL;
}

void rules_scratch_close(struct rules_scratch *scratch)
{
    if (!scratch)
        return;
    hs_free_scratch(scratch->scratch);
    free(scratch);
}

struct rules_scan *rules_scan_open(const struct rules_set *set)
{
    if (!set->database)
        return NULL;
    struct rules_scan *scan =
        calloc(1, sizeof *scan + (set->count + 63) / 64 * sizeof scan->seen[0]);
    if (scan)
        scan->set = set;
    return scan;
}

struct match_context {
    struct rules_scan *scan;
    enum rule_part part;
};

static int take_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                      void *context)
{
    const struct match_context *c = context;
    struct rules_scan *scan = c->scan;
    // The ids are the database's claim, as foreign as the rest of it.
    if (id >= scan->set->count || !(scan->set->rules[id].parts & c->part) ||
        scan->seen[id / 64] >> id % 64 & 1)
        return 0;
    scan->seen[id / 64] |= UINT64_C(1) << id % 64;
    scan->matched++;
    uint8_t action = scan->set->rules[id].action;
    if (action > ACTION_TAG &&
        (!scan->refused || action > scan->set->rules[scan->strictest].action)) {
        scan->refused = true;
        scan->strictest = id;
    }
    return 0;
}

static unsigned part_index(enum rule_part part)
{
    switch (part) {
    case RULE_ENVELOPE:
        return 0;
    case RULE_HEADERS:
        return 1;
    case RULE_BODY:
        return 2;
    default:
        CHECK(!"one part");
        return 0;
    }
}

bool rules_feed(struct rules_scan *scan, struct rules_scratch *scratch, enum rule_part part,
                struct span data, uint32_t *ret_rule)
{
    if (!scan)
        return false;
    hs_stream_t **stream = &scan->streams[part_index(part)];
    // Without memory for a stream the part goes unscanned: mail flows rather than fails.
    if (!*stream && hs_open_stream(scan->set->database, 0, stream) != HS_SUCCESS)
        *stream = NULL;
    if (*stream && data.size) {
        CHECK(data.size <= UINT32_MAX);
        struct match_context context = {scan, part};
        hs_error_t error = hs_scan_stream(*stream, (const char *)data.at, (unsigned)data.size, 0,
                                          scratch->scratch, take_match, &context);
        CHECK(error == HS_SUCCESS);
    }
    if (scan->refused)
        *ret_rule = scan->strictest;
    return scan->refused;
}

uint32_t rules_matched(const struct rules_scan *scan)
{
    return scan ? scan->matched : 0;
}

void rules_scan_close(struct rules_scan *scan, struct rules_scratch *scratch)
{
    if (!scan)
        return;
    for (unsigned i = 0; i < PARTS; i++)
        if (scan->streams[i]) // without a callback no end-of-data matches, so no scratch either
            (void)hs_close_stream(scan->streams[i], NULL, NULL, NULL);
    free(scan);
}

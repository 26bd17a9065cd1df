// SPDX-License-Identifier: BSD-3-Clause
#include "rules/rules.h"

#include "base/rng.h"
#include "policy/rules_compile.h"

#include <hs/hs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TAG, REJECT, DEFER, HEADER_REJECT };

static const struct rules_source sources[] = {
    [TAG] =
        {.name = "tag", .pattern = "viagra", .caseless = true, .parts = 7, .action = ACTION_TAG},
    [REJECT] = {.name = "reject",
                .pattern = "begin.{5,200}end",
                .dotall = true,
                .parts = RULE_BODY,
                .action = ACTION_REJECT},
    [DEFER] = {.name = "defer",
               .pattern = "later",
               .parts = RULE_BODY | RULE_ENVELOPE,
               .action = ACTION_DEFER},
    [HEADER_REJECT] = {.name = "header",
                       .pattern = "^Subject: buy",
                       .multiline = true,
                       .parts = RULE_HEADERS,
                       .action = ACTION_REJECT},
};
enum { SOURCES = sizeof sources / sizeof sources[0] };

static struct policy *policy;
static struct rules_set *set;
static struct rules_scratch *scratch;
static struct rules_scan *scan;

// A policy that carries these rules and these bytes as the database.
static struct policy *policy_of(const struct policy_rule *rules, uint32_t count, const void *bytes,
                                size_t size)
{
    struct policy *p = calloc(1, sizeof *p + count * sizeof *rules + size + 8);
    CHECK(p);
    p->rules = (struct policy_range){.offset = sizeof *p, .count = count};
    uint64_t offset = (sizeof *p + count * sizeof *rules + 7) / 8 * 8;
    p->rules_database = (struct policy_range){.offset = offset, .count = (uint32_t)size};
    if (count)
        memcpy((char *)p + p->rules.offset, rules, count * sizeof *rules);
    if (size)
        memcpy((char *)p + offset, bytes, size);
    return p;
}

static int set_up(void **state)
{
    struct rules_compiled compiled;
    uint32_t index;
    char error[RULES_ERROR_SIZE];
    if (rules_compile(sources, SOURCES, &compiled, &index, error) < 0)
        return -1;
    policy = policy_of(compiled.rules, compiled.count, compiled.database, compiled.size);
    rules_compiled_free(&compiled);
    const char *what = NULL;
    set = rules_build(policy, &what);
    scratch = rules_scratch_open(set);
    scan = rules_scan_open(set);
    return set && scratch && scan ? 0 : -1;
}

static int tear_down(void **state)
{
    rules_scan_close(scan, scratch);
    rules_scratch_close(scratch);
    rules_free(set);
    free(policy);
    return 0;
}

static bool feed(enum rule_part part, const char *text, uint32_t *ret_rule)
{
    return rules_feed(scan, scratch, part, span_text(text), ret_rule);
}

static void expect_refused(const void *bytes, size_t size, const char *words)
{
    struct policy *bad = policy_of(policy_at(policy, policy->rules), SOURCES, bytes, size);
    const char *what = "nothing said";
    assert_null(rules_build(bad, &what));
    assert_non_null(strstr(what, words));
    free(bad);
}

static void bytes_that_are_no_database_are_refused(void **state)
{
    uint8_t noise[4096];
    struct rng rng;
    rng_seed(&rng, 8);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)rng_next(&rng);
    expect_refused(noise, sizeof noise, "not a Hyperscan database");
    expect_refused(noise, 1, "not a Hyperscan database");
}

static void a_cut_or_changed_database_is_refused(void **state)
{
    size_t size = policy->rules_database.count;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    memcpy(bytes, policy_at(policy, policy->rules_database), size);
    struct rng rng;
    rng_seed(&rng, 9);
    for (int i = 0; i < 200; i++) {
        size_t at = i < 48 ? (size_t)i : rng_below(&rng, size);
        bytes[at] ^= (uint8_t)(1u << (i % 8));
        struct policy *bad = policy_of(policy_at(policy, policy->rules), SOURCES, bytes, size);
        const char *what = NULL;
        struct rules_set *built = rules_build(bad, &what);
        // Bits that nothing reads (padding) may differ; what is built must be usable.
        if (built)
            rules_free(built);
        else
            assert_non_null(what);
        free(bad);
        bytes[at] ^= (uint8_t)(1u << (i % 8));
    }
    bytes[size / 2] ^= 0x10;
    expect_refused(bytes, size, "rules: ");
    bytes[size / 2] ^= 0x10;
    for (size_t cut = 0; cut < size; cut += 1 + cut / 3)
        if (cut > 0)
            expect_refused(bytes, cut, "rules: ");
    free(bytes);
}

static void a_block_mode_database_is_refused(void **state)
{
    hs_database_t *database = NULL;
    hs_compile_error_t *wrong = NULL;
    assert_int_equal(hs_compile("abc", 0, HS_MODE_BLOCK, NULL, &database, &wrong), HS_SUCCESS);
    char *bytes = NULL;
    size_t size = 0;
    assert_int_equal(hs_serialize_database(database, &bytes, &size), HS_SUCCESS);
    expect_refused(bytes, size, "not for streaming");
    free(bytes);
    hs_free_database(database);
}

static void ids_beyond_the_rule_table_do_not_count(void **state)
{
    // The database knows four rules, the table one.
    struct policy *shorter =
        policy_of(policy_at(policy, policy->rules), 1, policy_at(policy, policy->rules_database),
                  policy->rules_database.count);
    const char *what = NULL;
    struct rules_set *one = rules_build(shorter, &what);
    assert_non_null(one);
    struct rules_scratch *s = rules_scratch_open(one);
    struct rules_scan *c = rules_scan_open(one);
    uint32_t rule = 77;
    assert_false(
        rules_feed(c, s, RULE_BODY, span_text("begin later viagra, later the end"), &rule));
    assert_int_equal(rule, 77);
    assert_int_equal(rules_matched(c), 1);
    rules_scan_close(c, s);
    rules_scratch_close(s);
    rules_free(one);
    free(shorter);
}

static void a_policy_without_rules_never_matches(void **state)
{
    struct policy *none = policy_of(NULL, 0, NULL, 0);
    const char *what = NULL;
    struct rules_set *empty = rules_build(none, &what);
    assert_non_null(empty);
    struct rules_scratch *s = rules_scratch_open(empty);
    assert_non_null(s);
    assert_null(rules_scan_open(empty));
    uint32_t rule;
    assert_false(rules_feed(NULL, s, RULE_BODY, span_text("viagra later"), &rule));
    assert_int_equal(rules_matched(NULL), 0);
    rules_scan_close(NULL, s);
    rules_scratch_close(s);
    rules_free(empty);
    free(none);
}

static void a_tag_refuses_nothing_and_is_counted_once(void **state)
{
    uint32_t rule = 77;
    assert_false(feed(RULE_BODY, "ViAgRa viagra", &rule));
    assert_false(feed(RULE_HEADERS, "viagra", &rule));
    assert_int_equal(rules_matched(scan), 1);
    assert_int_equal(rule, 77);
}

static void a_rule_matches_in_its_parts_only(void **state)
{
    uint32_t rule;
    assert_false(feed(RULE_HEADERS, "begin 12345 end later", &rule));
    assert_false(feed(RULE_BODY, "Subject: buy", &rule));
    assert_false(feed(RULE_ENVELOPE, "Subject: buy", &rule));
    assert_true(feed(RULE_HEADERS, "\r\nSubject: buy", &rule));
    assert_int_equal(rule, HEADER_REJECT);
}

static void parts_are_streams_of_their_own(void **state)
{
    uint32_t rule;
    assert_false(feed(RULE_BODY, "lat", &rule));
    assert_false(feed(RULE_ENVELOPE, "er", &rule));
    assert_true(feed(RULE_BODY, "er", &rule));
    assert_int_equal(rule, DEFER);
}

static void the_strictest_rule_is_told_from_then_on(void **state)
{
    uint32_t rule;
    assert_false(feed(RULE_BODY, "begin 12", &rule));
    assert_true(feed(RULE_BODY, "345 later", &rule));
    assert_int_equal(rule, DEFER);
    assert_true(feed(RULE_BODY, " end", &rule));
    assert_int_equal(rule, REJECT);
    assert_true(feed(RULE_ENVELOPE, "later", &rule));
    assert_int_equal(rule, REJECT);
    assert_true(feed(RULE_BODY, "", &rule));
    assert_int_equal(rules_matched(scan), 2);
}

// However the text is cut, byte for byte too, the same rules match.
static void any_pieces_give_the_same_matches(void **state)
{
    static const char text[] = "some text, then begin and a hundred words, viagra, until the end.";
    struct rng rng;
    rng_seed(&rng, 10);
    for (int round = 0; round < 300; round++) {
        struct rules_scan *c = rules_scan_open(set);
        size_t most = round == 0 ? 1 : 1 + rng_below(&rng, 20);
        bool refused = false;
        uint32_t rule = 77;
        for (struct span left = span_text(text); left.size;) {
            struct span piece = span_head(left, rng_below(&rng, most + 1));
            refused = rules_feed(c, scratch, RULE_BODY, piece, &rule);
            left = span_skip(left, piece.size);
        }
        assert_true(refused);
        assert_int_equal(rule, REJECT);
        assert_int_equal(rules_matched(c), 2);
        rules_scan_close(c, scratch);
    }
}

static void scans_of_one_worker_do_not_mix(void **state)
{
    struct rules_scan *other = rules_scan_open(set);
    uint32_t rule;
    assert_false(feed(RULE_BODY, "lat", &rule));
    assert_false(rules_feed(other, scratch, RULE_BODY, span_text("er"), &rule));
    assert_true(feed(RULE_BODY, "er", &rule));
    assert_false(rules_feed(other, scratch, RULE_BODY, span_text("."), &rule));
    rules_scan_close(other, scratch);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(bytes_that_are_no_database_are_refused),
        CASE(a_cut_or_changed_database_is_refused),
        CASE(a_block_mode_database_is_refused),
        CASE(ids_beyond_the_rule_table_do_not_count),
        CASE(a_policy_without_rules_never_matches),
        CASE(a_tag_refuses_nothing_and_is_counted_once),
        CASE(a_rule_matches_in_its_parts_only),
        CASE(parts_are_streams_of_their_own),
        CASE(the_strictest_rule_is_told_from_then_on),
        CASE(any_pieces_give_the_same_matches),
        CASE(scans_of_one_worker_do_not_mix),
    };
    return cmocka_run_group_tests_name("rules", cases, NULL, NULL);
}

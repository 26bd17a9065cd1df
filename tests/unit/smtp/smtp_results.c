// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_results.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OURS "mail.example.net"

struct result {
    char text[1024];
    size_t size;
    unsigned removed;
    bool folded;
};

static void keep(struct result *result, struct span text)
{
    assert_true(result->size + text.size < sizeof result->text);
    if (text.size)
        memcpy(result->text + result->size, text.at, text.size);
    result->size += text.size;
    result->text[result->size] = '\0';
}

// In blocks of that size, each in memory of its own, so that reading beside it is seen.
static struct result filter(const char *text, size_t block)
{
    struct result result = {.size = 0};
    struct smtp_results results = {0};
    struct span left = span_text(text);
    while (left.size) {
        struct span piece = span_head(left, block);
        uint8_t *copy = malloc(piece.size);
        memcpy(copy, piece.at, piece.size);
        for (struct span rest = span_of(copy, piece.size); rest.size;) {
            enum smtp_results_fate fate;
            struct span before;
            size_t size = smtp_results_next(&results, span_text(OURS), rest, &fate, &before);
            assert_in_range(size, 1, rest.size);
            keep(&result, before);
            if (fate == RESULTS_PASS)
                keep(&result, span_head(rest, size));
            result.folded |= fate == RESULTS_FOLDED;
            rest = span_skip(rest, size);
        }
        free(copy);
        left = span_skip(left, piece.size);
    }
    keep(&result, smtp_results_end(&results));
    result.removed = results.removed;
    return result;
}

// Before and behind it stand fields that stay.
static void expect(const char *field, bool removed)
{
    char text[1024], want[1024];
    snprintf(text, sizeof text, "A: 1\r\n%sZ: 2\r\n\t3\r\n\r\n", field);
    snprintf(want, sizeof want, "A: 1\r\n%sZ: 2\r\n\t3\r\n\r\n", removed ? "" : field);
    for (size_t block = 1; block <= strlen(text); block++) {
        struct result result = filter(text, block);
        if (strcmp(result.text, want) != 0)
            fail_msg("%s in blocks of %zu became %s", text, block, result.text);
        assert_int_equal(result.removed, removed);
        assert_false(result.folded);
    }
}

static void every_writing_of_our_name_is_removed(void **unused)
{
    static const char *const forged[] = {
        "Authentication-Results: " OURS "; spf=pass\r\n",
        "Authentication-Results:" OURS ";spf=pass\r\n",
        "Authentication-Results: " OURS "\r\n",
        "Authentication-Results: " OURS " 1; none\r\n",
        "Authentication-Results: " OURS ".; none\r\n",
        "Authentication-Results: " OURS "/1; none\r\n",
        "AUTHENTICATION-results: MAIL.example.NET; none\r\n",
        "Authentication-Results : " OURS "; none\r\n",
        "Authentication-Results \t: " OURS "; none\r\n",
        "Authentication-Results\r\n : " OURS "; none\r\n",
        "Authentication-Results \r\n\t:" OURS "; none\r\n",
        "Authentication-Results\r\n \r\n\t \r\n :\r\n " OURS "\r\n ; none\r\n",
        "Authentication-Results:\r\n " OURS ";\r\n\tspf=pass;\r\n dkim=pass\r\n",
        "Authentication-Results:\r\n\t\r\n " OURS "; none\r\n",
        "Authentication-Results: (a) " OURS "; none\r\n",
        "Authentication-Results: (a (b) \\) c)(d)" OURS "(e); none\r\n",
        "Authentication-Results:\r\n (a\r\n b)\r\n " OURS "\r\n ; none\r\n",
        "Authentication-Results: (;x.example;) " OURS "; none\r\n",
        "Authentication-Results: \"" OURS "\"; none\r\n",
        "Authentication-Results: \"mail\\.example.net\"; none\r\n",
    };
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++)
        expect(forged[i], true);
}

static void a_field_of_nobody_is_removed(void **unused)
{
    static const char *const nameless[] = {
        "Authentication-Results\r\n",
        "Authentication-Results\r\n \r\n",
        "Authentication-Results\r\n :\r\n",
        "Authentication-Results:\r\n",
        "Authentication-Results: \r\n\t\r\n",
        "Authentication-Results: ; spf=pass\r\n",
        "Authentication-Results: <" OURS ">; spf=pass\r\n",
        "Authentication-Results: (" OURS "; spf=pass\r\n",
        "Authentication-Results: \"" OURS "; spf=pass\r\n",
    };
    for (size_t i = 0; i < sizeof nameless / sizeof nameless[0]; i++)
        expect(nameless[i], true);
}

static void what_is_not_ours_stays_byte_by_byte(void **unused)
{
    static const char *const others[] = {
        "Authentication-Results: other.example; spf=pass\r\n",
        "Authentication-Results: x" OURS "; spf=pass\r\n",
        "Authentication-Results: " OURS "x; spf=pass\r\n",
        "Authentication-Results: " OURS "..; spf=pass\r\n",
        "Authentication-Results: mail.example.ne; spf=pass\r\n",
        "Authentication-Results: (" OURS ") other.example (" OURS "); none\r\n",
        "Authentication-Results: \"x " OURS "\"; none\r\n",
        "Authentication-Results:\r\n\tother.example;\r\n " OURS "; none\r\n",
        "ARC-Authentication-Results: i=1; " OURS "; spf=pass\r\n",
        "X-Authentication-Results: " OURS "; spf=pass\r\n",
        "Authentication-Results-Original: " OURS "; spf=pass\r\n",
        "Authentication-Result: " OURS "\r\n",
        "Authentication Results: " OURS "\r\n",
        "Authentication-Results : other.example; spf=pass\r\n",
        "Authentication-Results\r\n : other.example; spf=pass\r\n",
        "Authentication-Results\r\n " OURS "\r\n",
        "Authentication-Result\r\n s: " OURS "\r\n",
        "Authentication-Results " OURS "\r\n",
        "Subject: x\r\n Authentication-Results: " OURS "\r\n",
        "Authentic\r\n",
        ": " OURS "\r\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        expect(others[i], false);
}

static void what_is_held_has_a_limit(void **unused)
{
    static const char head[] = "Authentication-Results: (";
    for (int over = -1; over <= 1; over++) { // up to the first byte of the authserv-id's end
        char text[512], field[512];
        int fill = (int)(SMTP_RESULTS_HOLD + over - (sizeof head - 1) - 2);
        memset(text, 'c', sizeof text);
        snprintf(field, sizeof field, "%s%.*s)o;\r\n", head, fill, text);
        struct result result = filter(field, 1);
        assert_int_equal(result.size, over <= 0 ? strlen(field) : 0);
        assert_int_equal(result.removed, over > 0);
    }
}

static void a_message_may_end_in_its_headers(void **unused)
{
    assert_string_equal(filter("Authentic", 100).text, "Authentic");
    assert_string_equal(filter("A: b\r\nAuthentication-Results", 3).text,
                        "A: b\r\nAuthentication-Results");
    assert_string_equal(filter("A: b\r\nAuthentication-Results\r\n ", 3).text,
                        "A: b\r\nAuthentication-Results\r\n ");
    assert_string_equal(filter("A: b\r\nAuthentication-Results: (", 3).text, "A: b\r\n");
    assert_string_equal(filter("A: b\r\nAuthentication-Results: x;", 3).text,
                        "A: b\r\nAuthentication-Results: x;");
}

static void a_message_that_begins_folded_is_told(void **unused)
{
    assert_true(filter(" x\r\n", 100).folded);
    assert_true(filter("\tx\r\n", 1).folded);
    assert_false(filter("x\r\n y", 1).folded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_writing_of_our_name_is_removed),
        cmocka_unit_test(a_field_of_nobody_is_removed),
        cmocka_unit_test(what_is_not_ours_stays_byte_by_byte),
        cmocka_unit_test(what_is_held_has_a_limit),
        cmocka_unit_test(a_message_may_end_in_its_headers),
        cmocka_unit_test(a_message_that_begins_folded_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

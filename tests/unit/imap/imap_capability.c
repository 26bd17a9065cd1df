// SPDX-License-Identifier: BSD-3-Clause
#include "imap/imap_capability.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void lines_without_a_list_have_none(void **state)
{
    static const char *const none[] = {"",
                                       "*",
                                       "* CAPABILITY",
                                       "* OK Dovecot ready",
                                       "* OK [CAPABILITY IMAP4rev1",
                                       "* 1 FETCH (BODY[] \"[CAPABILITY x]\")",
                                       "a NO [CAPABILITY x]",
                                       "* LIST () \"/\" CAPABILITY ",
                                       "a OK done [CAPABILITY x]"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(imap_capability_list(span_text(none[i])).size, 0);
}

static struct mail_offer noted(const char *line)
{
    struct mail_offer offer = {0};
    imap_capability_note(&offer, span_text(line));
    return offer;
}

static void what_matters_is_read_from_a_list_in_any_case(void **state)
{
    assert_false(noted("* OK ready").known);
    struct mail_offer found = noted("* CAPABILITY IMAP4rev1 auth=plain  sasl-ir LOGINDISABLED");
    assert_true(found.known);
    assert_int_equal(found.bits, OFFER_AUTH_PLAIN | OFFER_SASL_IR | OFFER_LOGIN_DISABLED);
    found = noted("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN2 XSASL-IR] hi");
    assert_true(found.known);
    assert_int_equal(found.bits, 0);
}

static void what_is_not_for_clients_is_left_out(void **state)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE IDLE", "* CAPABILITY IMAP4rev1 IDLE"},
        {"* CAPABILITY STARTTLS IDLE AUTH=PLAIN LOGINDISABLED", "* CAPABILITY IDLE"},
        {"* capability idle compress=deflate", "* capability idle"},
        {"a OK [CAPABILITY IMAP4rev1 UNAUTHENTICATE LOGIN-REFERRALS] Hi COMPRESS=DEFLATE",
         "a OK [CAPABILITY IMAP4rev1] Hi COMPRESS=DEFLATE"},
        {"* OK [CAPABILITY COMPRESS=DEFLATE] x", "* OK [CAPABILITY ] x"},
        {"* 1 EXISTS", "* 1 EXISTS"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t out[256];
        size_t size = imap_capability_filter(span_text(cases[i].line), out);
        assert_true(size <= strlen(cases[i].line));
        assert_true(span_equal(span_of(out, size), span_text(cases[i].want)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_without_a_list_have_none),
        cmocka_unit_test(what_matters_is_read_from_a_list_in_any_case),
        cmocka_unit_test(what_is_not_for_clients_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

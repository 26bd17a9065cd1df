// SPDX-License-Identifier: BSD-3-Clause
#include "contract/policy_mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { IMAP_SERVICE, POP3_SERVICE, ENTRIES = 4 };

static struct {
    struct policy policy;
    _Alignas(8) struct policy_sender entries[ENTRIES];
    _Alignas(8) char texts[256];
} whole;

static const char *const entries[ENTRIES][2] = {
    {"@example.org", "imap-2"},
    {"alice@example.net", "imap-2"},
    {"alice@example.net", "pop-2"},
    {"bob@example.org", "pop-2"},
};

static int set_up(void **state)
{
    static const struct policy_backend backends[] = {
        {.name = "imap", .protocol = PROTOCOL_IMAP},
        {.name = "pop", .protocol = PROTOCOL_POP3},
        {.name = "imap-2", .protocol = PROTOCOL_IMAP},
        {.name = "Pop-2", .protocol = PROTOCOL_POP3},
    };
    struct policy *p = &whole.policy;
    uint32_t used = 0;
    memset(&whole, 0, sizeof whole);
    memcpy(p->backends, backends, sizeof backends);
    p->backends_count = 4;
    p->services[IMAP_SERVICE] = (struct policy_service){.protocol = PROTOCOL_IMAP, .backend = 0};
    p->services[POP3_SERVICE] = (struct policy_service){.protocol = PROTOCOL_POP3, .backend = 1};
    for (int i = 0; i < ENTRIES; i++) {
        struct policy_sender *entry = &whole.entries[i];
        *entry = (struct policy_sender){used, (uint16_t)strlen(entries[i][0]),
                                        (uint16_t)strlen(entries[i][1])};
        memcpy(whole.texts + used, entries[i][0], entry->sender_size);
        memcpy(whole.texts + used + entry->sender_size, entries[i][1], entry->login_size);
        used += entry->sender_size + (uint32_t)entry->login_size;
    }
    p->mailboxes = (struct policy_range){offsetof(typeof(whole), entries), ENTRIES, 0};
    p->mailbox_texts = (struct policy_range){offsetof(typeof(whole), texts), used, 0};
    return 0;
}

static int of(unsigned service, const char *login)
{
    return policy_mailbox_backend(&whole.policy, service, span_text(login));
}

static void a_map_with_an_unknown_backend_is_unsound(void **state)
{
    assert_true(policy_mailbox_map_is_sound(&whole.policy));
    whole.policy.backends[3].name[0] = 'x';
    assert_false(policy_mailbox_map_is_sound(&whole.policy));
}

static void who_is_not_in_the_map_is_at_the_services_backend(void **state)
{
    assert_int_equal(of(IMAP_SERVICE, "carol@example.net"), 0);
    assert_int_equal(of(POP3_SERVICE, "carol@example.net"), 1);
    assert_int_equal(of(IMAP_SERVICE, "alice"), 0);
    assert_int_equal(of(IMAP_SERVICE, "alice@example.net.uk"), 0);
    assert_int_equal(of(IMAP_SERVICE, "zoe@zoo.example"), 0);
    assert_int_equal(of(IMAP_SERVICE, ""), 0);
}

static void a_login_comes_before_its_domain_and_case_is_nothing(void **state)
{
    assert_int_equal(of(IMAP_SERVICE, "Alice@Example.NET"), 2);
    assert_int_equal(of(IMAP_SERVICE, "carol@EXAMPLE.org"), 2);
    assert_int_equal(of(POP3_SERVICE, "bob@example.org"), 3);
}

static void a_backend_of_another_protocol_is_none(void **state)
{
    assert_int_equal(of(POP3_SERVICE, "alice@example.net"), 3);
    assert_int_equal(of(POP3_SERVICE, "carol@example.org"), 1);
    assert_int_equal(of(IMAP_SERVICE, "bob@example.org"), 2); // its domain's
}

static void without_a_map_all_is_as_the_services_say(void **state)
{
    whole.policy.mailboxes.count = 0;
    assert_true(policy_mailbox_map_is_sound(&whole.policy));
    assert_int_equal(of(IMAP_SERVICE, "alice@example.net"), 0);
}

#define CASE(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_map_with_an_unknown_backend_is_unsound),
        CASE(who_is_not_in_the_map_is_at_the_services_backend),
        CASE(a_login_comes_before_its_domain_and_case_is_nothing),
        CASE(a_backend_of_another_protocol_is_none),
        CASE(without_a_map_all_is_as_the_services_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

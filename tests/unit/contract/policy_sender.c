// SPDX-License-Identifier: BSD-3-Clause
#include "contract/policy_sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct {
    struct policy policy;
    _Alignas(8) struct policy_sender senders[4];
    _Alignas(8) char texts[256];
} whole;

static const char *const entries[][2] = {
    {"@example.org", "alice@example.net"},
    {"info@example.net", "alice@example.net"},
    {"info@example.net", "bob@example.net"},
    {"sales@example.net", "bob@example.net"},
};

static int set_up(void **state)
{
    struct policy *p = &whole.policy;
    uint32_t used = 0;
    memset(&whole, 0, sizeof whole);
    for (int i = 0; i < 4; i++) {
        struct policy_sender *entry = &whole.senders[i];
        *entry = (struct policy_sender){used, (uint16_t)strlen(entries[i][0]),
                                        (uint16_t)strlen(entries[i][1])};
        memcpy(whole.texts + used, entries[i][0], entry->sender_size);
        memcpy(whole.texts + used + entry->sender_size, entries[i][1], entry->login_size);
        used += entry->sender_size + (uint32_t)entry->login_size;
    }
    p->senders = (struct policy_range){(uint64_t)((char *)whole.senders - (char *)&whole), 4, 0};
    p->sender_texts = (struct policy_range){(uint64_t)(whole.texts - (char *)&whole), used, 0};
    return 0;
}

static bool map_is_sound(void)
{
    const struct policy *p = &whole.policy;
    return policy_sender_map_is_sound(p, p->senders, p->sender_texts);
}

static bool may(const char *login, const char *local, const char *domain)
{
    return policy_sender_may(&whole.policy, span_text(login), span_text(local), span_text(domain));
}

static void entries_out_of_range_or_order_are_unsound(void **state)
{
    assert_true(map_is_sound());
    whole.policy.sender_texts.count--;
    assert_false(map_is_sound());
    whole.policy.sender_texts.count++;
    whole.senders[3].text = UINT32_MAX;
    assert_false(map_is_sound());
    set_up(state);
    whole.senders[3].login_size = 0;
    assert_false(map_is_sound());
    set_up(state);
    struct policy_sender swap = whole.senders[1];
    whole.senders[1] = whole.senders[2];
    whole.senders[2] = swap;
    assert_false(map_is_sound());
    whole.senders[2] = whole.senders[1]; // twice
    assert_false(map_is_sound());
}

static void nobody_sends_as_whom_he_is_not(void **state)
{
    assert_false(may("carol@example.net", "info", "example.net"));
    assert_false(may("alice@example.net", "sales", "example.net"));
    assert_false(may("alice@example.net", "bob", "example.net"));
    assert_false(may("bob@example.net", "x", "example.org"));
    assert_false(may("alice@example.net", "x", "sub.example.org"));
    assert_false(may("alice@example.net", "x@y", "example.net"));
    assert_false(may("alice@example.net", "", "example.net"));
    assert_false(may("alice", "alice", "example.net"));
    assert_false(may("", "", ""));
    char local[MAIL_ADDRESS_MAX + 1];
    memset(local, 'x', sizeof local);
    assert_false(policy_sender_may(&whole.policy, span_text("alice@example.net"),
                                   span_of(local, sizeof local), span_text("example.org")));
}

static void a_login_sends_as_itself_and_as_the_map_says_in_any_case(void **state)
{
    assert_true(may("carol@example.net", "Carol", "EXAMPLE.net"));
    assert_true(may("Alice@example.net", "INFO", "example.NET"));
    assert_true(may("bob@example.net", "info", "example.net"));
    assert_true(may("bob@example.net", "sales", "example.net"));
    assert_true(may("alice@example.net", "anybody", "Example.org"));
}

static void details_are_left_out_where_they_are_marked(void **state)
{
    assert_false(may("carol@example.net", "carol+list", "example.net"));
    whole.policy.smtp.subaddress = '+';
    assert_true(may("carol@example.net", "carol+list", "example.net"));
    assert_true(may("carol@example.net", "carol+a+b", "example.net"));
    assert_true(may("bob@example.net", "info+x", "example.net"));
    assert_false(may("carol@example.net", "bob+carol", "example.net"));
    assert_false(may("carol@example.net", "+carol", "example.net"));
    assert_false(may("carol@example.net", "carol-list", "example.net"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(entries_out_of_range_or_order_are_unsound, set_up),
        cmocka_unit_test_setup(nobody_sends_as_whom_he_is_not, set_up),
        cmocka_unit_test_setup(a_login_sends_as_itself_and_as_the_map_says_in_any_case, set_up),
        cmocka_unit_test_setup(details_are_left_out_where_they_are_marked, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

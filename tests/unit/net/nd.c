// SPDX-License-Identifier: BSD-3-Clause
#include "net_test.h"

enum { SOLICITATION = 135, ADVERTISEMENT = 136, SOLICITED = 0x40, OVERRIDE = 0x20 };
enum { AT_FLAGS = AT_L4_V6 + 4, AT_OPTION = AT_L4_V6 + 24 };

static const char ours[] = "2001:db8:51::1", our_group[] = "ff02::1:ff00:1";
static const char our_link_local[] = "fe80::ff:fe00:1", peer[] = "2001:db8:51::10";

static struct frame solicitation(void)
{
    return frame_nd(SOLICITATION, peer, our_group, ours, peer_mac, 0);
}

static void assert_unanswered(const struct frame *f, enum reason why)
{
    rig_forget(&rig);
    assert_refused(f, LEG_OUTSIDE, why);
    assert_int_equal(rig.sent_count, 0);
}

static void assert_answered(const struct frame *f, const uint8_t *to, const char *target,
                            uint8_t flags)
{
    rig_forget(&rig);
    assert_kind(f, LEG_OUTSIDE, NET_DONE);
    assert_int_equal(rig.sent_count, 1);
    const struct frame *answer = &rig.sent[0];
    struct addr addr;
    assert_true(addr_parse(target, &addr));
    assert_memory_equal(answer->at, to, 6);
    assert_memory_equal(answer->at + 6, rig_mac[LEG_OUTSIDE], 6);
    assert_int_equal(answer->size, AT_OPTION + 8);
    assert_int_equal(answer->at[AT_IP + 7], 255);
    assert_memory_equal(answer->at + AT_IP + 8, addr.bytes, 16);
    assert_int_equal(answer->at[AT_L4_V6], ADVERTISEMENT);
    assert_int_equal(answer->at[AT_FLAGS], flags);
    assert_memory_equal(answer->at + AT_L4_V6 + 8, addr.bytes, 16);
    assert_int_equal(answer->at[AT_OPTION], 2);
    assert_int_equal(answer->at[AT_OPTION + 1], 1);
    assert_memory_equal(answer->at + AT_OPTION + 2, rig_mac[LEG_OUTSIDE], 6);
    assert_true(frame_sums_are_right(answer));
}

static void what_came_over_a_router_is_refused(void **state)
{
    struct frame f = solicitation();
    f.at[AT_IP + 7] = 254;
    assert_unanswered(&f, REASON_ND_BAD);
    f = frame_nd(ADVERTISEMENT, peer, ours, peer, peer_mac, SOLICITED);
    f.at[AT_IP + 7] = 64;
    assert_unanswered(&f, REASON_ND_BAD);
}

static void a_wrong_checksum_is_refused(void **state)
{
    struct frame f = solicitation();
    f.at[f.size - 1] ^= 1;
    assert_unanswered(&f, REASON_ICMP_BAD);
}

static void too_short_or_with_a_code_is_refused(void **state)
{
    for (size_t size = 8; size < 24; size++) {
        struct frame f = frame_nd(SOLICITATION, peer, our_group, ours, NULL, 0);
        f.size = AT_L4_V6 + size;
        frame_fix(&f);
        f.at[AT_IP + 7] = 255;
        assert_unanswered(&f, REASON_ND_BAD);
    }
    struct frame f = solicitation();
    f.at[AT_L4_V6 + 1] = 1;
    frame_fix(&f);
    assert_unanswered(&f, REASON_ND_BAD);
}

static void impossible_options_are_refused(void **state)
{
    static const uint8_t bad_sizes[] = {0, 2, 255}; // in units of 8 bytes; there are 8
    for (unsigned i = 0; i < sizeof bad_sizes; i++) {
        struct frame f = solicitation();
        f.at[AT_OPTION + 1] = bad_sizes[i];
        frame_fix(&f);
        assert_unanswered(&f, REASON_ND_BAD);
    }
    struct frame f = solicitation();
    f.size -= 7; // one byte of an option
    frame_fix(&f);
    assert_unanswered(&f, REASON_ND_BAD);
    f = frame_nd(SOLICITATION, peer, our_group, ours, broadcast_mac, 0);
    assert_unanswered(&f, REASON_ND_BAD);
}

static void too_many_options_are_refused(void **state)
{
    struct frame f = solicitation();
    for (unsigned count = 1; count <= 17; count++) {
        if (count == 16)
            assert_kind(&f, LEG_OUTSIDE, NET_DONE);
        if (count == 17)
            assert_unanswered(&f, REASON_ND_BAD);
        f.at[f.size] = 200;
        f.at[f.size + 1] = 1;
        f.size += 8;
        frame_fix(&f);
    }
}

static void targets_that_cannot_be_are_refused(void **state)
{
    static const char *const targets[] = {"::", "ff02::1", "198.51.100.1"};
    for (unsigned i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct frame f = frame_nd(SOLICITATION, peer, our_group, targets[i], peer_mac, 0);
        assert_unanswered(&f, REASON_ND_BAD);
    }
}

static void solicitations_for_others_are_ignored(void **state)
{
    // Of the same solicited-node group as ours.
    struct frame f = frame_nd(SOLICITATION, peer, our_group, "2001:db8:51::5:0:1", peer_mac, 0);
    assert_unanswered(&f, REASON_FRAME_NOT_OURS);
    f = frame_nd(SOLICITATION, peer, "ff02::1:ff00:2", "2001:db8:51::2", peer_mac, 0);
    assert_unanswered(&f, REASON_FRAME_NOT_OURS);
}

static void a_probe_with_a_link_address_or_to_us_alone_is_refused(void **state)
{
    struct frame f = frame_nd(SOLICITATION, "::", our_group, ours, peer_mac, 0);
    assert_unanswered(&f, REASON_ND_BAD);
    f = frame_nd(SOLICITATION, "::", "ff02::1", ours, NULL, 0);
    assert_unanswered(&f, REASON_ND_BAD);
    f = frame_nd(SOLICITATION, "::", ours, ours, NULL, 0);
    assert_unanswered(&f, REASON_IP_MARTIAN);
}

static void a_solicited_advertisement_to_a_group_is_refused(void **state)
{
    struct frame f = frame_nd(ADVERTISEMENT, peer, "ff02::1", peer, peer_mac, SOLICITED);
    assert_unanswered(&f, REASON_ND_BAD);
}

static void a_claim_to_our_own_address_is_refused(void **state)
{
    struct frame f = frame_nd(ADVERTISEMENT, peer, "ff02::1", ours, other_mac, OVERRIDE);
    assert_unanswered(&f, REASON_NEIGHBOR_SPOOFED);
    f = frame_nd(ADVERTISEMENT, peer, "ff02::1", our_link_local, other_mac, OVERRIDE);
    assert_unanswered(&f, REASON_NEIGHBOR_SPOOFED);
}

static void one_worker_answers_and_the_others_listen(void **state)
{
    rig_close(&rig);
    rig.config.listens_only = true;
    rig_open(&rig);
    rig_forget(&rig);
    struct frame f = solicitation();
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    assert_int_equal(rig.sent_count, 0);
}

static void solicitations_for_us_are_answered(void **state)
{
    struct frame f = solicitation();
    assert_answered(&f, peer_mac, ours, SOLICITED | OVERRIDE);
    f = frame_nd(SOLICITATION, peer, ours, ours, NULL, 0); // a reachability probe
    assert_answered(&f, peer_mac, ours, SOLICITED | OVERRIDE);
    f = frame_nd(SOLICITATION, "fe80::10", our_group, ours, other_mac, 0);
    assert_answered(&f, other_mac, ours, SOLICITED | OVERRIDE);
}

static void our_link_local_address_is_answered_for(void **state)
{
    struct frame f = frame_nd(SOLICITATION, peer, our_group, our_link_local, peer_mac, 0);
    assert_answered(&f, peer_mac, our_link_local, SOLICITED | OVERRIDE);
    f = frame_nd(SOLICITATION, "fe80::10", our_link_local, our_link_local, NULL, 0);
    assert_answered(&f, peer_mac, our_link_local, SOLICITED | OVERRIDE);
}

static void a_probe_for_our_address_is_answered_to_all(void **state)
{
    static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
    struct frame f = frame_nd(SOLICITATION, "::", our_group, ours, NULL, 0);
    assert_answered(&f, all_nodes_mac, ours, OVERRIDE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_came_over_a_router_is_refused),
        TEST(a_wrong_checksum_is_refused),
        TEST(too_short_or_with_a_code_is_refused),
        TEST(impossible_options_are_refused),
        TEST(too_many_options_are_refused),
        TEST(targets_that_cannot_be_are_refused),
        TEST(solicitations_for_others_are_ignored),
        TEST(a_probe_with_a_link_address_or_to_us_alone_is_refused),
        TEST(a_solicited_advertisement_to_a_group_is_refused),
        TEST(a_claim_to_our_own_address_is_refused),
        TEST(one_worker_answers_and_the_others_listen),
        TEST(solicitations_for_us_are_answered),
        TEST(our_link_local_address_is_answered_for),
        TEST(a_probe_for_our_address_is_answered_to_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

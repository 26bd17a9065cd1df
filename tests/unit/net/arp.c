// SPDX-License-Identifier: BSD-3-Clause
#include "net_test.h"

enum { REQUEST = 1, REPLY = 2 };
enum { AT_OPERATION = AT_IP + 6, AT_SENDER_MAC = AT_IP + 8, AT_SENDER = AT_IP + 14 };

static struct frame request(void)
{
    return frame_arp(REQUEST, peer_mac, "198.51.100.10", "198.51.100.1", broadcast_mac);
}

static void assert_unanswered(const struct frame *f, enum reason why)
{
    rig_forget(&rig);
    assert_refused(f, LEG_OUTSIDE, why);
    assert_int_equal(rig.sent_count, 0);
}

static void shorter_than_its_fields_is_refused(void **state)
{
    struct frame f = request();
    for (f.size = AT_IP; f.size < AT_IP + 28; f.size++)
        assert_unanswered(&f, REASON_FRAME_TOO_SHORT);
}

static void other_hardware_protocols_and_operations_are_refused(void **state)
{
    for (unsigned at = 0; at < 6; at++) {
        struct frame f = request();
        f.at[AT_IP + at] ^= 1;
        assert_unanswered(&f, REASON_ARP_BAD);
    }
    for (uint16_t operation = 0; operation < 30; operation++) {
        struct frame f = request();
        frame_put_u16(&f, AT_OPERATION, operation);
        if (operation != REQUEST && operation != REPLY)
            assert_unanswered(&f, REASON_ARP_BAD);
    }
}

static void senders_that_cannot_be_are_refused(void **state)
{
    static const char *const senders[] = {"127.0.0.1", "224.0.0.1", "255.255.255.255"};
    for (unsigned i = 0; i < sizeof senders / sizeof senders[0]; i++) {
        struct frame f = frame_arp(REQUEST, peer_mac, senders[i], "198.51.100.1", broadcast_mac);
        assert_unanswered(&f, REASON_ARP_BAD);
    }
    struct frame f =
        frame_arp(REQUEST, broadcast_mac, "198.51.100.10", "198.51.100.1", broadcast_mac);
    assert_unanswered(&f, REASON_ARP_BAD);
    static const uint8_t none[6];
    f = frame_arp(REQUEST, none, "198.51.100.10", "198.51.100.1", broadcast_mac);
    assert_unanswered(&f, REASON_ARP_BAD);
    f = frame_arp(REPLY, peer_mac, "0.0.0.0", "198.51.100.1", rig_mac[LEG_OUTSIDE]);
    assert_unanswered(&f, REASON_ARP_BAD);
}

static void requests_for_others_are_ignored(void **state)
{
    struct frame f = frame_arp(REQUEST, peer_mac, "198.51.100.10", "198.51.100.2", broadcast_mac);
    assert_unanswered(&f, REASON_FRAME_NOT_OURS);
    f = frame_arp(REQUEST, peer_mac, "198.51.100.10", "203.0.113.1", broadcast_mac);
    assert_unanswered(&f, REASON_FRAME_NOT_OURS); // the other leg's
    f = frame_arp(REQUEST, peer_mac, "198.51.100.10", "0.0.0.0", broadcast_mac);
    assert_unanswered(&f, REASON_FRAME_NOT_OURS);
}

static void a_claim_to_our_own_address_is_refused(void **state)
{
    struct frame f = frame_arp(REPLY, other_mac, "198.51.100.1", "198.51.100.1", broadcast_mac);
    assert_unanswered(&f, REASON_NEIGHBOR_SPOOFED);
    f = frame_arp(REQUEST, other_mac, "198.51.100.1", "198.51.100.1", broadcast_mac);
    assert_unanswered(&f, REASON_NEIGHBOR_SPOOFED);
}

static void one_worker_answers_and_the_others_listen(void **state)
{
    rig_close(&rig);
    rig.config.listens_only = true;
    rig_open(&rig);
    rig_forget(&rig);
    struct frame f = request();
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    assert_int_equal(rig.sent_count, 0);
}

static void a_request_for_us_is_answered(void **state)
{
    rig_forget(&rig);
    struct frame f = request();
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    assert_int_equal(rig.sent_count, 1);
    struct frame want =
        frame_arp(REPLY, rig_mac[LEG_OUTSIDE], "198.51.100.1", "198.51.100.10", peer_mac);
    memcpy(want.at + 6, rig_mac[LEG_OUTSIDE], 6);
    memcpy(want.at + AT_IP + 18, peer_mac, 6);
    assert_int_equal(rig.sent[0].size, want.size);
    assert_memory_equal(rig.sent[0].at, want.at, want.size);
}

static void a_probe_and_an_asker_from_elsewhere_are_answered(void **state)
{
    rig_forget(&rig);
    struct frame f = frame_arp(REQUEST, peer_mac, "0.0.0.0", "198.51.100.1", broadcast_mac);
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    f = frame_arp(REQUEST, peer_mac, "198.18.0.5", "198.51.100.1", broadcast_mac);
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    assert_int_equal(rig.sent_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shorter_than_its_fields_is_refused),
        TEST(other_hardware_protocols_and_operations_are_refused),
        TEST(senders_that_cannot_be_are_refused),
        TEST(requests_for_others_are_ignored),
        TEST(a_claim_to_our_own_address_is_refused),
        TEST(one_worker_answers_and_the_others_listen),
        TEST(a_request_for_us_is_answered),
        TEST(a_probe_and_an_asker_from_elsewhere_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "net/neighbor.h"

#include "net_test.h"

#include <stdio.h>

enum { REQUEST = 1, REPLY = 2 };
enum { AT_OPERATION = AT_IP + 6 };

static const char client[] = "198.51.100.10", ours[] = "198.51.100.1";

static void send_to(const char *to)
{
    struct frame f = strchr(to, ':')
                         ? frame_tcp(LEG_OUTSIDE, "2001:db8:51::1", to, TCP_SYN | TCP_ACK)
                         : frame_tcp(LEG_OUTSIDE, ours, to, TCP_SYN | TCP_ACK);
    rig_output(&rig, &f, LEG_OUTSIDE);
}

static enum net_kind reply(const uint8_t *mac, const char *from)
{
    struct frame f = frame_arp(REPLY, mac, from, ours, rig_mac[LEG_OUTSIDE]);
    return rig_give(&rig, &f, LEG_OUTSIDE);
}

static enum net_kind announce(const uint8_t *mac, const char *from)
{
    struct frame f = frame_arp(REPLY, mac, from, from, broadcast_mac);
    return rig_give(&rig, &f, LEG_OUTSIDE);
}

// Frames sent since rig_forget that ask for an address (`to` NULL: of whomever).
static unsigned asks(const uint8_t *to)
{
    unsigned count = 0;
    for (unsigned i = 0; i < rig.sent_count; i++) {
        const struct frame *f = &rig.sent[i];
        bool arp = frame_u16(f, 12) == 0x0806 && frame_u16(f, AT_OPERATION) == REQUEST;
        bool nd = frame_u16(f, 12) == 0x86dd && f->at[AT_IP + 6] == 58 && f->at[AT_L4_V6] == 135;
        count += (arp || nd) && (!to || memcmp(f->at, to, 6) == 0);
    }
    return count;
}

static unsigned packets_to(const uint8_t *mac)
{
    unsigned count = 0;
    for (unsigned i = 0; i < rig.sent_count; i++) {
        const struct frame *f = &rig.sent[i];
        bool tcp = f->at[frame_u16(f, 12) == 0x0800 ? AT_IP + 9 : AT_IP + 6] == 6;
        count += frame_u16(f, 12) != 0x0806 && tcp && memcmp(f->at, mac, 6) == 0;
    }
    return count;
}

// Without routes, so that nothing is asked for but what the test wants.
static int open_quiet(void **state)
{
    rig_init(&rig);
    rig.policy.routes_count = 0;
    rig_open(&rig);
    return 0;
}

static void make_known(const char *addr)
{
    send_to(addr);
    assert_int_equal(reply(peer_mac, addr), NET_DONE);
    rig_forget(&rig);
}

static void unasked_announcements_are_not_learnt(void **state)
{
    assert_int_equal(announce(other_mac, client), NET_DONE);
    assert_int_equal(reply(other_mac, client), NET_DONE);
    struct frame f = frame_arp(REQUEST, other_mac, client, ours, broadcast_mac);
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    rig_forget(&rig);
    send_to(client);
    assert_int_equal(packets_to(other_mac), 0);
    assert_int_equal(asks(broadcast_mac), 1);
}

static void another_link_address_for_a_known_neighbour_is_refused(void **state)
{
    make_known(client);
    assert_int_equal(announce(other_mac, client), NET_REFUSED);
    assert_int_equal(rig.reason, REASON_NEIGHBOR_SPOOFED);
    assert_int_equal(asks(peer_mac), 1); // the known one is asked
    assert_int_equal(reply(other_mac, client), NET_REFUSED);
    assert_int_equal(rig.reason, REASON_NEIGHBOR_SPOOFED);
    assert_int_equal(reply(peer_mac, client), NET_DONE);
    rig_forget(&rig);
    send_to(client);
    assert_int_equal(packets_to(peer_mac), 1);
}

static void a_request_with_another_link_address_is_answered_and_not_believed(void **state)
{
    make_known(client);
    struct frame f = frame_arp(REQUEST, other_mac, client, ours, broadcast_mac);
    assert_refused(&f, LEG_OUTSIDE, REASON_NEIGHBOR_SPOOFED);
    assert_int_equal(frame_u16(&rig.sent[rig.sent_count - 1], AT_OPERATION), REPLY);
    rig_forget(&rig);
    send_to(client);
    assert_int_equal(packets_to(peer_mac), 1);
    assert_int_equal(packets_to(other_mac), 0);
}

static void a_neighbour_that_really_moved_is_found_again(void **state)
{
    make_known(client);
    assert_int_equal(announce(other_mac, client), NET_REFUSED);
    rig_run(&rig, 3200000); // three unanswered probes
    assert_int_equal(asks(peer_mac), 3);
    assert_true(asks(broadcast_mac) >= 1);
    assert_int_equal(reply(other_mac, client), NET_DONE);
    rig_forget(&rig);
    send_to(client);
    assert_int_equal(packets_to(other_mac), 1);
}

static void a_silent_neighbour_is_given_up(void **state)
{
    send_to(client);
    rig_run(&rig, 10000000);
    assert_int_equal(asks(broadcast_mac), NEIGHBOR_ASKS);
    assert_int_equal(rig.counters.reasons[REASON_NEIGHBOR_UNKNOWN], 1);
    assert_int_equal(reply(peer_mac, client), NET_DONE); // too late: forgotten
    rig_forget(&rig);
    send_to(client);
    assert_int_equal(packets_to(peer_mac), 0);
}

static void the_waiting_room_keeps_the_newest(void **state)
{
    for (unsigned i = 1; i <= NEIGHBOR_WAITING + 1; i++) {
        send_to(client);
        assert_int_equal(rig.counters.reasons[REASON_NEIGHBOR_UNKNOWN], i > NEIGHBOR_WAITING);
    }
    assert_int_equal(asks(NULL), 1);
    assert_int_equal(reply(peer_mac, client), NET_DONE);
    assert_int_equal(packets_to(peer_mac), NEIGHBOR_WAITING);
}

static void all_waiting_rooms_together_are_bounded(void **state)
{
    char to[ADDR_TEXT_SIZE];
    for (unsigned i = 0; i < NEIGHBOR_WAITING_ALL + 10; i++) {
        snprintf(to, sizeof to, "2001:db8:51::%x", 0x100 + i);
        send_to(to);
    }
    assert_true(rig.counters.reasons[REASON_NEIGHBOR_UNKNOWN] >= 10);
}

static void a_flood_of_unknown_ones_leaves_the_known_ones_alone(void **state)
{
    make_known(client);
    rig_run(&rig, 1000000);
    rig_forget(&rig);
    char to[ADDR_TEXT_SIZE];
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(to, sizeof to, "2001:db8:51::%x:%x", i + 1, i);
        send_to(to);
        if (i % 10 == 0)
            rig.now_us += 100;
    }
    assert_true(asks(NULL) <= NEIGHBOR_PACE_BURST + 200);
    rig_forget(&rig);
    send_to(client);
    assert_int_equal(packets_to(peer_mac), 1);
    rig_run(&rig, 10000000); // the unknown ones are given up, then there is room again
    rig_forget(&rig);
    send_to("198.51.100.11");
    assert_int_equal(asks(broadcast_mac), 1);
}

static void a_known_neighbour_in_use_is_asked_again_by_unicast(void **state)
{
    make_known(client);
    rig_run(&rig, NEIGHBOR_REACHABLE_US + 200000);
    assert_int_equal(asks(NULL), 0);
    send_to(client); // goes out, and a probe behind it
    send_to(client);
    assert_int_equal(packets_to(peer_mac), 2);
    assert_int_equal(asks(peer_mac), 1);
    assert_int_equal(reply(peer_mac, client), NET_DONE);
    rig_forget(&rig);
    rig_run(&rig, 5000000);
    send_to(client);
    assert_int_equal(asks(NULL), 0);
    assert_int_equal(packets_to(peer_mac), 1);
}

static void an_unused_neighbour_is_forgotten(void **state)
{
    make_known(client);
    rig_run(&rig, NEIGHBOR_UNUSED_US + NEIGHBOR_UNUSED_US / 4);
    rig_forget(&rig);
    send_to(client);
    assert_int_equal(packets_to(peer_mac), 0);
    assert_int_equal(asks(broadcast_mac), 1);
}

static void ipv6_neighbours_are_asked_in_their_group(void **state)
{
    static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 0x10};
    static const char peer[] = "2001:db8:51::10";
    send_to(peer);
    assert_int_equal(asks(group_mac), 1);
    assert_true(frame_sums_are_right(&rig.sent[0]));
    struct frame f = frame_nd(136, peer, "2001:db8:51::1", peer, peer_mac, 0x60);
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    assert_int_equal(packets_to(peer_mac), 1);
    rig_run(&rig, NEIGHBOR_REACHABLE_US + 200000);
    rig_forget(&rig);
    send_to(peer);
    assert_int_equal(asks(peer_mac), 1);
    f = frame_nd(136, peer, "2001:db8:51::1", peer, NULL, 0x40); // the option may be left out
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    rig_forget(&rig);
    rig_run(&rig, 5000000);
    assert_int_equal(asks(NULL), 0);
    f = frame_nd(136, peer, "ff02::1", peer, other_mac, 0x20);
    assert_refused(&f, LEG_OUTSIDE, REASON_NEIGHBOR_SPOOFED);
}

static void next_hops_are_asked_for_ahead_and_for_ever(void **state)
{
    rig_close(&rig);
    rig_init(&rig); // with its routes
    rig_open(&rig);
    rig_run(&rig, 10000000);
    assert_true(asks(broadcast_mac) >= 9);
    assert_int_equal(reply(peer_mac, "198.51.100.254"), NET_DONE);
    rig_forget(&rig);
    send_to("192.0.2.1");
    send_to(client);
    assert_int_equal(packets_to(peer_mac), 1);
}

static void a_new_policy_keeps_what_is_known(void **state)
{
    rig_close(&rig);
    rig_init(&rig);
    rig_open(&rig);
    rig_run(&rig, 100000);
    assert_int_equal(reply(peer_mac, "198.51.100.254"), NET_DONE);
    for (int i = 0; i < 3; i++)
        net_policy(rig.net, &rig.policy);
    rig_forget(&rig);
    send_to("192.0.2.1");
    assert_int_equal(packets_to(peer_mac), 1);
}

#define QUIET_TEST(name) cmocka_unit_test_setup_teardown(name, open_quiet, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUIET_TEST(unasked_announcements_are_not_learnt),
        QUIET_TEST(another_link_address_for_a_known_neighbour_is_refused),
        QUIET_TEST(a_request_with_another_link_address_is_answered_and_not_believed),
        QUIET_TEST(a_neighbour_that_really_moved_is_found_again),
        QUIET_TEST(a_silent_neighbour_is_given_up),
        QUIET_TEST(the_waiting_room_keeps_the_newest),
        QUIET_TEST(all_waiting_rooms_together_are_bounded),
        QUIET_TEST(a_flood_of_unknown_ones_leaves_the_known_ones_alone),
        QUIET_TEST(a_known_neighbour_in_use_is_asked_again_by_unicast),
        QUIET_TEST(an_unused_neighbour_is_forgotten),
        QUIET_TEST(ipv6_neighbours_are_asked_in_their_group),
        QUIET_TEST(next_hops_are_asked_for_ahead_and_for_ever),
        QUIET_TEST(a_new_policy_keeps_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

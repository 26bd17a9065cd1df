// SPDX-License-Identifier: BSD-3-Clause
#include "link/port_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void what_only_looks_like_a_pci_address_is_none(void **state)
{
    static const char *const others[] = {
        "",          "0000:01:00",   "0000:01:00.",   "000:01:00.0", "0000:01:00.0x",
        "net_ring0", "g000:01:00.0", "0000:01:00.0 ", "01:00"};
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(port_device_is_pci(others[i]));
}

static void pci_addresses_are_known_with_and_without_domain(void **state)
{
    assert_true(port_device_is_pci("0000:01:00.0"));
    assert_true(port_device_is_pci("0000:aF:1f.7,representor=0"));
    assert_true(port_device_is_pci("01:00.1"));
}

static void a_name_too_long_is_cut(void **state)
{
    char name[8];
    port_device_name("net_af_packet0,iface=eth0", name, sizeof name);
    assert_string_equal(name, "net_af_");
}

static void an_argument_is_found_by_its_whole_key(void **state)
{
    char value[16];
    const char *device = "net_x0,myiface=a,iface=b,if=c,empty=";
    assert_false(port_device_argument(device, "net_x0", value, sizeof value));
    assert_false(port_device_argument(device, "face", value, sizeof value));
    assert_true(port_device_argument(device, "iface", value, sizeof value));
    assert_string_equal(value, "b");
    assert_true(port_device_argument(device, "empty", value, sizeof value));
    assert_string_equal(value, "");
}

static void arguments_that_do_not_fit_are_refused(void **state)
{
    char arguments[19]; // one too few for "iface=eth0,qpairs=2" and its NUL
    assert_false(
        port_device_arguments("net_af_packet0,iface=eth0", 2, arguments, sizeof arguments));
    assert_true(port_device_arguments("net_af_packet0,iface=eth0", 1, arguments, sizeof arguments));
}

static void queue_pairs_are_added_where_the_driver_must_be_told(void **state)
{
    static const struct {
        const char *device;
        unsigned workers;
        const char *want;
    } cases[] = {
        {"net_af_packet0,iface=eth0", 1, "iface=eth0"},
        {"net_af_packet0,iface=eth0", 2, "iface=eth0,qpairs=2"},
        {"net_af_packet0,iface=eth0,qpairs=4", 2, "iface=eth0,qpairs=4"},
        {"net_af_packet0", 3, "qpairs=3"},
        {"net_af_xdp0,iface=no-such-if", 2, "iface=no-such-if"},
        {"net_af_xdp0,iface=lo,queue_count=2", 2, "iface=lo,queue_count=2"},
        {"net_af_xdp0,iface=lo", 2, "iface=lo"}, // lo has one queue
        {"net_tap0,iface=tap9", 4, "iface=tap9"},
        {"net_ring0", 4, ""},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char arguments[PORT_DEVICE_SIZE];
        assert_true(
            port_device_arguments(cases[i].device, cases[i].workers, arguments, sizeof arguments));
        assert_string_equal(arguments, cases[i].want);
    }
}

static void statistics_that_name_a_loss_are_told_from_others(void **state)
{
    static const char *const losses[] = {"rx_crc_errors", "rx_no_buffer_drops", "tx_discards",
                                         "mac_rx_missed_frames", "rx_q0_drops"};
    static const char *const others[] = {
        "rx_good_packets", "tx_q3_bytes",   "rx_missed_errors",          "rx_errors",
        "tx_errors",       "rx_q12_errors", "rx_mbuf_allocation_errors", "rx_broadcast_packets"};
    for (unsigned i = 0; i < sizeof losses / sizeof losses[0]; i++)
        assert_true(port_device_is_loss(losses[i]));
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(port_device_is_loss(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_that_name_a_loss_are_told_from_others),
        cmocka_unit_test(what_only_looks_like_a_pci_address_is_none),
        cmocka_unit_test(a_name_too_long_is_cut),
        cmocka_unit_test(an_argument_is_found_by_its_whole_key),
        cmocka_unit_test(arguments_that_do_not_fit_are_refused),
        cmocka_unit_test(pci_addresses_are_known_with_and_without_domain),
        cmocka_unit_test(queue_pairs_are_added_where_the_driver_must_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_martians.h"

static const char *const special[] = {
    "10.0.0.0/8",      // private (RFC 1918)
    "100.64.0.0/10",   // shared, behind carriers' NAT (RFC 6598)
    "169.254.0.0/16",  // link-local (RFC 3927)
    "172.16.0.0/12",   // private
    "192.0.0.0/24",    // protocol assignments
    "192.0.2.0/24",    // documentation (RFC 5737)
    "192.168.0.0/16",  // private
    "198.18.0.0/15",   // benchmarks (RFC 2544)
    "198.51.100.0/24", // documentation
    "203.0.113.0/24",  // documentation
    "64:ff9b:1::/48",  // local translation (RFC 8215)
    "100::/64",        // to be discarded (RFC 6666)
    "2001:2::/48",     // benchmarks (RFC 5180)
    "2001:10::/28",    // ORCHID (RFC 4843)
    "2001:db8::/32",   // documentation (RFC 3849)
    "3fff::/20",       // documentation (RFC 9637)
    "5f00::/16",       // segment routing (RFC 9602)
    "fc00::/7",        // private (RFC 4193)
    "fec0::/10",       // once site-local (RFC 3879)
};

static bool overlap(const struct prefix *a, const struct prefix *b)
{
    return prefix_contains(a, &b->addr) || prefix_contains(b, &a->addr);
}

static bool is_ours(const struct config *config, const struct prefix *prefix)
{
    const struct policy_interface *outside = &config->head.boot.legs[0];
    for (int family = 0; family < FAMILY_COUNT; family++) {
        struct prefix on_link = {addr_mask(&outside->addr[family], outside->bits[family]),
                                 outside->bits[family]};
        if (!addr_is_zero(&outside->addr[family]) && overlap(&on_link, prefix))
            return true;
    }
    for (uint32_t i = 0; i < config->relay_networks.count; i++)
        if (overlap(&config->relay_networks.items[i], prefix))
            return true;
    return false;
}

void config_martians_default(struct config *config)
{
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        struct prefix prefix;
        CHECK(prefix_parse(special[i], &prefix));
        if (!is_ours(config, &prefix))
            CHECK(config_prefixes_append(&config->lists[CLASS_MARTIAN], &prefix) == 0);
    }
}

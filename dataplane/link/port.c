// SPDX-License-Identifier: BSD-3-Clause
#include "link/port.h"

#include "base/log.h"
#include "base/rng.h"
#include "link/port_device.h"

#include <errno.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <stdio.h>

enum {
    RSS_KEY_MAX = 64, // bytes
    DESCRIPTORS_LEAST = 64,
    DESCRIPTORS_MOST = 4096, // 0.14 ms at 30 Mpps
    VLAN_TAG_SIZE = 4,
};

// A device that is open; the main lcore alone opens and closes.
static struct opened {
    struct port port;
    unsigned users; // legs
} opened[PORTS_MAX];

static const char *spread_text(const struct port *port);
static struct opened *find_opened(const char *device);
static bool is_opened(uint16_t id);
static int attach(struct port *port, const struct policy_boot *boot);
static void detach(const struct port *port);
static int set_up(struct port *port, const struct policy_boot *boot, struct rte_mempool *mbufs);
static int configure(struct port *port, const struct policy_boot *boot,
                     const struct rte_eth_dev_info *info);
static int set_up_queues(const struct port *port, const struct policy_boot *boot,
                         struct rte_mempool *mbufs);
static int set_mtu(const struct port *port, const struct policy_boot *boot);
static void receive_groups(const struct port *port);
static uint64_t further_losses(const struct port *port);
static int fail(const struct port *port, int error, const char *what);

static const char *failed_what; // text of the last fail()

int port_open(struct port *port, const struct policy_boot *boot, enum leg leg,
              struct rte_mempool *mbufs, const char **ret_what)
{
    const char *device = boot->legs[leg].device;
    struct opened *slot = find_opened(device);
    if (slot) { // both legs on one port
        slot->users++;
        *port = slot->port;
        return 0;
    }
    slot = find_opened("");
    CHECK(slot != NULL);
    struct port fresh = {.tx_queues = boot->workers};
    snprintf(fresh.device, sizeof fresh.device, "%s", device);
    int error = attach(&fresh, boot);
    if (error == 0) {
        error = set_up(&fresh, boot, mbufs);
        if (error < 0)
            detach(&fresh);
    }
    if (error < 0) {
        *ret_what = failed_what;
        return error;
    }
    log_info("what=\"port open\" device=\"%s\" mac=%02x:%02x:%02x:%02x:%02x:%02x "
             "rx_queues=%u tx_queues=%u source_rss=%s tcp_checksums=%s",
             device, fresh.mac[0], fresh.mac[1], fresh.mac[2], fresh.mac[3], fresh.mac[4],
             fresh.mac[5], fresh.rx_queues, fresh.tx_queues, spread_text(&fresh),
             fresh.completes_tcp ? "yes" : "no");
    *slot = (struct opened){.port = fresh, .users = 1};
    *port = fresh;
    return 0;
}

void port_close(struct port *port)
{
    struct opened *slot = find_opened(port->device);
    if (!port->device[0] || !slot)
        return;
    *port = (struct port){0};
    if (--slot->users > 0)
        return;
    detach(&slot->port);
    *slot = (struct opened){0};
}

static const char *spread_text(const struct port *port)
{
    if (!port->spreads[FAMILY_V4])
        return "no";
    return port->spreads[FAMILY_V6] ? "yes" : "ipv4";
}

static struct opened *find_opened(const char *device)
{
    for (unsigned i = 0; i < PORTS_MAX; i++)
        if (strcmp(opened[i].port.device, device) == 0)
            return &opened[i];
    return NULL;
}

static bool is_opened(uint16_t id)
{
    for (unsigned i = 0; i < PORTS_MAX; i++)
        if (opened[i].users && opened[i].port.id == id)
            return true;
    return false;
}

// Finds the device, or makes it; fills id.
static int attach(struct port *port, const struct policy_boot *boot)
{
    char name[RTE_ETH_NAME_MAX_LEN], arguments[PORT_DEVICE_SIZE];
    port_device_name(port->device, name, sizeof name);
    if (!port_device_arguments(port->device, boot->workers, arguments, sizeof arguments))
        return fail(port, -EINVAL, "its arguments are too long");
    if (rte_eth_dev_get_port_by_name(name, &port->id) == 0)
        return is_opened(port->id) ? fail(port, -EEXIST, "a device of that name is there already")
                                   : 0; // EAL found it, or boot.eal made it
    bool pci = port_device_is_pci(port->device);
    int error = rte_eal_hotplug_add(pci ? "pci" : "vdev", name, arguments);
    if (error < 0)
        return fail(port, error,
                    pci ? "no such PCI device, or not bound to a DPDK driver"
                        : "no DPDK driver of that name, or it refused its arguments");
    if (rte_eth_dev_get_port_by_name(name, &port->id) != 0)
        return fail(port, -ENODEV, "it is not an Ethernet device");
    return 0;
}

// Stops it and takes a virtual device away, so that its name is free again.
static void detach(const struct port *port)
{
    struct rte_eth_dev_info info;
    bool known = rte_eth_dev_info_get(port->id, &info) == 0;
    (void)rte_eth_dev_stop(port->id);
    (void)rte_eth_dev_close(port->id);
    if (known && info.device && !port_device_is_pci(port->device))
        (void)rte_dev_remove(info.device);
}

static int set_up(struct port *port, const struct policy_boot *boot, struct rte_mempool *mbufs)
{
    struct rte_eth_dev_info info;
    int error = rte_eth_dev_info_get(port->id, &info);
    if (error < 0)
        return fail(port, error, "its facts cannot be read");
    if (info.max_tx_queues < boot->workers)
        return fail(port, -ENOTSUP, "fewer transmit queues than boot.worker_lcores has workers");
    error = configure(port, boot, &info);
    if (error < 0)
        return error;
    error = set_mtu(port, boot);
    if (error < 0)
        return error;
    error = set_up_queues(port, boot, mbufs);
    if (error < 0)
        return error;
    struct rte_ether_addr mac;
    error = rte_eth_macaddr_get(port->id, &mac);
    if (error < 0)
        return fail(port, error, "its address cannot be read");
    memcpy(port->mac, mac.addr_bytes, sizeof port->mac);
    error = rte_eth_dev_start(port->id);
    if (error < 0)
        return fail(port, error, "it did not start");
    receive_groups(port);
    return 0;
}

static int configure(struct port *port, const struct policy_boot *boot,
                     const struct rte_eth_dev_info *info)
{
    uint8_t key[RSS_KEY_MAX];
    const uint64_t types = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_IPV6 |
                           RTE_ETH_RSS_NONFRAG_IPV6_TCP;
    const uint64_t rx_wanted = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
    const uint64_t tx_wanted = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    struct rte_eth_conf conf = {
        .rxmode = {.offloads = info->rx_offload_capa & rx_wanted},
        .txmode = {.offloads = info->tx_offload_capa & tx_wanted},
    };
    port->completes_tcp = conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    port->rx_queues = info->max_rx_queues >= boot->workers ? boot->workers : 1;
    bool keyed = info->hash_key_size > 0 && info->hash_key_size <= RSS_KEY_MAX;
    uint64_t usable = info->flow_type_rss_offloads & types;
    if (port->rx_queues > 1 && keyed && usable) {
        int error = rng_secret(key, info->hash_key_size);
        if (error < 0)
            return fail(port, error, "no entropy for its RSS key");
        uint64_t by_source = info->flow_type_rss_offloads & RTE_ETH_RSS_L3_SRC_ONLY;
        uint64_t by_64 = by_source ? info->flow_type_rss_offloads & RTE_ETH_RSS_L3_PRE64 : 0;
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_key = key;
        conf.rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
        conf.rx_adv_conf.rss_conf.rss_hf = usable | by_source | by_64;
        if (rte_eth_dev_configure(port->id, port->rx_queues, port->tx_queues, &conf) == 0) {
            port->spreads[FAMILY_V4] = by_source != 0;
            port->spreads[FAMILY_V6] = by_64 != 0;
            return 0;
        }
        conf.rx_adv_conf.rss_conf.rss_hf = usable; // spreads at least; workers steer
    }
    int error = rte_eth_dev_configure(port->id, port->rx_queues, port->tx_queues, &conf);
    return error < 0 ? fail(port, error, "it refused its configuration") : 0;
}

// Rings take a quarter of the buffers at the most, whatever the ports would like.
static int set_up_queues(const struct port *port, const struct policy_boot *boot,
                         struct rte_mempool *mbufs)
{
    uint32_t share = boot->mbufs / (4u * PORTS_MAX * port->rx_queues);
    uint16_t rx = DESCRIPTORS_MOST, tx = DESCRIPTORS_MOST / 4;
    while (rx > share && rx > DESCRIPTORS_LEAST)
        rx /= 2;
    if (tx > rx)
        tx = rx;
    int error = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);
    if (error < 0)
        return fail(port, error, "it refused its ring sizes");
    unsigned socket = (unsigned)rte_eth_dev_socket_id(port->id);
    for (uint16_t i = 0; i < port->rx_queues; i++) {
        error = rte_eth_rx_queue_setup(port->id, i, rx, socket, NULL, mbufs);
        if (error < 0)
            return fail(port, error, "it refused a receive queue");
    }
    for (uint16_t i = 0; i < port->tx_queues; i++) {
        error = rte_eth_tx_queue_setup(port->id, i, tx, socket, NULL);
        if (error < 0)
            return fail(port, error, "it refused a transmit queue");
    }
    return 0;
}

// The largest that a leg on this port wants. A device that cannot be told is taken as it is when
// its own is enough.
static int set_mtu(const struct port *port, const struct policy_boot *boot)
{
    uint16_t wanted = 0, current = 0;
    for (int leg = 0; leg < LEG_COUNT; leg++)
        if (strcmp(boot->legs[leg].device, port->device) == 0 && boot->legs[leg].mtu > wanted)
            wanted = boot->legs[leg].mtu;
    if (rte_eth_dev_get_mtu(port->id, &current) == 0 && current == wanted)
        return 0;
    int error = rte_eth_dev_set_mtu(port->id, wanted);
    if (error == 0 || (error == -ENOTSUP && current >= wanted))
        return 0;
    return fail(port, error, "it refused its mtu");
}

/* Neighbour discovery arrives in multicast frames. Frames for others are net/'s to ignore, so
 * promiscuous mode is the last resort of a port that has nothing finer. */
static void receive_groups(const struct port *port)
{
    (void)rte_eth_promiscuous_disable(port->id);
    if (rte_eth_allmulticast_enable(port->id) == 0)
        return;
    int error = rte_eth_promiscuous_enable(port->id);
    if (error < 0 && error != -ENOTSUP)
        log_warning("what=\"port does not receive multicast\" device=\"%s\" error=\"%s\"",
                    port->device, rte_strerror(-error));
}

static int fail(const struct port *port, int error, const char *what)
{
    static char text[256];
    snprintf(text, sizeof text, "device %s: %s (%s)", port->device, what, rte_strerror(-error));
    failed_what = text;
    return error;
}

uint16_t port_receive(const struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                      uint16_t most)
{
    return rte_eth_rx_burst(port->id, queue, mbufs, most);
}

uint16_t port_transmit(const struct port *port, uint16_t queue, struct rte_mbuf **mbufs,
                       uint16_t count)
{
    uint16_t ready = count;
    if (port->completes_tcp) // some drivers want other bytes than we left
        ready = rte_eth_tx_prepare(port->id, queue, mbufs, count);
    uint16_t taken = rte_eth_tx_burst(port->id, queue, mbufs, ready);
    if (unlikely(taken < count))
        rte_pktmbuf_free_bulk(mbufs + taken, (unsigned)(count - taken));
    return taken;
}

void port_losses_add(const struct port *port, struct port_losses *losses)
{
    struct rte_eth_stats stats;
    if (rte_eth_stats_get(port->id, &stats) < 0)
        return;
    losses->missed += stats.imissed;
    losses->no_mbuf += stats.rx_nombuf;
    losses->errors += stats.ierrors + stats.oerrors;
    losses->further += further_losses(port);
    for (unsigned i = 0; i < WORKERS_MAX && i < RTE_ETHDEV_QUEUE_STAT_CNTRS; i++)
        losses->queues[i] += stats.q_errors[i];
}

// Sum of the driver's own statistics that are called a loss, beside those that every port has.
static uint64_t further_losses(const struct port *port)
{
    enum { MOST = 1024 };
    static struct rte_eth_xstat_name names[MOST];
    static struct rte_eth_xstat values[MOST];
    int count = rte_eth_xstats_get_names(port->id, names, MOST);
    uint64_t sum = 0;
    if (count <= 0 || count > MOST || rte_eth_xstats_get(port->id, values, MOST) != count)
        return 0;
    for (int i = 0; i < count; i++)
        if (values[i].id < (unsigned)count && port_device_is_loss(names[values[i].id].name))
            sum += values[i].value;
    return sum;
}

# SPDX-License-Identifier: BSD-3-Clause
"""Three namespaces and two cables.

    weir-client eth0 ─── weir-out  weir-host  weir-in ─── eth0 weir-backend

The host's ends carry no address, and netfilter drops whatever its kernel receives there: only the
data plane, which taps the frames before that, answers. For net_tap a bridge joins each end with the
device that the driver makes. Checksum and segmentation offload are off, or frames on a veth carry
no finished checksum.
"""

import os

from .names import (BACKEND, BACKEND4, BACKEND6, CLIENT, HOST, MANY4, MANY6, NAMESPACES, client4,
                    client6, client_hosts)
from .system import LabError, run, stop, within

CABLES = (("weir-out", "02:00:5e:33:64:01", CLIENT, "02:00:5e:33:64:10"),
          ("weir-in", "02:00:5e:71:00:01", BACKEND, "02:00:5e:71:00:10"))
OFFLOADS = "tx off rx off tso off gso off gro off".split()


def up(bridged):
    for namespace in NAMESPACES:
        run("ip", "netns", "add", namespace)
        run(*within(namespace, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0",
                    "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_ra=0",
                    "net.ipv6.conf.default.accept_ra=0", "net.ipv4.conf.all.rp_filter=0",
                    "net.ipv4.conf.default.rp_filter=0", "net.ipv4.ip_forward=0"))
        run("ip", "-n", namespace, "link", "set", "lo", "up")
    for shield_end, shield_mac, namespace, mac in CABLES:
        cable_lay(shield_end, shield_mac, namespace, mac)
    for number, (end, *_) in enumerate(CABLES):
        bridge_add(f"weir-br{number}", end) if bridged else deafen(end)
    # Those that are deprecated are used on demand only: .10 and ::10 are who the client is.
    addresses = [f"addr add {client4(last)}/24 dev eth0\naddr add {client6(last)}/64 dev eth0 nodad"
                 + (" preferred_lft 0" if last > 10 else "") for last in client_hosts()]
    run("ip", "-n", CLIENT, "-batch", "-", stdin="\n".join(
        addresses + [f"route add local {MANY4} dev lo", f"route add local {MANY6} dev lo"]) + "\n")
    run("ip", "-n", BACKEND, "-batch", "-", stdin=f"addr add {BACKEND4}/24 dev eth0\n"
        f"addr add {BACKEND6}/64 dev eth0 nodad\n")


def cable_lay(shield_end, shield_mac, namespace, mac):
    run("ip", "link", "add", "name", shield_end, "address", shield_mac, "netns", HOST,
        "numrxqueues", 1, "numtxqueues", 1, "type", "veth",
        "peer", "name", "eth0", "address", mac, "netns", namespace,
        "numrxqueues", 1, "numtxqueues", 1)
    run(*within(HOST, "sysctl", "-qw", f"net.ipv6.conf.{shield_end}.disable_ipv6=1"))
    for owner, device in ((HOST, shield_end), (namespace, "eth0")):
        run(*within(owner, "ethtool", "-K", device, *OFFLOADS))
        run("ip", "-n", owner, "link", "set", device, "up")


def deafen(end):
    run(*within(HOST, "nft", "-f", "-"), stdin=f"add table netdev {end}\n"
        f"add chain netdev {end} deaf "
        f"{{ type filter hook ingress device {end} priority 0; policy drop; }}\n")


def bridge_add(bridge, end):
    run("ip", "-n", HOST, "link", "add", bridge, "type", "bridge",
        "forward_delay", 0)
    run(*within(HOST, "sysctl", "-qw", f"net.ipv6.conf.{bridge}.disable_ipv6=1"))
    run("ip", "-n", HOST, "link", "set", bridge, "up")
    run("ip", "-n", HOST, "link", "set", end, "master", bridge)


def taps_join():
    """Puts the taps that the data plane has made on their bridges, as often as it makes them. The
    kernel's side gets another address: frames to a port's own are the bridge's, not the port's."""
    for number in range(len(CABLES)):
        run("ip", "-n", HOST, "link", "set", f"weir-tap{number}", "master", f"weir-br{number}",
            "address", f"02:00:5e:00:00:f{number}", check=False)


def existing():
    have = {line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.strip()}
    return [namespace for namespace in NAMESPACES if namespace in have]


def down():
    """Ends whatever runs in the namespaces, but not who called us, and removes them."""
    present = existing()
    pids = {int(pid) for namespace in present
            for pid in run("ip", "netns", "pids", namespace).split()}
    stop(pids - ancestors())
    for namespace in present:
        run("ip", "netns", "del", namespace)
    if existing():
        raise LabError(f"namespaces still there: {existing()}")


def ancestors():
    chain, pid = set(), os.getpid()
    while pid > 1:
        chain.add(pid)
        with open(f"/proc/{pid}/stat") as stat:
            pid = int(stat.read().rpartition(")")[2].split()[1])
    return chain

# SPDX-License-Identifier: BSD-3-Clause
"""NSD on 127.0.0.1:5300 in weir-host: forward, reverse and SPF zones for the lab's addresses.

Clients .10 to .89 are forward-confirmed; .90 to .97 and 198.18.0.0/16 have a PTR whose name has no
address; .98, .99 and all others have none.
"""

import ipaddress
import re

from . import names
from .system import LabError, fill, run, start, wait_until, within

ZONES = names.MOUNT / "dns"
CONFIG = ZONES / "nsd.conf"
HEAD = "$TTL 60\n@ IN SOA ns.example.net. hostmaster.example.net. {serial} 60 60 600 60\n" \
       "@ IN NS ns.example.net.\n"


def up():
    ZONES.mkdir(parents=True, exist_ok=True)
    for zone, text in zones().items():
        zone_file(zone).write_text(f"$ORIGIN {zone}\n" + HEAD.format(serial=1) + text)
    config_write()
    nsd = start("nsd", names.HOST, "nsd", "-d", "-c", CONFIG)
    wait_until("DNS", is_answering, 10, {"nsd": nsd})


def is_answering():
    said = run(*within(names.HOST, "dig", "+tries=1", "+time=1", "-p", names.DNS_PORT,
                       "@127.0.0.1", "example.net", "SOA"), check=False)
    return "ANSWER: 1" in said


def zone_file(zone):
    return ZONES / f"{zone.rstrip('.') or 'root'}.zone"


def add(path):
    """A zone file, named by its $ORIGIN; replaces the zone of that name."""
    text = path.read_text()
    origin = re.search(r"^\$ORIGIN\s+(\S+)", text, re.MULTILINE)
    if not origin:
        raise LabError(f"{path}: no $ORIGIN names the zone")
    zone = origin.group(1).lower().rstrip(".") + "."
    run("nsd-checkzone", zone, path)
    zone_file(zone).write_text(text)
    config_write()
    run("nsd-control", "-c", CONFIG, "reconfig")
    run("nsd-control", "-c", CONFIG, "reload", zone.rstrip(".") or ".")


def config_write():
    entries = "".join(
        f"zone:\n  name: \"{origin_of(path)}\"\n  zonefile: \"{path}\"\n"
        for path in sorted(ZONES.glob("*.zone")))
    fill("nsd.conf", CONFIG, port=names.DNS_PORT, zones_directory=ZONES, run=names.RUN,
         log=names.LOG, zones=entries)


def origin_of(path):
    return re.search(r"^\$ORIGIN\s+(\S+)", path.read_text(), re.MULTILINE).group(1)


def zones():
    """Texts by zone name. The root is ours too, so that what nobody has is NXDOMAIN."""
    forward = (names.TEMPLATES / "zones.txt").read_text()
    made = dict(zip(*[iter(re.split(r"^\$ORIGIN (\S+)\n", forward, flags=re.MULTILINE)[1:])] * 2))
    reverse4 = {"100.51.198.in-addr.arpa.": "", "18.198.in-addr.arpa.":
                "* IN PTR pool.example.org.\n", "19.198.in-addr.arpa.": ""}
    reverse6 = {reverse_zone("2001:db8:51::/64"): "", reverse_zone("2001:db8:5000::/36"): ""}
    made.update(reverse4 | reverse6)
    for last in names.client_hosts():
        host = client_name(last)
        addresses = (names.client4(last), names.client6(last))
        if 11 <= last < 90:
            made["example.org."] += f"{host}. IN A {addresses[0]}\n{host}. IN AAAA {addresses[1]}\n"
        if last < 98:
            for address in addresses:
                pointer = ipaddress.ip_address(address).reverse_pointer + "."
                zone = next(zone for zone in made if pointer.endswith("." + zone) and zone != ".")
                made[zone] += f"{pointer} IN PTR {host}.\n"
    return made


def client_name(last):
    return "client.good.example.org" if last == 10 else f"c{last}.clients.example.org"


def reverse_zone(prefix):
    network = ipaddress.ip_network(prefix)
    labels = network.network_address.reverse_pointer.split(".")
    return ".".join(labels[32 - network.prefixlen // 4:]) + "."

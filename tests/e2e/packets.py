# SPDX-License-Identifier: BSD-3-Clause
"""Packets: what is malformed, forged or out of state is dropped, each under its own reason."""

import os
import random
import unittest

import frames
import lab
import talk
from frames import (ACK, FIN, PSH, RST, SYN, URG, arp, ether, icmp, icmp6, ipv4, ipv6, packed,
                    tcp)
from labkit import names

OTHER = names.client4(55)  # not our kernel's own connections
OTHER6 = names.client6(55)


def segment(flags, **options):
    return tcp(flags, source=OTHER, **options)


def segment6(flags, **options):
    return tcp(flags, source=OTHER6, target=names.SHIELD6, **options)


def plain4(payload, **options):
    return ether(ipv4(payload, source=OTHER, **options))


def plain6(payload, **options):
    return ether(ipv6(payload, source=OTHER6, **options), 0x86dd)


# What, frame, the reasons any of which it may be counted under. No IPv4 fragments: under
# net_af_packet the kernel reassembles them before Weir sees them.
MALFORMED = (
    ("frame without a whole IPv4 header", ether(b"\x45" + b"\0" * 9), "FRAME_TOO_SHORT"),
    ("frame without a whole IPv6 header", ether(b"\x60" + b"\0" * 20, 0x86dd), "FRAME_TOO_SHORT"),
    ("frame of an unknown type", ether(b"\0" * 60, 0x88cc), "FRAME_UNKNOWN_TYPE"),
    ("IPv4 with version 5", plain4(segment(SYN), version=5), "IP_BAD_HEADER"),
    ("IPv4 with a header of 16 bytes", plain4(segment(SYN), words=4), "IP_BAD_HEADER"),
    ("IPv4 longer than its frame", plain4(segment(SYN), length=1400), "IP_BAD_HEADER"),
    ("IPv4 shorter than its header", plain4(segment(SYN), length=12), "IP_BAD_HEADER"),
    ("IPv6 longer than its frame", plain6(segment6(SYN), length=1400), "IP_BAD_HEADER"),
    ("IPv4 with a wrong checksum", plain4(segment(SYN), broken=True), "IP_BAD_CHECKSUM"),
    ("IPv6 fragment", plain6(b"\x06\0\0\1\0\0\0\1" + segment6(SYN), following=44),
     "IP_FRAGMENT IP_OPTIONS"),
    ("IPv4 source route", plain4(segment(SYN), options=b"\x83\x03\x04\x00"), "IP_OPTIONS"),
    ("IPv6 hop-by-hop options", plain6(b"\x06\0\x01\x04\0\0\0\0" + segment6(SYN), following=0),
     "IP_OPTIONS"),
    ("packet for somebody else", ether(ipv4(segment(SYN), source=OTHER, target="198.51.100.200")),
     "IP_NOT_OURS"),
    ("source 0.0.0.0", ether(ipv4(segment(SYN), source="0.0.0.0")), "IP_MARTIAN"),
    ("source 127.0.0.1", ether(ipv4(segment(SYN), source="127.0.0.1")), "IP_MARTIAN"),
    ("source multicast", ether(ipv4(segment(SYN), source="224.0.0.1")), "IP_MARTIAN"),
    ("source our own address", ether(ipv4(segment(SYN), source=lab.SHIELD)), "IP_MARTIAN"),
    ("source ::1", ether(ipv6(segment6(SYN), source="::1"), 0x86dd), "IP_MARTIAN"),
    ("source private", ether(ipv4(tcp(SYN, "10.1.2.3"), source="10.1.2.3")), "MARTIAN_LIST"),
    ("source private, IPv6",
     ether(ipv6(tcp(SYN, "fd00::1", names.SHIELD6), source="fd00::1"), 0x86dd), "MARTIAN_LIST"),
    ("IPv6 routing header of type 0",
     plain6(b"\x06\x02\0\1\0\0\0\0" + packed(OTHER6) + segment6(SYN), following=43),
     "IP_OPTIONS"),
    ("ICMP redirect", plain4(icmp(5, 1), protocol=1), "ICMP_IGNORED"),
    ("ICMPv6 redirect", plain6(icmp6(137, source=OTHER6), following=58), "ICMP_IGNORED"),
    ("router advertisement", plain6(icmp6(134, source=OTHER6), following=58), "ICMP_IGNORED"),
    ("ICMP error that quotes nothing of ours", plain4(icmp(3, 1, payload=b"\0" * 28), protocol=1),
     "ICMP_BAD"),
    ("UDP", plain4(b"\0\x35\0\x35\0\x08\0\0", protocol=17), "IP_PROTOCOL"),
    ("half a TCP header", plain4(segment(SYN)[:11]), "TCP_BAD_HEADER FRAME_TOO_SHORT"),
    ("TCP header length 4", plain4(segment(SYN, words=1)), "TCP_BAD_HEADER"),
    ("TCP header past its packet", plain4(segment(SYN, words=15)), "TCP_BAD_HEADER"),
    ("wrong TCP checksum", plain4(segment(SYN, broken=True)), "TCP_BAD_CHECKSUM"),
    ("wrong TCP checksum, IPv6", plain6(segment6(SYN, broken=True)), "TCP_BAD_CHECKSUM"),
    ("TCP option of length 0", plain4(segment(SYN, options=b"\x02\x00\x05\xb4")),
     "TCP_BAD_OPTIONS"),
    ("TCP option past the header", plain4(segment(SYN, options=b"\x02\x14\x05\xb4")),
     "TCP_BAD_OPTIONS"),
    ("no flags", plain4(segment(0)), "TCP_BAD_FLAGS"),
    ("SYN and FIN", plain4(segment(SYN | FIN)), "TCP_BAD_FLAGS"),
    ("SYN and RST", plain4(segment(SYN | RST)), "TCP_BAD_FLAGS"),
    ("all flags", plain4(segment(FIN | SYN | RST | PSH | ACK | URG)), "TCP_BAD_FLAGS"),
    ("FIN, PSH and URG", plain4(segment(FIN | PSH | URG)), "TCP_BAD_FLAGS OUT_OF_STATE"),
    ("SYN with data", plain4(segment(SYN, payload=b"x" * 30)), "SYN_MALFORMED"),
    ("SYN from port 0", plain4(segment(SYN, sport=0)), "SYN_MALFORMED"),
    ("SYN to a port of no service", plain4(segment(SYN, dport=22)), "NO_SERVICE"),
    ("ACK of no cookie", plain4(segment(ACK, ack=12345)), "COOKIE_INVALID OUT_OF_STATE"),
    ("ACK of no cookie, IPv6", plain6(segment6(ACK, ack=12345)), "COOKIE_INVALID OUT_OF_STATE"),
    ("RST of no connection", plain4(segment(RST, seq=99)), "OUT_OF_STATE"),
    ("FIN of no connection", plain4(segment(FIN | ACK, ack=7)), "OUT_OF_STATE COOKIE_INVALID"),
    ("SYN-ACK of no connection", plain4(segment(SYN | ACK, ack=7)), "OUT_OF_STATE TCP_BAD_FLAGS"),
    ("ICMP with a wrong checksum", plain4(icmp(8, broken=True), protocol=1), "ICMP_BAD"),
    ("ICMP cut short", plain4(b"\x08\x00", protocol=1), "ICMP_BAD FRAME_TOO_SHORT"),
    ("ICMP timestamp", plain4(icmp(13), protocol=1), "ICMP_IGNORED"),
    ("ARP of another hardware", ether(arp(hardware=6), 0x0806), "ARP_BAD"),
    ("ARP cut short", ether(arp()[:12], 0x0806), "ARP_BAD FRAME_TOO_SHORT"),
    ("neighbour solicitation cut short", plain6(b"\x87\0\0\0\0\0", following=58),
     "ND_BAD ICMP_BAD FRAME_TOO_SHORT"),
)


class Packets(unittest.TestCase):
    def test_malformed_and_forged_packets_are_dropped_under_their_reason(self):
        for what, frame, reasons in MALFORMED:
            with self.subTest(what=what), frames.Wire() as wire, lab.Watch() as watch:
                for _ in range(3):
                    wire.send(frame)
                lab.eventually(lambda: any(watch.rise(reason) >= 3 for reason in reasons.split()),
                               2, lambda: f"not {reasons}: {watch.changes()}")

    def test_random_bytes_in_every_header_leave_the_shield_serving(self):
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        seeds = [plain4(segment(SYN)), plain6(segment6(SYN)), plain4(icmp(8), protocol=1),
                 ether(arp(), 0x0806), plain4(segment(ACK | PSH, payload=b"NOOP\r\n"))]
        with frames.Wire() as wire:
            for _ in range(20000):
                frame = bytearray(chance.choice(seeds))
                for _ in range(chance.randrange(1, 4)):
                    frame[chance.randrange(12, len(frame))] = chance.randrange(256)
                wire.send(bytes(frame[:chance.randrange(14, len(frame) + 1)]))
        subject = lab.marker()
        with self.subTest(seed=seed):
            lab.swaks(lab.SHIELD, 25, subject=subject)
            lab.arrived(subject)

    def test_ping_is_answered(self):
        for server in lab.SHIELDS:
            lab.call("ping", "-c", 3, "-i", "0.2", "-W", 2, server)
            lab.call("ping", "-c", 1, "-s", 1400, "-W", 2, server)

    def test_a_forged_arp_does_not_steal_the_clients_place(self):
        with frames.Wire() as wire, talk.smtp() as client:
            for _ in range(10):
                wire.send(ether(arp(2, sender_mac=b"\x02\xde\xad\xbe\xef\x01"), 0x0806))
            self.assertTrue(client.smtp("NOOP").startswith("250"))

    def test_a_reset_with_a_guessed_number_does_not_end_a_session(self):
        with frames.Wire() as wire, talk.smtp() as client:
            port = client.socket.getsockname()[1]
            for _ in range(200):
                number = int.from_bytes(os.urandom(4), "big")
                wire.send(ether(ipv4(tcp(RST, sport=port, seq=number))))
            self.assertTrue(client.smtp("NOOP").startswith("250"))

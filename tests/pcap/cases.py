#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The packet cases, as captures: cases.py FOLDER [STAMP]

What goes in, what must come out and what must be counted is written here from the RFCs, by hand,
with an encoder of its own (tests/e2e/frames.py); nothing is recorded. For each case FOLDER gets
NAME.in.pcap, NAME.out.pcap and NAME.want (counters; refusals that are not named must not happen).
Times are seconds from the begin of the case. Sequence numbers, acknowledgments and timestamps are
relative to Weir's SYN-ACK.
"""

import shutil
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parents[1] / "scripts")]

from frames import (ACK, FIN, PSH, RST, SYN, URG, icmp, icmp6, ipv4, ipv6,  # noqa: E402
                    packed, tcp)

WEIR = bytes.fromhex("020000000001")
CLIENT, OTHER = bytes.fromhex("02005e336410"), bytes.fromhex("02deadbeef01")
ALL = b"\xff" * 6


class Four:
    name, weir, client, stranger = "ipv4", "198.51.100.1", "198.51.100.10", "198.51.100.20"
    kind, mss = 0x0800, 1500 - 40

    @staticmethod
    def ip(payload, protocol=6, source=client, target=weir, **options):
        if protocol == "icmp":
            protocol = 1
        return ipv4(payload, protocol, source, target, **options)

    @staticmethod
    def sent(payload, protocol=6, target=client):
        """What Weir sends: no identification, don't fragment (RFC 6864)."""
        packet = bytearray(ipv4(payload, protocol, Four.weir, target, fragment=0x4000))
        packet[4:6] = b"\0\0"
        packet[10:12] = struct.pack("!H", struct.unpack("!H", packet[10:12])[0] + 1)
        return bytes(packet)

    @staticmethod
    def echo(reply, rest=b"\0\1\0\1", payload=b"weir", broken=False):
        return icmp(0 if reply else 8, 0, rest, payload, broken)

    @staticmethod
    def ask(target, to=ALL):
        """Weir's question for a neighbour."""
        return ether(arp(1, WEIR, Four.weir, target, b"\0" * 6 if to == ALL else to), 0x0806, to,
                     WEIR)

    @staticmethod
    def tell(address, mac, to=WEIR):
        """The neighbour's answer."""
        return ether(arp(2, mac, address, Four.weir, WEIR), 0x0806, to, mac)

    @staticmethod
    def announce(address, mac, _=None):
        """Unasked, to everybody (RFC 5227)."""
        return ether(arp(1, mac, address, address, b"\0" * 6), 0x0806, ALL, mac)


class Six:
    name, weir, client, stranger = "ipv6", "2001:db8:51::1", "2001:db8:51::10", "2001:db8:51::20"
    kind, mss = 0x86dd, 1500 - 60

    @staticmethod
    def ip(payload, protocol=6, source=client, target=weir, **options):
        if protocol == "icmp":
            protocol = 58
        return ipv6(payload, protocol, source, target, **options)

    @staticmethod
    def sent(payload, protocol=6, target=client):
        return ipv6(payload, protocol, Six.weir, target)

    @staticmethod
    def echo(reply, rest=b"\0\1\0\1", payload=b"weir", broken=False):
        ends = (Six.weir, Six.client) if reply else (Six.client, Six.weir)
        return icmp6(129 if reply else 128, 0, rest, payload, *ends, broken)

    @staticmethod
    def nd(kind, flags, about, option, mac, source, target, frame_to, frame_from):
        message = icmp6(kind, 0, bytes([flags, 0, 0, 0]), packed(about) + bytes([option, 1]) + mac,
                        source, target)
        return ether(ipv6(message, 58, source, target, hops=255), 0x86dd, frame_to, frame_from)

    @staticmethod
    def group(address):
        return "ff02::1:ff" + packed(address)[13:].hex()[:2] + ":" + packed(address)[14:].hex()

    @staticmethod
    def ask(target, to=ALL):
        group = Six.group(target)
        multicast = b"\x33\x33" + packed(group)[12:]
        return Six.nd(135, 0, target, 1, WEIR, Six.weir, group if to == ALL else target,
                      multicast if to == ALL else to, WEIR)

    @staticmethod
    def tell(address, mac, to=WEIR):
        return Six.nd(136, 0x60, address, 2, mac, address, Six.weir, to, mac)

    @staticmethod
    def announce(address, mac, source=None):
        return Six.nd(136, 0x20, address, 2, mac, source or address, "ff02::1",
                      bytes.fromhex("333300000001"), mac)


def ether(payload, kind, to=WEIR, source=CLIENT):
    return to + source + struct.pack("!H", kind) + payload


def arp(operation, sender_mac, sender, target, target_mac, hardware=1):
    return struct.pack("!HHBBH6s4s6s4s", hardware, 0x0800, 6, 4, operation, sender_mac,
                       packed(sender), target_mac, packed(target))


class Case:
    def __init__(self, name, family=None, ends=0.3, late=0.01):
        self.name = f"{name}_{family.name}" if family else name
        self.family, self.ends, self.late = family, ends, late
        self.given, self.wanted, self.counts = [], [], {}
        CASES.append(self)

    def give(self, frame, at=0.0):
        self.given.append((at, frame))

    def want(self, frame, at=0.0):
        self.wanted.append((at, frame))

    def refuse(self, reason, *frames, at=0.0):
        """These frames are given and refused, and nothing is said to them."""
        for frame in frames:
            self.give(frame, at)
            self.count(reason)

    def count(self, name, more=1):
        self.counts[name] = self.counts.get(name, 0) + more

    # In terms of the family:

    def wrap(self, packet):
        return ether(packet, self.family.kind)

    def segment(self, flags, source=None, **options):
        """A client's segment to port 25, as a frame."""
        source = source or self.family.client
        made = tcp(flags, source, self.family.weir, **options)
        return self.wrap(self.family.ip(made, source=source))

    def reply(self, flags, to=CLIENT, target=None, dport=40000, sport=25, window=65535, **options):
        """Weir's segment, as a frame."""
        target = target or self.family.client
        made = bytearray(tcp(flags, self.family.weir, target, sport=sport, dport=dport, **options))
        if window != 65535:
            made[14:16] = struct.pack("!H", window)
            total = struct.unpack("!H", made[16:18])[0]
            made[16:18] = struct.pack("!H", ones(total, 65535, window))
        return ether(self.family.sent(bytes(made), target=target), self.family.kind, to, WEIR)

    def meet(self, at=0.0, address=None, mac=CLIENT):
        """Weir asks for the neighbour and is answered."""
        address = address or self.family.client
        self.want(self.family.ask(address), at)
        self.give(self.family.tell(address, mac), at)

    def ping(self, at=0.0, mac=CLIENT):
        self.give(self.wrap(self.family.ip(self.family.echo(False), "icmp")), at)
        return ether(self.family.sent(self.family.echo(True), 1 if self.family is Four else 58),
                     self.family.kind, mac, WEIR)

    def open(self, **options):
        """SYN, neighbour, SYN-ACK: the handshake but for its last segment."""
        self.give(self.segment(SYN, seq=1000, **options))
        self.meet()
        self.want(self.synack())

    def session(self):
        """The whole handshake and the greeting. Nobody is there to answer the rDNS question."""
        self.open()
        self.give(self.segment(ACK, seq=1001, ack=1), 0.1)
        self.want(self.reply(ACK | PSH, seq=1, ack=1001, payload=GREETING), 0.1)
        self.count("session_question_full")

    def synack(self, extra=b"", **options):
        return self.reply(SYN | ACK, seq=0, ack=1001, options=mss(self.family.mss) + extra,
                          **options)

    def write(self, folder):
        capture(folder / f"{self.name}.in.pcap", self.given)
        capture(folder / f"{self.name}.out.pcap", self.wanted)
        lines = [f"ends_us {round(self.ends * 1e6)}", f"late_us {round(self.late * 1e6)}"]
        lines += [f"{name} {value}" for name, value in self.counts.items()]
        (folder / f"{self.name}.want").write_text("\n".join(lines) + "\n")


CASES = []


def ones(checksum, before, after):
    """The checksum after a 16-bit word has changed (RFC 1624)."""
    total = (~checksum & 0xffff) + (~before & 0xffff) + after
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def capture(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for at, frame in frames:
            file.write(struct.pack("=IIII", *divmod(round(at * 1e6), 10**6), len(frame),
                                   len(frame)) + frame)


def mss(size):
    return struct.pack("!BBH", 2, 4, size)


# A handshake's options as Linux sends them; what Weir answers of them.
SYN_OPTIONS = mss(1400) + b"\x04\x02" + struct.pack("!BBII", 8, 10, 7777, 0) + b"\x01\x03\x03\x05"
SYNACK_OPTIONS = b"\x04\x02" + struct.pack("!BBII", 8, 10, 0, 7777) + b"\x01\x03\x03\x07"
GREETING = b"220 mail.example.net ESMTP\r\n"


def handshakes(family):
    c = Case("a_syn_is_answered_by_a_cookie_with_its_options", family)
    c.give(c.segment(SYN, seq=1000, options=SYN_OPTIONS))
    c.meet()
    c.want(c.synack(SYNACK_OPTIONS))
    c.count("syn_received")
    c.count("syn_answered")
    c.count("connections_accepted", 0)

    c = Case("a_plain_syn_gets_no_options_but_the_mss", family)
    c.open()
    c.count("syn_answered")

    c = Case("a_right_ack_makes_a_session_that_greets", family)
    c.session()
    c.give(c.segment(ACK, seq=1001, ack=1 + len(GREETING)), 0.2)
    c.count("connections_accepted")
    c.count("sessions_opened")

    c = Case("a_guessed_cookie_is_nothing", family)
    c.open()
    c.refuse("cookie_invalid", *[c.segment(ACK, seq=1001, ack=ack)
                                 for ack in (0, 2, 0x100, 0x7fffffff, 0xffffffff)], at=0.1)
    c.refuse("cookie_invalid", c.segment(ACK, seq=1002, ack=1),
             c.segment(ACK, seq=1001, ack=1, sport=40001), at=0.1)
    c.count("connections_accepted", 0)

    c = Case("a_cookie_is_of_its_source_alone", family)
    c.open()
    # The number is right, but it was another's: the flow's own number would be added to it.
    c.refuse("cookie_invalid", c.segment(ACK, source=family.stranger, seq=1001, ack=1), at=0.1)

    c = Case("a_syn_ack_is_sent_again_after_1_s_and_3_s", family, ends=8)
    c.open()
    c.want(c.synack(), 1.0)
    c.want(c.synack(), 3.0)
    c.count("syn_acks_retransmitted", 2)

    c = Case("a_reset_ends_the_wait_for_the_final_ack", family, ends=4)
    c.open()
    c.refuse("out_of_state", c.segment(RST, seq=1001), at=0.5)
    c.count("syn_acks_retransmitted", 0)

    c = Case("a_reset_that_is_not_exact_is_challenged", family)  # RFC 5961, section 3.2
    c.session()
    c.refuse("tcp_challenged", c.segment(RST, seq=1002), at=0.15)
    c.want(c.reply(ACK, seq=1 + len(GREETING), ack=1001), 0.15)
    c.refuse("tcp_out_of_window", c.segment(RST, seq=1000), at=0.15)
    c.give(c.segment(ACK, seq=1001, ack=1 + len(GREETING)), 0.2)
    c.count("connections_closed", 0)

    c = Case("syns_over_the_rate_of_a_source_stay_unanswered", family)
    c.open()
    for port in range(1, 100):
        c.give(c.segment(SYN, seq=1000, sport=40000 + port), 0.01)
        c.want(c.synack(dport=40000 + port), 0.01)
    c.refuse("syn_rate_source",
             *[c.segment(SYN, seq=1000, sport=41000 + port) for port in range(20)], at=0.01)
    c.count("syn_received", 120)
    c.count("syn_answered", 100)


def strangers(family):
    c = Case("segments_of_no_connection_stay_unanswered", family)
    c.refuse("out_of_state", c.segment(RST, seq=99), c.segment(RST | ACK, seq=99, ack=5),
             c.segment(SYN | ACK, seq=1, ack=7))
    c.refuse("cookie_invalid", c.segment(ACK, ack=12345), c.segment(FIN | ACK, ack=7),
             c.segment(ACK | PSH, ack=9, payload=b"QUIT\r\n"))

    c = Case("flags_that_no_client_sends_stay_unanswered", family)
    c.refuse("tcp_bad_flags", *[c.segment(flags) for flags in (
        0, FIN, URG, PSH, FIN | PSH | URG, SYN | FIN, SYN | RST, SYN | FIN | ACK, RST | FIN,
        SYN | URG, FIN | SYN | RST | PSH | ACK | URG)])

    c = Case("ports_without_a_service_stay_unanswered", family)
    c.refuse("no_service", *[c.segment(SYN, dport=port) for port in (0, 22, 24, 26, 80, 65535)])

    c = Case("syns_with_data_or_from_port_0_stay_unanswered", family)
    c.refuse("syn_malformed", c.segment(SYN, payload=b"EHLO"), c.segment(SYN, sport=0))

    c = Case("wrong_tcp_checksums_and_headers_are_refused", family)
    c.refuse("tcp_bad_checksum", c.segment(SYN, broken=True),
             c.segment(ACK, ack=5, payload=b"odd", broken=True))
    c.refuse("tcp_bad_header", c.segment(SYN, words=4), c.segment(SYN, words=15),
             c.wrap(family.ip(b"\x9c\x40\0\x19")))
    c.refuse("tcp_bad_options", c.segment(SYN, options=b"\x02\x00\x05\xb4"),
             c.segment(SYN, options=b"\x02\x05\x05\xb4"),
             c.segment(SYN, options=b"\x01\x01\x01\x02"),
             c.segment(SYN, options=b"\x08\x0b\0\0\0\0\0\0\0\0\0\0"))

    c = Case("other_protocols_are_refused", family)
    datagram = b"\0\x35\0\x35\0\x08\0\0"
    c.refuse("ip_protocol", *[c.wrap(family.ip(datagram, protocol))
                              for protocol in (17, 132, 47, 4, 41, 255)])

    c = Case("packets_for_others_are_refused", family)
    other = "198.51.100.2" if family is Four else "2001:db8:51::2"
    c.refuse("ip_not_ours", c.wrap(family.ip(tcp(SYN, family.client, other), target=other)))
    c.refuse("frame_not_ours",
             ether(family.ip(tcp(SYN, family.client, family.weir)), family.kind, OTHER),
             ether(family.ip(tcp(SYN, family.client, family.weir)), family.kind, ALL))

    c = Case("land_and_other_sources_that_cannot_be_are_refused", family)
    sources = (("198.51.100.1", "203.0.113.1", "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1",
                "239.1.2.3", "240.0.0.1", "255.255.255.255", "198.51.100.255")
               if family is Four else
               ("2001:db8:51::1", "2001:db8:113::1", "::", "::1", "ff02::1", "ff0e::7",
                "::ffff:192.0.2.1", "::192.0.2.1", "fe80::1"))
    c.refuse("ip_martian", *[c.segment(SYN, source=source) for source in sources])
    c.refuse("ip_martian", c.wrap(family.ip(tcp(SYN, family.weir, family.weir, sport=25),
                                            source=family.weir)))


def icmp_messages(family):
    four = family is Four

    def message(kind, code=0, rest=b"\0\0\0\0", payload=b"", broken=False):
        made = (icmp(kind, code, rest, payload, broken) if four else
                icmp6(kind, code, rest, payload, family.client, family.weir, broken))
        return ether(family.ip(made, "icmp"), family.kind)

    def quote(source, sport=25, protocol=6, cut=None):
        quoted = (ipv4 if four else ipv6)(tcp(ACK, source, family.client, sport=sport), protocol,
                                          source, family.client)
        return quoted[:cut]

    unreachable, exceeded = (3, 11) if four else (1, 3)

    c = Case("a_ping_is_answered", family)
    answer = c.ping()
    c.meet()
    c.want(answer)

    c = Case("pings_over_the_rate_stay_unanswered", family)
    c.want(c.ping())
    c.meet()
    c.wanted.reverse()
    for _ in range(200):
        c.want(c.ping(0.2), 0.2)
    for _ in range(10):
        c.ping(0.2)
        c.count("icmp_rate")

    c = Case("redirects_and_other_messages_are_ignored", family)
    types = (0, 4, 5, 9, 10, 13, 14, 15, 17, 255) if four else (129, 133, 134, 137, 138, 139, 255)
    c.refuse("icmp_ignored", *[message(kind, payload=quote(family.weir)) for kind in types])

    c = Case("icmp_that_is_malformed_is_refused", family)
    c.refuse("icmp_bad", message(8 if four else 128, broken=True),
             message(8 if four else 128, code=1),
             ether(family.ip(b"\x08\0\0", "icmp"), family.kind))

    c = Case("errors_that_quote_what_is_not_ours_are_refused", family)
    c.refuse("icmp_bad", message(unreachable, 1, payload=quote(family.stranger)),
             message(unreachable, 1, payload=b""),
             message(exceeded, payload=quote(family.weir, cut=(20 if four else 40) + 7)),
             message(unreachable, 4, payload=bytes(60)))
    if not four:  # RFC 8201, section 4
        c.refuse("icmp_bad", message(2, rest=struct.pack("!I", 1279), payload=quote(family.weir)))
    c.refuse("icmp_ignored", message(unreachable, 1, payload=quote(family.weir, protocol=17)))

    c = Case("errors_about_no_connection_change_nothing", family)
    for kind in (unreachable, exceeded):
        c.give(message(kind, 0, payload=quote(family.weir)))

    c = Case("an_error_with_a_guessed_number_does_not_end_a_session", family)  # RFC 5927
    c.session()
    for number in (0, 0x40000000, 0x80000000, 0xc0000000):
        quoted = (ipv4 if four else ipv6)(
            tcp(ACK, family.weir, family.client, sport=25, dport=40000, seq=number), 6, family.weir,
            family.client)
        c.give(message(unreachable, 3 if four else 4, payload=quoted), 0.15)
    c.give(c.segment(ACK, seq=1001, ack=1 + len(GREETING)), 0.2)
    c.count("connections_closed", 0)


def neighbours(family):
    c = Case("announcements_of_strangers_are_not_learnt", family)
    c.give(family.announce(family.client, OTHER))
    c.give(family.tell(family.client, OTHER), 0.05)
    answer = c.ping(0.1)
    c.meet(0.1)
    c.want(answer, 0.1)

    c = Case("who_claims_our_address_is_refused", family)
    c.refuse("neighbor_spoofed", family.announce(family.weir, OTHER, family.stranger))

    # A known neighbour's place cannot be taken while it answers for itself.
    c = Case("a_forged_announcement_does_not_take_a_neighbours_place", family, ends=6)
    c.want(c.ping())
    c.meet()
    c.wanted.reverse()
    for at in (1.0, 1.1):
        c.refuse("neighbor_spoofed", family.announce(family.client, OTHER), at=at)
        c.refuse("neighbor_spoofed", family.tell(family.client, OTHER), at=at)
    c.want(family.ask(family.client, CLIENT), 1.0)
    c.give(family.tell(family.client, CLIENT), 1.2)
    c.want(c.ping(1.3), 1.3)

    # It did move (a fail-over): the old place is asked in vain, then everybody is.
    c = Case("a_neighbour_whose_old_place_is_silent_is_found_at_the_new_one", family, ends=6,
             late=0.7)  # neighbours are looked at in turns, each at least every 0.16 s
    c.want(c.ping())
    c.meet()
    c.wanted.reverse()
    c.refuse("neighbor_spoofed", family.announce(family.client, OTHER), at=1.0)
    for at in (1.0, 2.0, 3.0):
        c.want(family.ask(family.client, CLIENT), at)
    c.want(family.ask(family.client), 4.0)
    c.give(family.tell(family.client, OTHER), 4.8)
    c.want(c.ping(4.9, mac=OTHER), 4.9)


def of_ipv4():
    c = Case("lengths_and_sums_of_ipv4_headers_are_checked", Four)
    syn = tcp(SYN, Four.client, Four.weir)
    c.refuse("ip_bad_checksum", c.wrap(Four.ip(syn, broken=True)))
    c.refuse("ip_bad_header", c.wrap(Four.ip(syn, length=1400)), c.wrap(Four.ip(syn, length=19)),
             c.wrap(Four.ip(syn, length=0)), c.wrap(Four.ip(syn, words=4)),
             c.wrap(Four.ip(syn, version=6)))
    c.refuse("frame_too_short", c.wrap(Four.ip(syn)[:19]), WEIR + CLIENT)
    c.refuse("tcp_bad_header", c.wrap(Four.ip(syn, length=20)))

    c = Case("ipv4_options_are_refused", Four)
    c.refuse("ip_options", *[c.wrap(Four.ip(syn, options=options)) for options in (
        b"\x83\x07\x04\xc0\0\2\1\0",  # loose source route
        b"\x89\x07\x04\xc0\0\2\1\0",  # strict source route
        b"\x07\x07\x04\0\0\0\0\0",    # record route
        b"\x94\x04\0\0", b"\x01\x01\x01\x00")])

    c = Case("fragments_of_ipv4_are_refused_tiny_ones_too", Four)
    c.refuse("ip_fragment", c.wrap(Four.ip(syn, fragment=0x2000)),       # the first
             c.wrap(Four.ip(syn[:8], fragment=0x2000)),                  # tiny (RFC 1858)
             c.wrap(Four.ip(syn[8:], fragment=0x0001)),                  # it overlaps the header
             c.wrap(Four.ip(b"x" * 8, fragment=0x1fff)),                 # ends past 65535
             c.wrap(Four.ip(b"x" * 8, 17, fragment=0x2010)))

    c = Case("padding_is_no_payload", Four)
    c.give(c.segment(SYN, seq=1000) + b"\xff" * 6)
    c.meet()
    c.want(c.synack())

    c = Case("arp_is_answered_for_our_address_alone", Four)
    ask = arp(1, CLIENT, Four.client, Four.weir, b"\0" * 6)
    c.give(ether(ask, 0x0806, ALL))
    c.want(ether(arp(2, WEIR, Four.weir, Four.client, CLIENT), 0x0806, CLIENT, WEIR))
    c.refuse("frame_not_ours",
             ether(arp(1, CLIENT, Four.client, "198.51.100.2", b"\0" * 6), 0x0806, ALL))
    c.refuse("arp_bad", ether(arp(1, CLIENT, Four.client, Four.weir, b"\0" * 6, 6), 0x0806, ALL),
             ether(arp(3, CLIENT, Four.client, Four.weir, b"\0" * 6), 0x0806, ALL),
             ether(arp(2, ALL, Four.client, Four.weir, WEIR), 0x0806),
             ether(arp(2, b"\0" * 6, Four.client, Four.weir, WEIR), 0x0806),
             ether(arp(2, CLIENT, "224.0.0.1", Four.weir, WEIR), 0x0806))
    c.refuse("frame_too_short", ether(ask[:27], 0x0806, ALL))

    c = Case("frames_of_other_kinds_are_refused")
    c.refuse("frame_unknown_type", ether(b"\0" * 60, 0x88cc), ether(b"\0" * 60, 0x0006))
    c.refuse("frame_wrong_vlan", ether(struct.pack("!HH", 7, 0x0800) + Four.ip(syn), 0x8100))
    c.refuse("frame_too_short", b"", WEIR, ether(b"\0", 0x8100))


def of_ipv6():
    syn = tcp(SYN, Six.client, Six.weir)
    c = Case("lengths_of_ipv6_headers_are_checked", Six)
    c.refuse("ip_bad_header", c.wrap(Six.ip(syn, length=1400)),
             c.wrap(b"\x50" + Six.ip(syn)[1:]))
    c.refuse("frame_too_short", c.wrap(Six.ip(syn)[:39]))
    c.refuse("tcp_bad_header", c.wrap(Six.ip(syn, length=0)), c.wrap(Six.ip(syn, length=19)))

    def header(following, body=b"\x01\x04\0\0\0\0"):
        return bytes([following, (len(body) + 2) // 8 - 1]) + body

    c = Case("ipv6_extension_headers_are_refused", Six)
    c.refuse("ip_options", *[c.wrap(Six.ip(payload, kind)) for kind, payload in (
        (0, header(6) + syn),                                       # hop-by-hop
        (0, header(0) * 50 + header(6) + syn),                      # far too many
        (43, header(6, b"\0\1\0\0\0\0" + packed("2001:db8::1")) + syn),  # type 0 (RFC 5095)
        (43, header(6, b"\4\0\0\0\0\0") + syn),
        (60, header(6) + syn),                                      # destination options
        (60, header(44) + b"\6\0\0\1\0\0\0\1" + syn),               # to hide a fragment
        (51, b"\6\4" + bytes(22) + syn), (50, bytes(40)), (135, header(59)))])
    c.refuse("ip_protocol", c.wrap(Six.ip(b"", 59)))

    c = Case("fragments_of_ipv6_are_refused_tiny_ones_too", Six)
    c.refuse("ip_fragment", c.wrap(Six.ip(b"\6\0\0\1\0\0\0\1" + syn, 44)),  # the first
             c.wrap(Six.ip(b"\6\0\0\0\0\0\0\1" + syn, 44)),                 # atomic (RFC 8021)
             c.wrap(Six.ip(b"\6\0\0\1\0\0\0\1" + syn[:8], 44)),             # tiny (RFC 7112)
             c.wrap(Six.ip(b"\6\0\0\x08\0\0\0\1" + syn[8:], 44)),
             c.wrap(Six.ip(b"\x3a\0\0\1\0\0\0\1" + bytes(8), 44)))

    c = Case("a_solicitation_is_answered_for_our_address_alone", Six)

    def solicit(about, hops=255, target=None, kind=135):
        target = target or Six.group(about)
        message = icmp6(kind, 0, b"\0" * 4, packed(about) + b"\1\1" + CLIENT, Six.client, target)
        return ether(ipv6(message, 58, Six.client, target, hops=hops), 0x86dd,
                     b"\x33\x33" + packed(target)[12:])

    c.give(solicit(Six.weir))
    c.want(Six.nd(136, 0x60, Six.weir, 2, WEIR, Six.weir, Six.client, CLIENT, WEIR))
    c.refuse("nd_bad", solicit(Six.weir, hops=254))                 # it came over a router
    c.refuse("frame_not_ours", solicit("2001:db8:51::ff:2"))
    c.refuse("icmp_ignored", solicit(Six.weir, target="ff02::1", kind=134))


def main():
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for family in Four, Six:
        handshakes(family)
        strangers(family)
        icmp_messages(family)
        neighbours(family)
    of_ipv4()
    of_ipv6()
    for case in CASES:
        case.write(folder)
    for stamp in sys.argv[2:]:
        Path(stamp).write_text(f"{len(CASES)} cases\n")


if __name__ == "__main__":
    main()

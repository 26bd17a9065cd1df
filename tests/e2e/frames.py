# SPDX-License-Identifier: BSD-3-Clause
"""Frames by hand, on the client's cable: what no kernel would send."""

import ipaddress
import socket
import struct

import lab
from labkit import names

SHIELD_MAC = bytes.fromhex("02005e336401")
CLIENT_MAC = bytes.fromhex("02005e336410")
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


class Wire:
    """The client's end of the outside cable."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind(("eth0", 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, frame):
        self.socket.send(frame)


def packed(address):
    return ipaddress.ip_address(address).packed


def ether(payload, kind=0x0800, to=SHIELD_MAC):
    return to + CLIENT_MAC + struct.pack("!H", kind) + payload


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(payload, protocol=6, source=names.CLIENT4, target=lab.SHIELD, version=4, words=5,
         length=None, fragment=0, broken=False, options=b"", ttl=64):
    words += len(options) // 4
    length = 20 + len(options) + len(payload) if length is None else length
    head = struct.pack("!BBHHHBBH4s4s", version << 4 | words, 0, length, 1, fragment, ttl, protocol,
                       0, packed(source), packed(target)) + options
    total = checksum(head) ^ (0x5555 if broken else 0)
    return head[:10] + struct.pack("!H", total) + head[12:] + payload


def ipv6(payload, following=6, source=names.CLIENT6, target=names.SHIELD6, length=None, hops=64):
    length = len(payload) if length is None else length
    return struct.pack("!IHBB16s16s", 6 << 28, length, following, hops, packed(source),
                       packed(target)) + payload


def tcp(flags, source=names.CLIENT4, target=lab.SHIELD, sport=40000, dport=25, seq=1, ack=0,
        options=b"", payload=b"", words=None, broken=False):
    words = 5 + len(options) // 4 if words is None else words
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, words << 4, flags, 65535, 0, 0)
    segment = head + options + payload
    pseudo = packed(source) + packed(target) + struct.pack("!II", len(segment), 6)
    total = checksum(pseudo + segment) ^ (0x5555 if broken else 0)
    return segment[:16] + struct.pack("!H", total) + segment[18:]


def icmp(kind, code=0, rest=b"\0\0\0\1", payload=b"weir", broken=False):
    body = struct.pack("!BBH", kind, code, 0) + rest + payload
    total = checksum(body) ^ (0x5555 if broken else 0)
    return body[:2] + struct.pack("!H", total) + body[4:]


def icmp6(kind, code=0, rest=b"\0\0\0\1", payload=b"weir", source=names.CLIENT6,
          target=names.SHIELD6, broken=False):
    body = struct.pack("!BBH", kind, code, 0) + rest + payload
    pseudo = packed(source) + packed(target) + struct.pack("!II", len(body), 58)
    total = checksum(pseudo + body) ^ (0x5555 if broken else 0)
    return body[:2] + struct.pack("!H", total) + body[4:]


def arp(operation=1, hardware=1, sender=names.CLIENT4, target=lab.SHIELD, sender_mac=CLIENT_MAC):
    return struct.pack("!HHBBH6s4s6s4s", hardware, 0x0800, 6, 4, operation, sender_mac,
                       packed(sender), b"\0" * 6, packed(target))

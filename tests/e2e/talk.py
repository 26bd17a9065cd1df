# SPDX-License-Identifier: BSD-3-Clause
"""A client that says exactly what it is told, for what proper clients would never send."""

import base64
import socket
import struct
import time

import lab


class Talk:
    """A TCP connection to the shield; replies are read line by line. Usable in a with block."""

    def __init__(self, port=25, server=lab.SHIELD, source=None, greeting=True, seconds=20):
        source = (source, 0) if source else None
        self.begun = time.time()
        self.socket = socket.create_connection((server, port), seconds, source)
        self.buffer, self.ended = b"", False
        if port in (465, 993, 995):
            self.start_tls()
        if greeting:
            self.greeting = self.line() if port in (143, 993, 110, 995) else self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def start_tls(self):
        self.socket = lab.TlsContext().wrap_socket(self.socket)

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        """One line without its CR LF; empty at the end of the connection."""
        while b"\n" not in self.buffer:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                self.ended = True
                break
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r").decode(errors="replace")

    def reply(self):
        """An SMTP reply, all its lines; empty at the end of the connection."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def smtp(self, command):
        self.send(command + "\r\n")
        return self.reply()

    def tagged(self, command, tag="t1"):
        """An IMAP command; its untagged lines and the tagged one."""
        self.send(f"{tag} {command}\r\n")
        lines = [self.line()]
        while not self.ended and not lines[-1].startswith(tag + " "):
            lines.append(self.line())
        return lines

    def pop3(self, command):
        self.send(command + "\r\n")
        return self.line()

    def is_closed(self):
        """Whether the other side ends the connection before our time-out."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True

    def reset(self):
        """Vanish with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def plain(user=lab.ALICE, password=None):
    password = lab.PASSWORDS[user] if password is None else password
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def smtp(port=25, **options):
    """Greeted, and EHLO said."""
    talk = Talk(port, **options)
    talk.offered = talk.smtp("EHLO client.good.example.org")
    return talk


def submission(user=lab.ALICE, **options):
    """On 587, under TLS, logged in."""
    talk = smtp(587, **options)
    assert talk.smtp("STARTTLS").startswith("220")
    talk.start_tls()
    talk.offered = talk.smtp("EHLO client.good.example.org")
    answer = talk.smtp("AUTH PLAIN " + plain(user))
    assert answer.startswith("235"), answer
    return talk


def imap(user=lab.ALICE, port=993, **options):
    """Logged in."""
    talk = Talk(port, **options)
    if port == 143:
        assert " OK" in talk.tagged("STARTTLS")[-1]
        talk.start_tls()
    answer = talk.tagged(f"LOGIN {user} {lab.PASSWORDS[user]}")[-1]
    assert answer.startswith("t1 OK"), answer
    return talk

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A backend that may be killed at any time: sink.py ADDRESS PORT FILE

Takes every mail, and appends a line to FILE before it says 250: the sender's address, size and
SHA-256 of the mail as it was before the shield put its header fields on top.
"""

import hashlib
import os
import re
import socketserver
import sys
import time

OFFER = b"250-sink.example.net\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n" \
        b"250-ENHANCEDSTATUSCODES\r\n250 SIZE 60000000\r\n"
PUT_ON_TOP = re.compile(rb"(?:(?:Received|Received-SPF|Authentication-Results):[^\n]*\n"
                        rb"(?:[ \t][^\n]*\n)*)*", re.IGNORECASE)


class Session(socketserver.StreamRequestHandler):
    wbufsize = 0

    def handle(self):
        self.say(b"220 sink.example.net ESMTP\r\n")
        self.sender, self.chunks = b"", bytearray()
        while line := self.rfile.readline(4096):
            verb = line[:4].upper()
            if verb == b"QUIT":
                return self.say(b"221 2.0.0 bye\r\n")
            self.say(self.answer(verb, line))

    def say(self, reply):
        self.wfile.write(reply)

    def answer(self, verb, line):
        if verb == b"EHLO":
            return OFFER
        if verb == b"MAIL":
            self.sender, self.chunks = line[line.index(b"<") + 1:line.index(b">")], bytearray()
        elif verb == b"DATA":
            self.say(b"354 go on\r\n")
            self.store(self.dotted())
        elif verb == b"BDAT":
            _, size, *last = line.split()
            self.chunks += self.exactly(int(size))
            if last:
                self.store(bytes(self.chunks))
        return b"250 2.0.0 ok\r\n"

    def dotted(self):
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line.endswith(b"\r\n"):
                raise ConnectionError("ended within a mail")
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def exactly(self, size):
        chunk = self.rfile.read(size)
        if len(chunk) != size:
            raise ConnectionError("ended within a chunk")
        return chunk

    def store(self, mail):
        own = mail[PUT_ON_TOP.match(mail).end():]
        digest = hashlib.sha256(own).hexdigest().encode()
        os.write(self.server.file, b"%s %d %s\n" % (self.sender, len(own), digest))
        time.sleep(0.01)  # so that some replies are lost


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # connections end as they like here


if __name__ == "__main__":
    with Server((sys.argv[1], int(sys.argv[2])), Session) as server:
        server.file = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        server.serve_forever()

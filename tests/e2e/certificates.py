# SPDX-License-Identifier: BSD-3-Clause
"""TLS as openssl s_client sees it: versions and ciphers, names, tickets, new certificates live."""

import re
import tempfile
import unittest
from pathlib import Path

import lab
import talk
from labkit import certificate, names

OTHER = "other.example.net"
CBC = "ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA"
OLD = "AES256-GCM-SHA384:DHE-RSA-AES256-GCM-SHA384:DES-CBC3-SHA:aNULL:eNULL"


def handshake(*options, port=993, host="mail.example.net"):
    """What s_client tells of a handshake, its session and our taking leave, alerts too."""
    bye = "t LOGOUT" if port == 993 else "QUIT"
    done = lab.call("openssl", "s_client", "-connect", f"{lab.SHIELD}:{port}", "-CAfile", lab.CA,
                    "-servername", host, "-crlf", "-ign_eof", *options, stdin=f"{bye}\n",
                    seconds=10, check=False)
    return done.stdout + done.stderr


def serial_of(text):
    """That of the certificate in PEM which s_client showed."""
    pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.DOTALL)
    return lab.call("openssl", "x509", "-noout", "-serial", stdin=pem.group()).stdout


class Offered(unittest.TestCase):
    def test_old_versions_are_not(self):
        for version in ("-tls1", "-tls1_1"):
            for port in (465, 993, 995):
                with self.subTest(version, port=port):
                    self.assertIn("alert protocol version",
                                  handshake(version, "-cipher", "ALL:@SECLEVEL=0", port=port))

    def test_cbc_static_rsa_and_anonymous_ciphers_are_not(self):
        for ciphers in (CBC, OLD):
            with self.subTest(ciphers):
                self.assertIn("alert handshake failure",
                              handshake("-tls1_2", "-cipher", f"{ciphers}:@SECLEVEL=0"))

    def test_another_protocol_by_alpn_is_not(self):
        self.assertIn("alert no application protocol", handshake("-alpn", "http/1.1"))
        self.assertIn("ALPN protocol: imap", handshake("-alpn", "imap"))

    def test_renegotiation_is_not(self):
        said = handshake("-tls1_2")
        self.assertIn("Secure Renegotiation IS supported", said)  # RFC 5746, as a client wants it
        said = lab.call("openssl", "s_client", "-connect", f"{lab.SHIELD}:993", "-tls1_2",
                        stdin="R\n", check=False).stderr
        self.assertIn("no renegotiation", said)

    def test_both_new_versions_are_with_aead_and_a_chain_that_verifies(self):
        for version, cipher in (("-tls1_2", "ECDHE-ECDSA-(AES|CHACHA)"), ("-tls1_3", "TLS_")):
            with self.subTest(version):
                said = handshake(version, "-verify_return_error")
                self.assertRegex(said, f"Cipher is {cipher}")
                self.assertIn("Verify return code: 0 (ok)", said)


class Replaced(unittest.TestCase):
    def setUp(self):
        self.before = names.CONFIG.read_text()

    def tearDown(self):
        names.CONFIG.write_text(self.before)
        lab.ctl("config", "reload")

    def renew(self):
        certificate.leaf_make(certificate.LEAF, certificate.KEY, "mail.example.net",
                              "imap.example.net")
        lab.ctl("config", "reload")

    def test_a_reload_gives_new_connections_the_new_one_and_ends_no_session(self):
        old = serial_of(handshake())
        subject = lab.marker()
        with talk.submission() as writer, talk.imap() as reader:
            writer.smtp(f"MAIL FROM:<{lab.ALICE}>")
            writer.smtp(f"RCPT TO:<{lab.ALICE}>")
            self.renew()
            self.assertNotEqual(serial_of(handshake("-verify_return_error")), old)
            self.assertRegex(reader.tagged("NOOP")[-1], "^t1 OK")
            self.assertRegex(writer.smtp("DATA"), "^354")
            self.assertRegex(writer.smtp(f"Subject: {subject}\r\n\r\nx\r\n."), "^250")
        lab.arrived(subject)

    def test_a_certificate_that_does_not_fit_its_key_changes_nothing(self):
        serial, key = serial_of(handshake()), certificate.KEY.read_bytes()
        try:
            lab.call("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                     certificate.KEY)
            lab.ctl("config", "reload", check=False)
            self.assertEqual(serial_of(handshake()), serial)
        finally:
            certificate.KEY.write_bytes(key)

    def test_sessions_resume_and_do_so_over_a_reload(self):
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version), tempfile.TemporaryDirectory() as folder:
                session = Path(folder) / "session"
                self.assertIn("New, TLSv1", handshake(version, "-sess_out", session))
                self.assertIn("Reused, TLSv1", handshake(version, "-sess_in", session))
                self.renew()
                self.assertIn("Reused, TLSv1", handshake(version, "-sess_in", session))

    def test_the_name_asked_for_chooses_the_certificate(self):
        leaf, key = (names.MOUNT / f"other.{kind}" for kind in ("pem", "key"))
        certificate.leaf_make(leaf, key, OTHER, "*.wild.example.net")
        first = f"    - {{certificate: {certificate.LEAF}, key: {certificate.KEY}}}\n"
        self.assertIn(first, self.before)
        names.CONFIG.write_text(self.before.replace(
            first, f"{first}    - {{certificate: {leaf}, key: {key}}}\n"))
        lab.ctl("config", "reload")
        for host, owner in (("mail.example.net", "mail.example.net"),
                            ("imap.example.net", "mail.example.net"), (OTHER, OTHER),
                            ("OTHER.Example.NET", OTHER), ("a.wild.example.net", OTHER),
                            ("a.b.wild.example.net", "mail.example.net"),
                            ("nobody.example.net", "mail.example.net")):
            for port in (465, 993):
                with self.subTest(host, port=port):
                    self.assertRegex(handshake(port=port, host=host), f"subject=CN = {owner}\n")

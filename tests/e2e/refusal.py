# SPDX-License-Identifier: BSD-3-Clause
"""What must not pass: relaying, passwords in the clear or wrong, SPF fail, rules, size."""

import ast
import re
import unittest

import lab
import talk
from labkit import names

RELAY_ATTEMPTS = lab.ROOT / "tests/data/relay_attempts.def"


class Refusal(unittest.TestCase):
    def test_a_stranger_may_not_relay(self):
        for server in lab.SHIELDS:
            with self.subTest(server=server), lab.Watch() as watch:
                said = lab.swaks(server, 25, "--quit-after", "RCPT", to="victim@elsewhere.example",
                                 check=False)
                self.assertIn("554 5.7.1", said.stdout)
                watch.wait("SMTP_RELAY_DENIED")

    def test_nor_with_a_trick_in_the_address(self):
        forms = [ast.literal_eval(text) for text in
                 re.findall('^(".*"),$', RELAY_ATTEMPTS.read_text(), re.MULTILINE)]
        self.assertGreater(len(forms), 60)
        for number, form in enumerate(forms):
            with self.subTest(form), talk.smtp(source=f"198.19.77.{1 + number}") as client:
                client.smtp("MAIL FROM:<someone@many.example.org> SMTPUTF8")
                self.assertRegex(client.smtp(f"RCPT TO:{form}"), r"^5")
                self.assertRegex(client.smtp("DATA"), r"^503 ")

    def test_auth_before_tls_is_not_offered_and_refused(self):
        for port in (25, 587):
            with self.subTest(port=port), talk.smtp(port) as client:
                self.assertNotIn("AUTH", client.offered)
                self.assertIn("STARTTLS", client.offered)
                self.assertRegex(client.smtp("AUTH PLAIN " + talk.plain()), r"^5")
                self.assertRegex(client.smtp("AUTH LOGIN"), r"^5")

    def test_mail_before_auth_is_refused_on_submission(self):
        with talk.smtp(587) as client:
            self.assertRegex(client.smtp(f"MAIL FROM:<{lab.ALICE}>"), r"^530 ")
        with talk.smtp(465) as client:
            self.assertIn("AUTH", client.offered)
            self.assertRegex(client.smtp(f"MAIL FROM:<{lab.ALICE}>"), r"^530 ")

    def test_login_before_tls_is_refused_on_imap(self):
        with talk.Talk(143) as client, lab.Watch() as watch:
            self.assertIn("LOGINDISABLED", " ".join(client.tagged("CAPABILITY")))
            for command in (f"LOGIN {lab.ALICE} wonderland", "AUTHENTICATE PLAIN " + talk.plain()):
                self.assertRegex(client.tagged(command)[-1], r"^t1 (NO|BAD)")
            watch.wait("MAIL_TLS_REQUIRED", 2)

    def test_user_before_tls_is_refused_on_pop3(self):
        with talk.Talk(110) as client, lab.Watch() as watch:
            for command in (f"USER {lab.ALICE}", "PASS wonderland", "AUTH PLAIN " + talk.plain()):
                self.assertTrue(client.pop3(command).startswith("-ERR"))
            watch.wait("MAIL_TLS_REQUIRED")

    def test_a_wrong_password_is_refused_everywhere(self):
        with lab.Watch() as watch:
            with talk.smtp(465) as client:
                answer = client.smtp("AUTH PLAIN " + talk.plain(password="wrong"))
                self.assertRegex(answer, r"^535 ")
            with talk.Talk(993) as client:
                answer = client.tagged(f"LOGIN {lab.ALICE} wrong")[-1]
                self.assertRegex(answer, r"^t1 NO \[AUTHENTICATIONFAILED\]")
            with talk.Talk(995) as client:
                client.pop3(f"USER {lab.ALICE}")
                self.assertRegex(client.pop3("PASS wrong"), r"^-ERR \[AUTH\]")
            watch.wait("MAIL_AUTH_FAILED", 3)

    def test_an_unknown_user_and_an_empty_password_are_refused_alike(self):
        with talk.smtp(465) as client:
            unknown = client.smtp("AUTH PLAIN " + "AG5vYm9keUBleGFtcGxlLm5ldABndWVzcw==")
            empty = client.smtp("AUTH PLAIN " + talk.plain(password=""))
            self.assertRegex(unknown, r"^535 ")
            self.assertRegex(empty, r"^5")

    def test_a_session_ends_after_a_few_wrong_passwords(self):
        with talk.smtp(465) as client:
            for _ in range(5):
                if not client.smtp("AUTH PLAIN " + talk.plain(password="wrong")):
                    break
            self.assertTrue(client.is_closed())

    def test_a_sender_that_is_not_the_users_own_is_refused(self):
        with talk.submission() as client, lab.Watch() as watch:
            answer = client.smtp(f"MAIL FROM:<{lab.BOB}>")
            if answer.startswith("250"):
                answer = client.smtp(f"RCPT TO:<{lab.ALICE}>")
            self.assertRegex(answer, r"^55\d 5\.7\.1")
            watch.wait("SMTP_SENDER_NOT_OWNED")

    def test_a_client_on_dns_lists_is_refused(self):
        """In bl and not in allow, whose weight is the greater, or too little in bl."""
        zone = names.MOUNT / "bl.zone"
        head = "$TTL 60\n@ IN SOA ns.example.net. hostmaster.example.net. 2 60 60 600 60\n" \
               "@ IN NS ns.example.net.\n"
        nibbles = names.client6(71).replace("::", ":0:0:0:0:")
        nibbles = ".".join(reversed("".join(part.zfill(4) for part in nibbles.split(":"))))
        zone.write_text(f"$ORIGIN bl.example.org.\n{head}"
                        "71.100.51.198 IN A 127.0.0.2\n72.100.51.198 IN A 127.0.0.4\n"
                        f"73.100.51.198 IN A 127.0.0.9\n{nibbles} IN A 127.0.0.2\n")
        lab.lab("dns", zone)
        zone.write_text(f"$ORIGIN allow.example.org.\n{head}72.100.51.198 IN A 127.0.0.1\n")
        lab.lab("dns", zone)
        for source, code in ((names.client4(71), "554 5.7.1 "), (names.client6(71), "554 5.7.1 "),
                             (names.client4(72), "250 "), (names.client4(73), "250 ")):
            server = lab.SHIELDS[":" in source]
            with self.subTest(source=source), talk.smtp(server=server, source=source) as client:
                client.smtp("MAIL FROM:<a@many.example.org>")
                self.assertTrue(client.smtp(f"RCPT TO:<{lab.ALICE}>").startswith(code))

    def test_what_a_helo_name_is_to_its_address_is_told(self):
        for helo, source, match in (
                ("client.good.example.org", names.CLIENT4, "equal"),
                ("other.example.org", names.CLIENT4, "organisation"),
                ("mail.bank.example", names.CLIENT4, "mismatch"),
                ("[198.51.100.10]", names.CLIENT4, "forward")):
            with self.subTest(helo=helo):
                subject = lab.marker()
                lab.swaks(lab.SHIELD, 25, "--helo", helo, "--local-interface", source,
                          subject=subject)
                self.assertIn(f"x-helo={match}", lab.arrived(subject).decode())

    def test_spf_fail_is_refused(self):
        with talk.smtp() as client, lab.Watch() as watch:
            answer = client.smtp("MAIL FROM:<someone@fail.example.org>")
            if answer.startswith("250"):
                answer = client.smtp(f"RCPT TO:<{lab.ALICE}>")
            self.assertRegex(answer, r"^550 5\.7\.23")
            watch.wait("SMTP_SPF_FAIL")

    def test_postmaster_hears_whom_everybody_else_refuses(self):
        for postmaster in ("postmaster", "Postmaster@example.net"):
            subject = lab.marker()
            with self.subTest(postmaster), talk.smtp() as client:
                client.smtp("MAIL FROM:<someone@fail.example.org>")
                self.assertRegex(client.smtp(f"RCPT TO:<{lab.ALICE}>"), r"^550 5\.7\.23")
                self.assertRegex(client.smtp(f"RCPT TO:<{postmaster}>"), "^250 ")
                self.assertRegex(client.smtp(f"RCPT TO:<{lab.BOB}>"), r"^550 5\.7\.23")
                self.assertRegex(client.smtp("DATA"), "^354 ")
                self.assertRegex(client.smtp(f"Subject: {subject}\r\n\r\nlet me in\r\n."), "^250 ")
                self.assertIn("spf=fail", lab.arrived(subject).decode())

    def test_spf_of_a_foreign_address_fails(self):
        with talk.smtp(source=lab.names.client4(20)) as client:
            answer = client.smtp(f"MAIL FROM:<{lab.SENDER}>")
            if answer.startswith("250"):
                answer = client.smtp(f"RCPT TO:<{lab.ALICE}>")
            self.assertRegex(answer, r"^550 5\.7\.23")

    def test_a_zone_added_while_running_counts(self):
        zone = lab.names.MOUNT / "added.zone"
        name = f"{lab.marker()}.example"
        zone.write_text(f"$ORIGIN {name}.\n$TTL 5\n"
                        "@ IN SOA ns.example.net. hostmaster.example.net. 1 9 9 9 9\n"
                        "@ IN NS ns.example.net.\n@ IN TXT \"v=spf1 -all\"\n")
        lab.lab("dns", zone)
        with talk.smtp() as client:
            answer = client.smtp(f"MAIL FROM:<someone@{name}>")
            if answer.startswith("250"):
                answer = client.smtp(f"RCPT TO:<{lab.ALICE}>")
            self.assertRegex(answer, r"^550 5\.7\.23")

    def test_a_rule_rejects_a_mail_and_is_counted(self):
        for place in ("header", "body"):
            with self.subTest(place=place), talk.smtp() as client, lab.Watch() as watch:
                subject = lab.marker()
                client.smtp(f"MAIL FROM:<{lab.SENDER}>")
                client.smtp(f"RCPT TO:<{lab.ALICE}>")
                client.smtp("DATA")
                sign = "X-Weir-Test: EICAR-like-marker"
                mail = f"Subject: {subject}\r\n" + (
                    f"{sign}\r\n\r\nbody\r\n" if place == "header" else f"\r\nbody\r\n{sign}\r\n")
                self.assertRegex(client.smtp(mail + "."), r"^5")
                watch.wait("SMTP_RULE_REJECTED")
                self.assertTrue(client.smtp("RSET").startswith("250"))
                self.assertEqual(lab.mails_with(subject), [])

    def test_a_message_over_the_size_is_refused_at_mail(self):
        with talk.smtp() as client:
            self.assertRegex(client.smtp(f"MAIL FROM:<{lab.SENDER}> SIZE=999999999"), r"^552 ")

    def test_an_unknown_recipient_hears_the_backends_answer(self):
        with talk.smtp() as client:
            client.smtp(f"MAIL FROM:<{lab.SENDER}>")
            self.assertRegex(client.smtp("RCPT TO:<nobody-here@example.net>"), r"^550 5\.1\.1")

    def test_plaintext_behind_starttls_is_thrown_away(self):
        with talk.smtp() as client, lab.Watch() as watch:
            client.send(f"STARTTLS\r\nMAIL FROM:<{lab.SENDER}>\r\nRCPT TO:<{lab.ALICE}>\r\n")
            self.assertTrue(client.reply().startswith("220"))
            client.start_tls()
            client.smtp("EHLO client.good.example.org")
            self.assertRegex(client.smtp("DATA"), r"^503 ")
            watch.wait("TLS_PLAINTEXT_INJECTED")

    def test_what_only_backends_may_say_is_not_offered(self):
        with talk.smtp() as client:
            for word in ("XCLIENT", "XFORWARD", "ETRN"):
                self.assertNotIn(word, client.offered)
            self.assertRegex(client.smtp("XCLIENT ADDR=203.0.113.1 LOGIN=alice@example.net"), r"^5")

# SPDX-License-Identifier: BSD-3-Clause
"""Mail servers and libraries that others run deliver through Weir, each its own way: to 25, and to
587 logged in, both under STARTTLS with the certificate verified."""

import contextlib
import os
import shutil
import smtplib
import subprocess
import tempfile
import unittest
from pathlib import Path

import lab
from labkit import names, postfix

PORT = 2527  # where a mail server of the client takes mails
NAMED = "mail.example.net"
WAYS = {25: lab.SENDER, 587: lab.ALICE}
EXIM = """
primary_hostname = client.good.example.org
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
keep_environment =
begin routers
shield:
  driver = manualroute
  transport = out
  route_list = * {shield}::{port}
begin transports
out:
  driver = smtp
  hosts_require_tls = *
  hosts_require_auth = {authenticated}
  tls_verify_certificates = {ca}
  tls_verify_hosts = *
  tls_verify_cert_hostnames =
begin retry
* * F,1m,1s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^{user}^{password}
"""
OPENSMTPD = """
table secrets {{ lab = "{user}:{password}" }}
listen on 127.0.0.1 port {own}
action "out" relay helo client.good.example.org host "smtp+tls://{login}{named}:{port}" {auth}
match from any for any action "out"
"""
# Its folders and files have fixed names: they are its own in a mount namespace of its own.
OPENSMTPD_ROOT = """
mount -t tmpfs none /var/spool && mount -t tmpfs none /var/lib &&
mkdir -p -m 0711 /var/spool/smtpd /var/spool/own /var/lib/opensmtpd/empty &&
mount --bind {ca} /etc/ssl/certs/ca-certificates.crt && mount --bind {folder}/hosts /etc/hosts &&
mount --bind {folder} /var/spool/own && mount -t tmpfs none /run &&
exec /var/spool/own/package/usr/sbin/smtpd -d -f /var/spool/own/conf
"""
POSTFIX = """
myhostname = client.good.example.org
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [{shield}]:{port}
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
smtp_tls_security_level = verify
smtp_tls_verify_cert_match = {named}
smtp_tls_CAfile = {ca}
smtp_sasl_auth_enable = {authenticated}
smtp_sasl_password_maps = inline:{{ [{shield}]:587={user}:{password} }}
smtp_sasl_security_options = noanonymous
"""
NODEMAILER = """
const [host, port, name, from, to, subject, user, pass, ca] = process.argv.slice(1);
require("/usr/share/nodejs/nodemailer").createTransport({
  host, port, name, requireTLS: true, auth: user ? {user, pass} : undefined,
  tls: {ca: require("fs").readFileSync(ca), servername: "mail.example.net"},
}).sendMail({from, to, subject, text: "x\\n.\\n.y\\n"})
  .catch(error => { console.error(error); process.exitCode = 1; });
"""


def message(subject, port):
    return f"From: {WAYS[port]}\nTo: {lab.BOB}\nSubject: {subject}\n\nx\n.\n.y\n"


class Interop(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory(prefix="interop-", dir=names.MOUNT)
        self.addCleanup(home.cleanup)
        self.folder = Path(home.name)
        self.folder.chmod(0o755)

    def unpack(self, package):
        """Mail servers conflict, so they are not installed."""
        deb = lab.ROOT / f"build/packages/{package}.deb"
        if not deb.exists():
            self.skipTest(f"setup could not fetch {package}")
        lab.call("dpkg-deb", "-x", deb, self.folder / "package")

    def both(self, send):
        for port in WAYS:
            with self.subTest(port=port):
                subject = lab.marker()
                send(subject, port)
                mail = lab.arrived(subject, lab.BOB).decode()
                self.assertRegex(mail, "with ESMTPSA" if port == 587 else "with ESMTPS\\b")
                self.assertRegex(mail.partition("\n\n")[2], r"^x\n\.\n\.y\n*$")

    def test_smtplib(self):
        self.both(self.send_smtplib)

    def send_smtplib(self, subject, port):
        with smtplib.SMTP(lab.SHIELD, port, timeout=20) as client:
            client.starttls(context=lab.TlsContext())
            if port == 587:
                client.login(lab.ALICE, lab.PASSWORDS[lab.ALICE])
            client.sendmail(WAYS[port], lab.BOB, message(subject, port))

    def test_msmtp(self):
        self.both(self.send_msmtp)

    def send_msmtp(self, subject, port):
        login = ["--auth=plain", f"--user={lab.ALICE}",
                 f"--passwordeval=echo {lab.PASSWORDS[lab.ALICE]}"] if port == 587 else []
        lab.call("msmtp", "--file=/dev/null", f"--host={lab.SHIELD}", f"--port={port}", "--tls=on",
                 f"--tls-trust-file={lab.CA}", f"--tls-host-override={NAMED}", "--timeout=20",
                 "--domain=client.good.example.org", f"--from={WAYS[port]}", *login, lab.BOB,
                 stdin=message(subject, port))

    def test_nodemailer(self):
        self.both(self.send_nodemailer)

    def send_nodemailer(self, subject, port):
        login = (lab.ALICE, lab.PASSWORDS[lab.ALICE]) if port == 587 else ("", "")
        lab.call("node", "-e", NODEMAILER, lab.SHIELD, port, "client.good.example.org", WAYS[port],
                 lab.BOB, subject, *login, lab.CA)

    def test_exim(self):
        self.unpack("exim4-daemon-heavy")
        self.both(self.send_exim)

    def send_exim(self, subject, port):
        program = self.folder / "package/usr/sbin/exim4"
        conf = self.folder / "exim.conf"
        shutil.chown(self.folder, "Debian-exim")
        conf.write_text(EXIM.format(
            program=program, folder=self.folder, shield=lab.SHIELD, port=port, ca=lab.CA,
            authenticated="*" if port == 587 else "", user=lab.ALICE,
            password=lab.PASSWORDS[lab.ALICE]))
        lab.call(program, "-C", conf, "-odf", "-f", WAYS[port], "-i", lab.BOB,
                 stdin=message(subject, port))
        said = (self.folder / "mainlog").read_text()
        self.assertIn("Completed", said, said)

    def test_postfix(self):
        self.both(self.send_postfix)

    def send_postfix(self, subject, port):
        with self.postfix(port):
            submit(subject, port)
            lab.arrived(subject, lab.BOB)

    def test_what_is_put_off_stays_in_postfix_queue_and_arrives(self):
        subjects = [lab.marker() for _ in range(20)]
        with self.postfix(25) as log:
            lab.ctl("backends", "drain", "postfix")
            try:
                for subject in subjects:
                    submit(subject, 25)
                lab.eventually(lambda: log.read_text().count("status=deferred") >= len(subjects),
                               20, log.read_text)
            finally:
                lab.ctl("backends", "enable", "postfix")
            postfix.flush(self.folder / "postfix-25")
            for subject in subjects:
                lab.arrived(subject, lab.BOB)  # once
            self.assertNotIn("status=bounced", log.read_text())

    @contextlib.contextmanager
    def postfix(self, port):
        log = self.folder / f"postfix-{port}.log"
        settings = POSTFIX.format(
            shield=lab.SHIELD, port=port, named=NAMED, ca=lab.CA, user=lab.ALICE,
            password=lab.PASSWORDS[lab.ALICE], authenticated="yes" if port == 587 else "no")
        command = postfix.lay(self.folder / f"postfix-{port}", log, settings,
                              f"127.0.0.1:{PORT} inet n - n - - smtpd\n")
        with self.server(command, log, env={**os.environ, **postfix.ENVIRONMENT}):
            yield log

    @contextlib.contextmanager
    def server(self, command, log, **options):
        """One that takes mails at PORT; what it logged is the error when something fails."""
        with open(log, "a") as output:
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                      stderr=output, start_new_session=True, **options)
        try:
            lab.eventually(is_listening, 10, log.read_text)
            yield
        except AssertionError as error:
            raise AssertionError(lab.ctl("sessions", "list").stdout + log.read_text()) from error
        finally:
            server.terminate()
            server.wait(10)

    def test_opensmtpd(self):
        self.unpack("opensmtpd")
        self.both(self.send_opensmtpd)

    def send_opensmtpd(self, subject, port):
        (self.folder / "hosts").write_text(f"{lab.SHIELD} {NAMED}\n")
        conf = self.folder / "conf"
        conf.write_text(OPENSMTPD.format(
            user=lab.ALICE, password=lab.PASSWORDS[lab.ALICE], own=PORT, port=port, named=NAMED,
            login="lab@" if port == 587 else "", auth="auth <secrets>" if port == 587 else ""))
        conf.chmod(0o600)
        program = OPENSMTPD_ROOT.format(folder=self.folder, ca=lab.CA)
        with self.server(["unshare", "--mount", "sh", "-c", program], self.folder / "log"):
            submit(subject, port)
            lab.arrived(subject, lab.BOB)


def submit(subject, port):
    """To the client's own mail server."""
    with smtplib.SMTP("127.0.0.1", PORT, timeout=20) as client:
        client.sendmail(WAYS[port], lab.BOB, message(subject, port))


def is_listening():
    with contextlib.suppress(OSError, smtplib.SMTPException):
        with smtplib.SMTP("127.0.0.1", PORT, timeout=2):
            return True
    return False

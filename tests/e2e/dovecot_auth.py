# SPDX-License-Identifier: BSD-3-Clause
"""Dovecot says whether a password is right: the lab's own, and one with LDAP behind it."""

import imaplib
import json
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import lab
from labkit import names

LDAP = "127.0.0.1:13389"
DOVECOT = """protocols =
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
ssl = no
auth_mechanisms = plain
auth_failure_delay = 0
passdb {{
  driver = ldap
  args = {folder}/ldap.conf
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home=/nonexistent
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
"""
DOVECOT_LDAP = f"""uris = ldap://{LDAP}
ldap_version = 3
auth_bind = yes
base = dc=example,dc=net
pass_filter = (mail=%u)
pass_attrs = mail=user
"""
SLAPD = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
database mdb
suffix "dc=example,dc=net"
directory {folder}/db
"""
PEOPLE = """dn: dc=example,dc=net
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=alice,dc=example,dc=net
objectClass: inetOrgPerson
cn: alice
sn: alice
mail: {user}
userPassword: {password}
"""


def login(user, password):
    """OK, or the code of the refusal."""
    connection = imaplib.IMAP4_SSL(lab.SHIELD, 993, ssl_context=lab.TlsContext(), timeout=20)
    try:
        return connection.login(user, password)[0]
    except imaplib.IMAP4.error as error:
        text = str(error)
        return text[text.index("[") + 1:text.index("]")]
    finally:
        connection.shutdown()


def fault():
    return json.loads(lab.ctl("--json", "status").stdout)["auth"]["fault"]


class Dovecot(unittest.TestCase):
    config = names.CONFIG.read_text()

    def setUp(self):
        self.addCleanup(self.configure, self.config)

    def configure(self, text):
        names.CONFIG.write_text(text)
        lab.ctl("config", "reload")

    def ask(self, socket):
        before = "auth:\n"
        self.assertIn(before, self.config)
        self.configure(self.config.replace(
            before, f"auth:\n  backend: dovecot\n  socket: {socket}\n", 1))
        lab.eventually(lambda: not fault(), 10, fault)

    def test_the_labs_own_judges_and_what_was_typed_stays_itself(self):
        self.ask(names.RUN / "dovecot-auth")
        user, password = lab.ALICE, lab.PASSWORDS[lab.ALICE]
        self.assertEqual(login(user, password), "OK")
        self.assertEqual(login(user, "wrong"), "AUTHENTICATIONFAILED")
        self.assertEqual(login("nobody", "a\tresp=b"), "AUTHENTICATIONFAILED")
        self.assertEqual(login(user, password), "OK")

    def test_a_socket_that_is_not_there_is_no_wrong_password(self):
        self.configure(self.config.replace(
            "auth:\n", "auth:\n  backend: dovecot\n  socket: /nonexistent/auth\n", 1))
        lab.eventually(lambda: "No such file" in fault(), 10, fault)
        self.assertEqual(login(lab.ALICE, lab.PASSWORDS[lab.ALICE]), "UNAVAILABLE")

    @unittest.skipUnless(shutil.which("slapd") or Path("/usr/sbin/slapd").exists(), "no slapd")
    def test_ldap_behind_it_and_it_may_come_and_go(self):
        folder = Path(tempfile.mkdtemp(prefix="weir-ldap-"))
        self.addCleanup(shutil.rmtree, folder, True)
        folder.chmod(0o755)
        (folder / "db").mkdir()
        (folder / "slapd.conf").write_text(SLAPD.format(folder=folder))
        (folder / "dovecot.conf").write_text(DOVECOT.format(folder=folder))
        (folder / "ldap.conf").write_text(DOVECOT_LDAP)
        lab.call("/usr/sbin/slapadd", "-f", folder / "slapd.conf", stdin=PEOPLE.format(
            user=lab.ALICE, password=lab.PASSWORDS[lab.ALICE]))
        for path in (folder, folder / "db", *(folder / "db").iterdir()):
            shutil.chown(path, "nobody", "nogroup")
        slapd = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                 "/usr/sbin/slapd", "-d", "0", "-f", folder / "slapd.conf", "-h", f"ldap://{LDAP}")
        directory = self.run_beside(*slapd)
        self.run_beside("dovecot", "-F", "-c", folder / "dovecot.conf")
        self.ask(folder / "auth")
        good = (lab.ALICE, lab.PASSWORDS[lab.ALICE])
        lab.eventually(lambda: login(*good) == "OK", 10, lambda: login(*good))
        self.assertEqual(login(lab.BOB, lab.PASSWORDS[lab.BOB]), "AUTHENTICATIONFAILED")
        directory.terminate()
        directory.wait()
        self.assertEqual(login(lab.ALICE, "not asked before"), "UNAVAILABLE")
        self.run_beside(*slapd)
        lab.eventually(lambda: login(lab.ALICE, "not asked before") == "AUTHENTICATIONFAILED", 15)

    def run_beside(self, *command):
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        return process

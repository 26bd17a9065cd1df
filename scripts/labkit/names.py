# SPDX-License-Identifier: BSD-3-Clause
"""The lab's fixed names, addresses and files. Outside scripts rely on them: keep them.

Everything generated lies in build/lab. While the lab is up that folder is also mounted at
/run/weir-lab: unprivileged children can reach it there wherever the clone lies, unix socket paths
stay short, and a second clone finds the first one's processes.

WEIR_BUILD names another build to run than build/main, build/asan say; it is taken as it is.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build/main")).resolve()
FILES = ROOT / "build/lab"
MOUNT = Path("/run/weir-lab")
TEMPLATES = Path(__file__).parent / "templates"

LOG, RUN, PID = MOUNT / "log", MOUNT / "run", MOUNT / "pid"
CONFIG = MOUNT / "weir.yaml"
CONTROL_SOCKET = RUN / "control.sock"
DATAPLANE_SOCKET = RUN / "dataplane.sock"

CLIENT, HOST, BACKEND = "weir-client", "weir-host", "weir-backend"
NAMESPACES = (CLIENT, HOST, BACKEND)

SHIELD4, SHIELD6 = "198.51.100.1", "2001:db8:51::1"
CLIENT4, CLIENT6 = "198.51.100.10", "2001:db8:51::10"
MANY4, MANY6 = "198.18.0.0/15", "2001:db8:5000::/36"
INSIDE4, INSIDE6 = "203.0.113.1", "2001:db8:113::1"
BACKEND4, BACKEND6 = "203.0.113.10", "2001:db8:113::10"
DNS_PORT, METRICS = 5300, "127.0.0.1:9464"

SERVICES = {"smtp": 25, "submission": 587, "submissions": 465, "imap": 143, "imaps": 993,
            "pop3": 110, "pop3s": 995}
# The backend's further listeners, for the shield alone: those that take PROXY believe anybody.
FENCED = {"smtp_proxied": 10025, "smtp_starttls": 10026, "imap_proxied": 10143,
          "imaps_proxied": 10993, "pop3_proxied": 10110, "pop3s_proxied": 10995}
ACCOUNTS = {"alice@example.net": "wonderland", "bob@example.net": "builder"}


def client_hosts():
    """The client's addresses on the outside net, by last part: 10, and 11 to 99."""
    return range(10, 100)


def client4(last):
    return f"198.51.100.{last}"


def client6(last):
    return f"2001:db8:51::{last}"

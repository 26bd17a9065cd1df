# SPDX-License-Identifier: BSD-3-Clause
"""Backends' servers from outside: one that fails is followed by the next, PROXY and TLS reach real
servers, and the operator drains and sees them. The fakes of the backend namespace listen beside
Postfix and Dovecot."""

import re
import time
import unittest

import lab
import talk

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The parts of an IMAP session that the imap benches have in common: what the control plane says to
 * a login, and a mailbox server that greets with its capabilities and takes any login.
 */

#include "mail_rig.h"

#define IMAP_PLAY_GREETING "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n"
#define IMAP_PLAY_LOGIN    "a LOGIN alice@example.net wonderland\r\n"

void imap_play_answer(const struct message *question, struct message *answer);
// True: the line was of the login, or LOGOUT, and is answered.
bool imap_play_backend(struct mail_rig *rig, struct mail_rig_peer *backend, const char *line);

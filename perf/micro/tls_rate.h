// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Sessions of a mail_rig a second, of the shield's time, against the handshakes of tls_bare, in
 * turns; the best turn of each counts. Prints the figure.
 */

#include "mail_rig.h"

void tls_rate(const char *bench, const char *name, const struct mail_rig_play *play, bool is_smoke);

// Of a session that is a handshake only.
extern const struct mail_rig_play tls_rate_handshake;

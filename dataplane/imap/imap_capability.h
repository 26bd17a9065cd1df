// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Capability lists (RFC 9051, sections 7.2.2 and 7.1): what a backend offers, and what of it a
 * client may see. COMPRESS would blind us, UNAUTHENTICATE and another AUTHENTICATE would put a
 * session under a name that we did not check, referrals lead around us.
 */

#include "mail/mail.h"

// Does a line begin like one of those below? Its end may be missing.
bool imap_capability_begins(struct span line);
// The words of "* CAPABILITY …" or of a "[CAPABILITY …]" code behind OK; empty: the line has none.
struct span imap_capability_list(struct span line);
// What a line of a server, its greeting among them, says that it offers.
void imap_capability_note(struct mail_offer *offer, struct span line);

// Copies the line without the words that are not for clients. Bytes written, at most line.size.
size_t imap_capability_filter(struct span line, uint8_t *out);

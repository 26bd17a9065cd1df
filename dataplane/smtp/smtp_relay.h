// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Who may send to whom: the rule that keeps us from being an open relay.
 *
 *   a recipient passes  =  the client is authenticated, or in a relay network,
 *                          or the recipient's domain is ours and its local part routes nowhere.
 * All else is refused; there is no other way in.
 */

#include "base/check.h"
#include "smtp/smtp_path.h"

struct smtp;

// The client may send anywhere.
bool smtp_relay_is_trusted(const struct smtp *smtp);

// False: refuse it. Else *ret_backend is where the recipient belongs.
bool smtp_relay_find(const struct smtp *smtp, const struct smtp_path *path,
                     uint8_t *ret_backend) MUST_CHECK;

// The login owns what contract/policy_sender.h says, and the null sender.
bool smtp_relay_owns(const struct smtp *smtp, const struct smtp_path *sender) MUST_CHECK;

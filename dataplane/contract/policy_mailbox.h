// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Which backend has a login's mailbox: that of the service, or what the policy's mailbox map says
 * of the login, else of its domain. One login may have a backend for each protocol. All is compared
 * without case (of ASCII). The map has the shape of the sender map (contract/policy_sender.h).
 */

#include "base/check.h"
#include "contract/policy.h"

// Every entry names a backend; the map itself was found sound.
bool policy_mailbox_map_is_sound(const struct policy *policy) MUST_CHECK;

// An index into backends, of the service's protocol.
uint8_t policy_mailbox_backend(const struct policy *policy, unsigned service, struct span login);

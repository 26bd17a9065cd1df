// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Sources that the Internet cannot have: what `lists.martian` holds unless it is given. The
 * special-purpose prefixes that are not globally reachable (RFC 6890 and IANA's registries after
 * it), but for those that overlap the outside network or a relay network of this host, which is
 * then evidently not on the open Internet. What no packet at all may have as a source (unspecified,
 * loopback, multicast, reserved, our own) needs no list: the data plane's net station knows it.
 */

#include "config/config.h"

void config_martians_default(struct config *config); // after everything else was read

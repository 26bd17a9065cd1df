// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A resolver that asks a fake name server, turned by hand. */

#include "support/dns_fake.h"

struct dns_resolver;

struct lookup_rig {
    struct dns_fake dns;
    struct dns_resolver *resolver;
};

// NULL state on failure; timeout_ms is the resolver's.
struct lookup_rig *lookup_rig_open(unsigned timeout_ms);
void lookup_rig_close(struct lookup_rig *rig);

// Turns resolver and server until *done, at most wait_ms. Returns *done.
bool lookup_rig_run(struct lookup_rig *rig, const bool *done, unsigned wait_ms);

// SPDX-License-Identifier: BSD-3-Clause
#include "lookup_rig.h"

#include "lookup/dns_resolver.h"
#include "lookup/lookup_wait.h"

#include <poll.h>
#include <stdlib.h>

struct lookup_rig *lookup_rig_open(unsigned timeout_ms)
{
    char servers[32];
    struct lookup_rig *rig = calloc(1, sizeof *rig);
    if (!rig || !dns_fake_open(&rig->dns)) {
        free(rig);
        return NULL;
    }
    dns_fake_server(&rig->dns, servers, sizeof servers);
    struct dns_resolver_config config = {servers, timeout_ms};
    if (dns_resolver_open(&rig->resolver, &config) == 0)
        return rig;
    dns_fake_close(&rig->dns);
    free(rig);
    return NULL;
}

void lookup_rig_close(struct lookup_rig *rig)
{
    if (rig->resolver)
        dns_resolver_close(rig->resolver);
    dns_fake_close(&rig->dns);
    free(rig);
}

bool lookup_rig_run(struct lookup_rig *rig, const bool *done, unsigned wait_ms)
{
    uint64_t until_ms = lookup_now_ms() + wait_ms;
    while (!*done && lookup_now_ms() < until_ms) {
        dns_fake_turn(&rig->dns);
        dns_resolver_run(rig->resolver, lookup_now_ms());
        struct pollfd fds[] = {{.fd = dns_resolver_fd(rig->resolver), .events = POLLIN},
                               {.fd = rig->dns.udp, .events = POLLIN},
                               {.fd = rig->dns.tcp, .events = POLLIN}};
        if (!*done)
            poll(fds, 3, 2);
    }
    return *done;
}

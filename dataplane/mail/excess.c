// SPDX-License-Identifier: BSD-3-Clause
#include "mail/excess.h"

uint64_t excess_end_us(const struct mail_host *host, enum limit seconds, uint64_t from_us)
{
    return from_us + host->limits[seconds] * UINT64_C(1000000);
}

bool excess_ends(struct mail_host *host, enum limit limit, uint64_t count)
{
    return count >= host->limits[limit] && host->ops->enforce(host, limit, true);
}

void excess_slows(struct mail_host *host, enum limit free, uint64_t count)
{
    uint64_t us = host->limits[LIMIT_ERROR_DELAY_MS] * 1000;
    if (count <= host->limits[free] || us == 0 || !host->ops->enforce(host, free, false))
        return;
    host->ops->count(host, limit_facts(free)->reason);
    host->ops->hold(host, us);
}

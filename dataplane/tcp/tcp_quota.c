// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_quota.h"

uint32_t tcp_quota(uint32_t held, uint32_t most)
{
    if (held >= most)
        return 0;
    return tcp_max(TCP_QUOTA_LEAST, (most - held) / TCP_QUOTA_PART);
}

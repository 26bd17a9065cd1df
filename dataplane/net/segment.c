// SPDX-License-Identifier: BSD-3-Clause
#include "net/segment.h"

enum reason segment_read(const struct rte_mbuf *m, struct packet *packet)
{
    return segment_parse(m, packet->l4_offset, packet);
}

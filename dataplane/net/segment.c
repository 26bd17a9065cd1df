// SPDX-License-Identifier: BSD-3-Clause
#include "net/segment.h"

enum reason segment_read(const struct rte_mbuf *m, struct packet *packet)
{
    if (rte_pktmbuf_data_len(m) < packet->l4_offset + TCP_HEADER_SIZE)
        return REASON_TCP_BAD_HEADER;
    struct span ip = span_of(rte_pktmbuf_mtod(m, const uint8_t *), rte_pktmbuf_data_len(m));
    return segment_parse(m->ol_flags, ip, packet->l4_offset, packet);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "worker/worker_internal.h"

static unsigned flush_leg(struct worker *w, enum leg leg)
{
    struct worker_tx *tx = &w->tx[leg];
    uint16_t count = tx->count;
    if (count == 0)
        return 0;
    uint64_t bytes = 0;
    for (uint16_t i = 0; i < count; i++)
        bytes += rte_pktmbuf_pkt_len(tx->frames[i]);
    uint16_t sent = port_transmit(w->config.ports[leg], w->config.index, tx->frames, count);
    counter_add(w->counters, COUNTER_TX_PACKETS, sent);
    counter_add(w->counters, COUNTER_TX_BYTES, bytes);
    for (uint16_t i = sent; i < count; i++)
        counter_refuse(w->counters, REASON_TX_FULL);
    tx->count = 0;
    return count;
}

void worker_tx_transmit(void *worker, struct rte_mbuf *const *frames, unsigned count, enum leg leg)
{
    struct worker *w = worker;
    struct worker_tx *tx = &w->tx[leg];
    CHECK(count <= NET_BURST);
    memcpy(tx->frames + tx->count, frames, count * sizeof *frames);
    tx->count = (uint16_t)(tx->count + count);
    if (tx->count >= TX_BATCH)
        flush_leg(w, leg);
}

unsigned worker_tx_flush(struct worker *w)
{
    unsigned count = 0;
    for (int leg = 0; leg < LEG_COUNT; leg++)
        count += flush_leg(w, (enum leg)leg);
    return count;
}

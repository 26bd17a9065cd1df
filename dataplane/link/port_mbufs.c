// SPDX-License-Identifier: BSD-3-Clause
#include "link/port_mbufs.h"

#include <rte_eal.h>
#include <rte_mbuf.h>

struct rte_mempool *port_mbufs_open(const char *name, uint32_t count)
{
    struct rte_pktmbuf_pool_private room = {.mbuf_data_room_size = RTE_MBUF_DEFAULT_BUF_SIZE};
    unsigned flags = rte_eal_has_hugepages() ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
    struct rte_mempool *mbufs =
        rte_mempool_create_empty(name, count, sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE,
                                 PORT_MBUFS_CACHE, sizeof room, SOCKET_ID_ANY, flags);
    if (!mbufs)
        return NULL;
    if (rte_mempool_set_ops_byname(mbufs, "lf_stack", NULL) != 0) {
        rte_mempool_free(mbufs);
        return NULL;
    }
    rte_pktmbuf_pool_init(mbufs, &room);
    if (rte_mempool_populate_default(mbufs) < 0) {
        rte_mempool_free(mbufs);
        return NULL;
    }
    rte_mempool_obj_iter(mbufs, rte_pktmbuf_init, NULL);
    return mbufs;
}

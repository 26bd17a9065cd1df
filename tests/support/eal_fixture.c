// SPDX-License-Identifier: BSD-3-Clause
#include "support/eal_fixture.h"

#include "base/check.h"

#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <string.h>

void eal_fixture_start(void)
{
    static bool started;
    if (started)
        return;
    static const char *const arguments[] = {"test",        "--no-huge",      "-m",
                                            "256",         "--no-pci",       "--lcores=0@0",
                                            "--no-shconf", "--no-telemetry", "--log-level=*:error",
                                            NULL};
    char *copy[sizeof arguments / sizeof arguments[0]]; // rte_eal_init may reorder them
    memcpy(copy, arguments, sizeof copy);
    CHECK(rte_eal_init((int)(sizeof copy / sizeof copy[0]) - 1, copy) >= 0);
    started = true;
}

struct rte_mempool *eal_fixture_pool(const char *name, unsigned count)
{
    eal_fixture_start();
    struct rte_mempool *pool =
        rte_pktmbuf_pool_create(name, count, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    CHECK(pool != NULL);
    return pool;
}

void eal_fixture_complete(struct rte_mbuf *m)
{
    if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM))
        return;
    size_t at = (size_t)m->l2_len + m->l3_len;
    uint8_t *tcp = rte_pktmbuf_mtod_offset(m, uint8_t *, at);
    CHECK((m->ol_flags & RTE_MBUF_F_TX_IPV4 ? 20 : 40) == m->l3_len);
    CHECK(m->l4_len == (tcp[12] >> 4) * 4);
    uint16_t sum = (uint16_t)~rte_raw_cksum(tcp, m->data_len - at);
    memcpy(tcp + 16, &sum, sizeof sum);
}

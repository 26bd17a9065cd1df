// SPDX-License-Identifier: BSD-3-Clause
#include "linux/capture.h"

#include <rte_mbuf.h>
#include <stdlib.h>

enum { FRAME_MOST = 160, ETHERNET = 1 };

void capture_open(struct capture *capture, const char *path)
{
    static const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, FRAME_MOST, ETHERNET};
    capture->file = fopen(path, "wb");
    if (!capture->file) {
        perror(path);
        exit(1);
    }
    fwrite(head, sizeof head, 1, capture->file);
}

void capture_close(struct capture *capture)
{
    if (capture->file)
        fclose(capture->file);
    capture->file = NULL;
}

void capture_add(struct capture *capture, const struct rte_mbuf *m, uint64_t at_us)
{
    if (!capture->file)
        return;
    uint32_t size = m->data_len < FRAME_MOST ? m->data_len : FRAME_MOST;
    uint32_t head[4] = {(uint32_t)(at_us / 1000000), (uint32_t)(at_us % 1000000), size,
                        m->data_len};
    fwrite(head, sizeof head, 1, capture->file);
    fwrite(rte_pktmbuf_mtod(m, const void *), size, 1, capture->file);
}

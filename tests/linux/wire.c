// SPDX-License-Identifier: BSD-3-Clause
#include "linux/wire.h"

#include "base/check.h"

#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

enum { QUEUE_BYTES = 16 << 20, NOT_OURS = 23 /* PACKET_IGNORE_OUTGOING of linux/if_packet.h */ };

static uint64_t us_of(struct timespec t)
{
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t wire_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return us_of(now);
}

void wire_open(struct wire *wire, const char *interface, struct rte_mempool *mbufs)
{
    unsigned index = if_nametoindex(interface);
    int yes = 1, bytes = QUEUE_BYTES;
    struct ifreq request = {0};
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)index};
    *wire = (struct wire){.fd = socket(AF_PACKET, SOCK_RAW, 0), .mbufs = mbufs};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    if (index == 0 || wire->fd < 0 || ioctl(wire->fd, SIOCGIFHWADDR, &request) < 0 ||
        setsockopt(wire->fd, SOL_PACKET, NOT_OURS, &yes, sizeof yes) < 0 ||
        setsockopt(wire->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes) < 0 ||
        setsockopt(wire->fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes) < 0 ||
        setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0 ||
        setsockopt(wire->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0 ||
        bind(wire->fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        fprintf(stderr, "%s: %s\n", interface, strerror(errno));
        exit(1);
    }
    memcpy(wire->mac, request.ifr_hwaddr.sa_data, sizeof wire->mac);
}

static uint64_t stamp_of(struct msghdr *message)
{
    struct timespec at;
    const struct cmsghdr *c = CMSG_FIRSTHDR(message);
    CHECK(c && c->cmsg_type == SCM_TIMESTAMPNS);
    memcpy(&at, CMSG_DATA(c), sizeof at);
    return us_of(at);
}

unsigned wire_receive(struct wire *wire, struct rte_mbuf **ret_mbufs, uint64_t *ret_at_us)
{
    static uint8_t frames[WIRE_BURST][WIRE_FRAME_MAX];
    static uint8_t controls[WIRE_BURST][CMSG_SPACE(sizeof(struct timespec))];
    struct mmsghdr messages[WIRE_BURST] = {0};
    struct iovec parts[WIRE_BURST];
    for (unsigned i = 0; i < WIRE_BURST; i++) {
        parts[i] = (struct iovec){frames[i], WIRE_FRAME_MAX};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i],
                                              .msg_iovlen = 1,
                                              .msg_control = controls[i],
                                              .msg_controllen = sizeof controls[i]};
    }
    int count = recvmmsg(wire->fd, messages, WIRE_BURST, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        CHECK(!(messages[i].msg_hdr.msg_flags & MSG_TRUNC)); // segmentation offload is off
        ret_mbufs[i] = rte_pktmbuf_alloc(wire->mbufs);
        CHECK(ret_mbufs[i] != NULL);
        char *data = rte_pktmbuf_append(ret_mbufs[i], (uint16_t)messages[i].msg_len);
        CHECK(data != NULL);
        memcpy(data, frames[i], messages[i].msg_len);
        ret_at_us[i] = stamp_of(&messages[i].msg_hdr);
    }
    return count > 0 ? (unsigned)count : 0;
}

void wire_send(struct wire *wire, struct rte_mbuf *m)
{
    // A frame that the kernel has no room for is lost, as on any wire.
    (void)!send(wire->fd, rte_pktmbuf_mtod(m, const void *), m->data_len, MSG_DONTWAIT);
    rte_pktmbuf_free(m);
}

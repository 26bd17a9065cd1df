// SPDX-License-Identifier: BSD-3-Clause
/* Neighbour discovery one message after the other, each behind {mode, size}: the headers around it
 * (hop limit 255) and the checksum are right. The sender and destination are a choice of those that
 * matter. Whatever strangers tell, packets to the peer that is known go to its link address: who
 * claims it is asked about, not believed. */
#include "fuzz/fuzz.h"
#include "fuzz/icmp_wrap.h"

enum { FROM = 3, TO = 3, TO_SHIFT = 2, LATER = 16 };

static const char *const senders[] = {"2001:db8:51::10", "::", "fe80::10", "2001:db8:51::66"};
static const char *const destinations[] = {"2001:db8:51::1", "ff02::1:ff00:1", "fe80::ff:fe00:1",
                                           "ff02::1"};

static void check_sent(const struct rig *rig)
{
    for (unsigned i = 0; i < rig->sent_count; i++) {
        const struct frame *f = &rig->sent[i];
        if (frame_u16(f, 12) != 0x86dd)
            continue;
        CHECK(frame_sums_are_right(f) && memcmp(f->at + 6, rig_mac[rig->sent_leg[i]], 6) == 0);
        CHECK(f->at[AT_IP + 6] == 58 && f->at[AT_IP + 7] == 255);
        CHECK(f->at[AT_L4_V6] == 135 || f->at[AT_L4_V6] == 136);
    }
}

static void check_peer_is_not_moved(struct rig *rig)
{
    struct frame out = frame_tcp(LEG_OUTSIDE, "2001:db8:51::1", "2001:db8:51::10", TCP_ACK);
    rig_forget(rig);
    rig_output(rig, &out, LEG_OUTSIDE);
    for (unsigned i = 0; i < rig->sent_count; i++)
        if (rig->sent[i].at[AT_IP + 6] == 6)
            CHECK(memcmp(rig->sent[i].at, peer_mac, 6) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rig rig;
    struct reader r = reader_of(span_of(data, size));
    rig_init(&rig);
    rig_open(&rig);
    icmp_wrap_know_peers(&rig);
    bool forgotten = false;
    for (unsigned i = 0; i < 32 && r.left.size >= 2; i++) {
        uint8_t mode = reader_u8(&r);
        size_t most = reader_u8(&r);
        struct span icmp = reader_bytes(&r, most < r.left.size ? most : r.left.size);
        struct frame f = icmp_wrap(LEG_OUTSIDE, senders[mode & FROM],
                                   destinations[mode >> TO_SHIFT & TO], 255, icmp);
        if (mode & LATER) {
            rig_run(&rig, 2000000);
            forgotten = true; // who does not answer may be somewhere else
        }
        rig_forget(&rig);
        enum net_kind kind = rig_give(&rig, &f, LEG_OUTSIDE);
        CHECK(kind != NET_TCP);
        if (kind == NET_REFUSED)
            CHECK(rig.reason != REASON_NONE && rig.reason < REASON_COUNT);
        if (icmp.size && (icmp.at[0] == 135 || icmp.at[0] == 136))
            check_sent(&rig);
        if (!forgotten)
            check_peer_is_not_moved(&rig);
    }
    rig_close(&rig); // fails when an mbuf was lost
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
/* ICMP messages one after the other, each behind {leg and family, size}: the IP header around them
 * and the checksum are right, so that every byte is spent on what icmp.c reads. Quotes of our own
 * segments are what comes through; nothing else may. */
#include "fuzz/fuzz.h"
#include "fuzz/icmp_wrap.h"
#include "net/checksum.h"
#include "net/net_state.h"

enum { INSIDE = 1, V6 = 2 };

static const char *const peers[LEG_COUNT][FAMILY_COUNT] = {{"198.51.100.10", "2001:db8:51::10"},
                                                           {"203.0.113.10", "2001:db8:113::10"}};
static const char *const ours[LEG_COUNT][FAMILY_COUNT] = {{"198.51.100.1", "2001:db8:51::1"},
                                                          {"203.0.113.1", "2001:db8:113::1"}};

static void check_error(const struct rig *rig, enum leg leg, bool v6)
{
    const struct packet *p = &rig->packet;
    struct addr own;
    CHECK(addr_parse(ours[leg][v6], &own) && addr_equal(&p->src, &own) && p->leg == leg);
    CHECK(addr_is_v4(&p->src) != v6 && addr_is_v4(&p->dst) != v6);
    CHECK(rig->icmp.next_mtu == 0 || rig->icmp.next_mtu >= (v6 ? 1280 : 68));
    CHECK(rig->icmp.next_mtu == 0 || !rig->icmp.hard);
}

static void check_reply(const struct rig *rig, const struct frame *asked, bool v6)
{
    const struct frame *reply = &rig->sent[0];
    const uint8_t *ip = reply->at + AT_IP;
    size_t at = v6 ? AT_L4_V6 : AT_L4;
    struct span icmp = span_of(reply->at + at, reply->size - at);
    uint64_t sum =
        v6 ? checksum_add_v6(ip, IP_PROTOCOL_ICMP6, icmp) : checksum_add(0, icmp.at, icmp.size);
    CHECK(reply->size == asked->size);
    CHECK(v6 || checksum_is_right(span_of(ip, IP4_HEADER_SIZE)));
    CHECK(checksum_fold(sum) == 0xffff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rig rig;
    struct reader r = reader_of(span_of(data, size));
    rig_init(&rig);
    rig_open(&rig);
    icmp_wrap_know_peers(&rig);
    for (unsigned i = 0; i < 32 && r.left.size >= 2; i++) {
        uint8_t mode = reader_u8(&r);
        size_t most = reader_u8(&r) * 4u;
        struct span icmp = reader_bytes(&r, most < r.left.size ? most : r.left.size);
        enum leg leg = mode & INSIDE ? LEG_INSIDE : LEG_OUTSIDE;
        bool v6 = mode & V6;
        struct frame f = icmp_wrap(leg, peers[leg][v6], ours[leg][v6], 61, icmp);
        rig_forget(&rig);
        switch (rig_give(&rig, &f, leg)) {
        case NET_ICMP_ERROR:
            check_error(&rig, leg, v6);
            CHECK(rig.sent_count == 0); // no error answers an error
            break;
        case NET_ICMP_ECHO:
            if (rig.sent_count && leg == LEG_OUTSIDE) // within the rate; that peer is known
                check_reply(&rig, &f, v6);
            break;
        case NET_REFUSED:
            CHECK(rig.reason == REASON_ICMP_BAD || rig.reason == REASON_ICMP_IGNORED ||
                  rig.reason == REASON_ND_BAD); // from so far away
            CHECK(rig.sent_count == 0);
            break;
        case NET_DONE:
        case NET_TCP:
        default:
            CHECK(!"an ICMP message that is none");
        }
    }
    rig_close(&rig); // fails when an mbuf was lost
    return 0;
}

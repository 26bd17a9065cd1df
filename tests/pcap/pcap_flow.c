// SPDX-License-Identifier: BSD-3-Clause
#include "pcap_flow.h"

#include <string.h>

enum {
    ETHERNET = 14,
    AT_SEQ = 4,
    AT_ACK = 8,
    AT_OFFSET = 12,
    AT_FLAGS = 13,
    FLAG_SYN = 0x02,
    FLAG_ACK = 0x10,
};

struct layers { // NULL: not there
    uint8_t *ip, *tcp, *ts;
    size_t address_size, l4_size;
    uint8_t protocol;
    bool v4;
};

static uint32_t load(const uint8_t *at, size_t size)
{
    uint32_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return value;
}

static void store(uint8_t *at, uint32_t value)
{
    for (int i = 3; i >= 0; i--, value >>= 8)
        at[i] = (uint8_t)value;
}

static uint8_t *find_timestamps(uint8_t *tcp, size_t size)
{
    size_t end = (size_t)(tcp[AT_OFFSET] >> 4) * 4;
    for (size_t i = 20; i + 10 <= end && end <= size;) {
        if (tcp[i] == 8)
            return tcp + i + 2;
        if (tcp[i] == 0 || (tcp[i] > 1 && tcp[i + 1] < 2))
            return NULL;
        i += tcp[i] == 1 ? 1 : tcp[i + 1];
    }
    return NULL;
}

static struct layers layers_of(struct pcap_frame *frame)
{
    struct layers l = {0};
    uint32_t type = frame->size > ETHERNET ? load(frame->bytes + 12, 2) : 0;
    uint8_t *ip = frame->bytes + ETHERNET;
    size_t size = frame->size - ETHERNET, header = 0;
    if (type == 0x0800 && size >= 20 && ip[0] == 0x45 && load(ip + 2, 2) <= size) {
        l = (struct layers){.ip = ip, .v4 = true, .address_size = 4, .protocol = ip[9]};
        header = 20;
        size = load(ip + 2, 2);
    } else if (type == 0x86dd && size >= 40 && load(ip + 4, 2) + 40 <= size) {
        l = (struct layers){.ip = ip, .address_size = 16, .protocol = ip[6]};
        header = 40;
        size = load(ip + 4, 2) + 40;
    }
    if (!l.ip || size < header)
        return (struct layers){0};
    l.l4_size = size - header;
    if (l.protocol == 6 && l.l4_size >= 20) {
        l.tcp = ip + header;
        l.ts = find_timestamps(l.tcp, l.l4_size);
    }
    return l;
}

static uint32_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)sum;
}

static uint64_t sum_of(const uint8_t *at, size_t size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += i % 2 ? at[i] : (uint64_t)at[i] << 8;
    return sum;
}

static bool sums_are_right(const struct layers *l)
{
    if (!l->ip)
        return true; // ARP
    size_t header = l->v4 ? 20 : 40;
    uint64_t pseudo = sum_of(l->ip + header - 2 * l->address_size, 2 * l->address_size) +
                      l->protocol + l->l4_size;
    if (l->v4 && fold(sum_of(l->ip, 20)) != 0xffff)
        return false;
    return fold(sum_of(l->ip + header, l->l4_size) + (l->protocol == 1 ? 0 : pseudo)) == 0xffff;
}

// Adds to a number at an even place of the segment and adapts its checksum (RFC 1624).
static void add(uint8_t *tcp, uint8_t *at, uint32_t more)
{
    bool odd = (size_t)(at - tcp) % 2;
    uint8_t before[6] = {0}, after[6] = {0};
    memcpy(before + odd, at, 4);
    store(at, load(at, 4) + more);
    memcpy(after + odd, at, 4);
    uint64_t sum = (uint16_t)~load(tcp + 16, 2);
    for (int i = 0; i < 6; i += 2)
        sum += (uint16_t)~load(before + i, 2) + load(after + i, 2);
    uint32_t checksum = ~fold(sum);
    tcp[16] = (uint8_t)(checksum >> 8);
    tcp[17] = (uint8_t)checksum;
}

static struct pcap_flow flow_name(const struct layers *l, bool out)
{
    struct pcap_flow flow = {0};
    const uint8_t *addresses = l->ip + (l->v4 ? 12 : 8);
    memcpy(flow.name, addresses + (out ? l->address_size : 0), l->address_size);
    memcpy(flow.name + 16, l->tcp + (out ? 2 : 0), 2);
    memcpy(flow.name + 18, l->tcp + (out ? 0 : 2), 2);
    return flow;
}

static const struct pcap_flow *find(const struct pcap_flows *flows, const struct pcap_flow *name)
{
    for (size_t i = flows->count; i-- > 0;)
        if (memcmp(flows->flows[i].name, name->name, sizeof name->name) == 0)
            return &flows->flows[i];
    return NULL;
}

void pcap_flow_in(const struct pcap_flows *flows, struct pcap_frame *frame)
{
    struct layers l = layers_of(frame);
    if (!l.tcp || !(l.tcp[AT_FLAGS] & FLAG_ACK))
        return;
    struct pcap_flow name = flow_name(&l, false);
    const struct pcap_flow *flow = find(flows, &name);
    if (!flow)
        return;
    add(l.tcp, l.tcp + AT_ACK, flow->isn);
    if (l.ts)
        add(l.tcp, l.ts + 4, flow->ts);
}

bool pcap_flow_out(struct pcap_flows *flows, struct pcap_frame *frame)
{
    struct layers l = layers_of(frame);
    if (!sums_are_right(&l))
        return false;
    if (!l.tcp)
        return true;
    struct pcap_flow flow = flow_name(&l, true);
    const struct pcap_flow *known = find(flows, &flow);
    bool synack = (l.tcp[AT_FLAGS] & (FLAG_SYN | FLAG_ACK)) == (FLAG_SYN | FLAG_ACK);
    if (!known && synack && flows->count < PCAP_FLOWS_MAX) {
        flow.isn = load(l.tcp + AT_SEQ, 4);
        flow.ts = l.ts ? load(l.ts, 4) : 0;
        flows->flows[flows->count] = flow;
        known = &flows->flows[flows->count++];
    }
    if (known) {
        add(l.tcp, l.tcp + AT_SEQ, -known->isn);
        if (l.ts)
            add(l.tcp, l.ts, -known->ts);
    }
    return true;
}

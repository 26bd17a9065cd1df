// SPDX-License-Identifier: BSD-3-Clause
#include "support/tcp_record.h"

#include "support/link_sim_packet.h"
#include "tcp/tcp_conn.h"

#include <rte_mbuf.h>

void tcp_record_begin(struct tcp_record *record, uint64_t now_us, const char *pcap, FILE *trace)
{
    static const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 101}; // raw IP
    *record = (struct tcp_record){.start_us = now_us, .trace = trace};
    if (!pcap)
        return;
    record->pcap = fopen(pcap, "wbe");
    CHECK(record->pcap != NULL);
    fwrite(head, sizeof head, 1, record->pcap);
}

void tcp_record_end(struct tcp_record *record)
{
    if (record->pcap)
        fclose(record->pcap);
    record->pcap = NULL;
}

static void print(const struct tcp_record *record, const struct tcp_record_segment *s, FILE *out)
{
    char text[256];
    fprintf(out, "%12.6f %s %s\n", (double)(s->at_us - record->start_us) / 1e6, s->what,
            link_sim_packet_text(&s->packet, text));
}

void tcp_record_packet(struct tcp_record *record, uint64_t now_us, const char *what,
                       const struct rte_mbuf *m, const struct packet *packet)
{
    struct tcp_record_segment *s = &record->last[record->count++ % TCP_RECORD_LAST];
    *s = (struct tcp_record_segment){now_us, what, *packet};
    if (record->trace)
        print(record, s, record->trace);
    if (!record->pcap || !m)
        return;
    uint32_t head[4] = {(uint32_t)(now_us / 1000000), (uint32_t)(now_us % 1000000), m->data_len,
                        m->data_len};
    fwrite(head, sizeof head, 1, record->pcap);
    fwrite(rte_pktmbuf_mtod(m, const void *), m->data_len, 1, record->pcap);
}

void tcp_record_tell(const struct tcp_record *record, FILE *out)
{
    unsigned first = record->count > TCP_RECORD_LAST ? record->count - TCP_RECORD_LAST : 0;
    for (unsigned i = first; i < record->count; i++)
        print(record, &record->last[i % TCP_RECORD_LAST], out);
}

static void story_print(const struct trace_story *story, FILE *out)
{
    char text[TRACE_TEXT_SIZE];
    fprintf(out, "%s\n", trace_story_text(story, text));
    for (int i = 0; i < story->count; i++)
        fprintf(out, "  %s\n", trace_event_text(&story->events[i], text));
}

void tcp_record_stories(const struct tcp *tcp, unsigned ended, FILE *out)
{
    struct trace_story story;
    for (uint32_t i = 0; i < tcp->conns_begun; i++)
        if (tcp_story(tcp, tcp_conn_handle(tcp, tcp_conn_at(tcp, i)), &story))
            story_print(&story, out);
    for (unsigned age = 0; age < ended && tcp_story_ended(tcp, age, &story); age++)
        story_print(&story, out);
}

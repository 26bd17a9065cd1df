// SPDX-License-Identifier: BSD-3-Clause

/* From what strangers' name servers send to a verdict: questions as workers ask them, answered by
 * packets of the input, in an order of the input, some late, some never.
 */

#include "fuzz/fuzz.h"
#include "lookup/dns_questions.h"

#include <stdlib.h>

enum { PENDING_MAX = 256, RUN_MS = 36000000, ASKED_MAX = 64 };

struct pending {
    dns_resolver_done *done;
    void *context;
    enum dns_type type;
    char name[DNS_NAME_SIZE];
};

static struct pending pending[PENDING_MAX];
static unsigned pending_count;
static unsigned asked, answered;
static struct dns_questions *questions;
static uint64_t now_ms;

// In the place of the resolver's own: the linker finds these first.
void dns_resolver_ask(struct dns_resolver *resolver, const char *name, enum dns_type type,
                      dns_resolver_done *done, void *context)
{
    static struct dns_answer empty;
    dns_answer_make(&empty, pending_count == PENDING_MAX ? DNS_FAILED : DNS_EMPTY);
    if (pending_count == PENDING_MAX || !dns_name_is_askable(span_text(name)))
        return done(context, &empty);
    struct pending *p = &pending[pending_count++];
    *p = (struct pending){.done = done, .context = context, .type = type};
    memcpy(p->name, name, strlen(name) + 1);
}

void dns_reverse_name(const struct addr *addr, const char *zone, char ret_name[DNS_NAME_SIZE])
{
    memcpy(ret_name, "1.2.0.192.in-addr.arpa", sizeof "1.2.0.192.in-addr.arpa");
}

static void on_verdict(void *context, unsigned worker, const struct message *answer)
{
    CHECK(message_is_sound(answer) && answer->status != STATUS_ASKED);
    CHECK(answer->handle < asked && worker == answer->handle % 2);
    answered++;
}

static void ask(struct reader *r)
{
    uint8_t what = reader_u8(r);
    static const enum message_kind others[] = {MESSAGE_RDNS, MESSAGE_DNSBL, MESSAGE_HELO,
                                               MESSAGE_RDNS};
    enum message_kind kind = what & 1 ? MESSAGE_SPF : others[what >> 2 & 3];
    struct message m = message_make(kind, STATUS_ASKED, asked);
    struct addr addr;
    CHECK(addr_parse(what & 2 ? "2001:db8::1" : "192.0.2.1", &addr));
    if (what & 1) {
        struct span helo = reader_bytes(r, reader_u8(r));
        struct span sender = reader_bytes(r, reader_u8(r));
        m.spf_question.addr = addr;
        if (!message_name_set(&m.spf_question.helo, helo) || sender.size > MAIL_ADDRESS_MAX)
            return;
        m.spf_question.mail_from_size = (uint16_t)sender.size;
        if (sender.size)
            memcpy(m.spf_question.mail_from, sender.at, sender.size);
    } else {
        m.rdns_question.addr = addr; // where all have it
    }
    if (kind == MESSAGE_HELO &&
        (!message_name_set(&m.helo_question.helo, reader_bytes(r, reader_u8(r))) ||
         !message_name_set(&m.helo_question.name, reader_bytes(r, reader_u8(r)))))
        return;
    if (asked == ASKED_MAX || !message_is_sound(&m))
        return;
    dns_questions_take(questions, asked++ % 2, &m, now_ms);
}

struct packet {
    size_t size;
    uint8_t bytes[4096];
};

static void add(struct packet *packet, const void *bytes, size_t size)
{
    CHECK(size <= sizeof packet->bytes - packet->size);
    if (size)
        memcpy(packet->bytes + packet->size, bytes, size);
    packet->size += size;
}

static void add_name(struct packet *packet, struct span name)
{
    while (name.size > 0) {
        struct span label = span_head(name, span_find(name, '.'));
        uint8_t size = (uint8_t)(label.size < 63 ? label.size : 63);
        add(packet, &size, 1);
        add(packet, label.at, size);
        name = span_skip(name, label.size + 1);
    }
    add(packet, "", 1);
}

// The header and the question as they must be; the records are the input's.
static void packet_begin(struct packet *packet, const struct pending *p, uint8_t rcode,
                         uint8_t answers, uint8_t authorities)
{
    const uint8_t header[] = {0,           1, 0x81, (uint8_t)(0x80 | rcode), 0, 1, 0, answers, 0,
                              authorities, 0, 0};
    packet->size = 0;
    add(packet, header, sizeof header);
    add_name(packet, span_text(p->name));
    add(packet, (const uint8_t[]){0, (uint8_t)p->type, 0, 1}, 4);
}

static void add_record(struct packet *packet, enum dns_type type, struct span text)
{
    struct packet data = {0};
    uint8_t size = (uint8_t)text.size;
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        text = span_head(text, type == DNS_A ? 4 : 16);
        add(&data, text.at, text.size);
        break;
    case DNS_TXT:
        add(&data, &size, 1);
        add(&data, text.at, text.size);
        break;
    case DNS_MX:
        add(&data, "\0\012", 2);
        add_name(&data, text);
        break;
    case DNS_PTR:
        add_name(&data, text);
        break;
    }
    const uint8_t head[] = {0xc0,
                            12,
                            0,
                            (uint8_t)type,
                            0,
                            1,
                            0,
                            0,
                            1,
                            0,
                            (uint8_t)(data.size >> 8),
                            (uint8_t)data.size};
    add(packet, head, sizeof head);
    add(packet, data.bytes, data.size);
}

static struct pending pending_take(unsigned which)
{
    struct pending *place = &pending[which % pending_count];
    struct pending taken = *place;
    pending_count--;
    *place = pending[pending_count];
    return taken;
}

static void answer(struct reader *r, bool raw)
{
    static struct dns_answer parsed;
    struct packet packet;
    uint8_t which = reader_u8(r), counts = reader_u8(r);
    if (pending_count == 0)
        return;
    struct pending p = pending_take(which);
    if (raw) {
        packet_begin(&packet, &p, counts & 3, counts >> 2 & 7, counts >> 5);
        struct span records = reader_bytes(r, reader_u8(r));
        add(&packet, records.at, records.size);
    } else {
        packet_begin(&packet, &p, 0, counts % 12, 0);
        for (int i = 0; i < counts % 12; i++)
            add_record(&packet, p.type, reader_bytes(r, reader_u8(r)));
    }
    dns_answer_parse(span_of(packet.bytes, packet.size), p.name, p.type, &parsed);
    p.done(p.context, &parsed);
}

// Everybody gets an answer, and nothing is left behind.
static void end(void)
{
    static struct dns_answer failed;
    now_ms += RUN_MS; // also past the life of what is remembered: each run is one of its own
    dns_questions_expire(questions, now_ms);
    CHECK(answered == asked);
    for (int i = 0; pending_count > 0; i++) {
        struct pending p = pending_take(pending_count - 1);
        CHECK(i < 100 * PENDING_MAX);
        dns_answer_make(&failed, DNS_FAILED);
        p.done(p.context, &failed);
    }
    CHECK(answered == asked && dns_questions_timeout_ms(questions, now_ms) < 0);
    asked = answered = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lookup_dnsbl lists[] = {{.zone = "a.example", .weight = 3},
                                          {.zone = "b.example", .weight = -100},
                                          {.zone = "a.example", .weight = 100}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        CHECK(addr_pattern_parse("127.0.0.[2..11]", &lists[i].replies));
    struct dns_questions_config config = {.dnsbl = lists,
                                          .dnsbl_count = sizeof lists / sizeof lists[0],
                                          .timeout_ms = 5000,
                                          .host_name = "mail.example",
                                          .answer = on_verdict};
    if (!questions)
        CHECK(dns_questions_open(&questions, &config) == 0);
    struct reader r = reader_of(span_of(data, size));
    while (r.left.size > 0 && !r.short_read) {
        switch (reader_u8(&r) % 4) {
        case 0:
            ask(&r);
            break;
        case 1:
            answer(&r, true);
            break;
        case 2:
            answer(&r, false);
            break;
        case 3:
            now_ms += 20U * reader_u8(&r);
            dns_questions_expire(questions, now_ms);
            break;
        }
    }
    end();
    return 0;
}

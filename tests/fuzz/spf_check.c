// SPDX-License-Identifier: BSD-3-Clause

/* SPF from record to result. The input is text: a line for the sender, then one for each look-up in
 * turn. A line is the TXT record; or for other types names, or addresses when it begins with '=':
 * the client's own. '!' is a failure; no more lines, no record.
 */

#include "lookup/spf_check.h"
#include "fuzz/fuzz.h"

enum {
    /* Ten terms, each with ten names more; the names of the client's address, once; and the records
     * that include and redirect bring are terms. */
    LOOKUPS_MAX = 10 * 11 + 11 + 11,
};

struct zone {
    struct span left;
    struct addr client;
    unsigned lookups;
};

static struct span line_take(struct zone *zone)
{
    struct span line = span_head(zone->left, span_find(zone->left, '\n'));
    zone->left = span_skip(zone->left, line.size + 1);
    return line;
}

static void text_add(struct dns_answer *answer, struct span text)
{
    if (text.size >= DNS_BYTES_MAX - answer->bytes_used || answer->count == DNS_RECORDS_MAX)
        return;
    answer->records[answer->count++] =
        (struct dns_record){.offset = answer->bytes_used, .size = (uint32_t)text.size};
    if (text.size)
        memcpy(answer->bytes + answer->bytes_used, text.at, text.size);
    answer->bytes_used += (uint32_t)text.size;
    answer->bytes[answer->bytes_used++] = '\0';
}

static void names_add(struct dns_answer *answer, struct span line)
{
    while (line.size > 0) {
        struct span name = span_head(line, span_find(line, ' '));
        line = span_skip(line, name.size + 1);
        if (dns_name_is_askable(name)) // as the packet's reader promises
            text_add(answer, name);
    }
}

static const struct dns_answer *lookup(void *context, const char *name, enum dns_type type)
{
    static struct dns_answer answer;
    struct zone *zone = context;
    CHECK(++zone->lookups <= LOOKUPS_MAX);
    CHECK(strlen(name) < DNS_NAME_SIZE);
    struct span line = line_take(zone);
    bool failed = line.size > 0 && line.at[0] == '!';
    dns_answer_make(&answer, failed ? DNS_FAILED : DNS_EMPTY);
    if (failed || line.size == 0)
        return &answer;
    if (type == DNS_TXT)
        text_add(&answer, line);
    else if (type == DNS_MX || type == DNS_PTR)
        names_add(&answer, line);
    else
        answer.records[answer.count++].addr = line.at[0] == '=' ? zone->client : (struct addr){0};
    answer.status = answer.count ? DNS_FOUND : DNS_EMPTY;
    return &answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zone zone = {.left = span_of(data, size)};
    struct spf_dns dns = {lookup, &zone, "mail.example"};
    struct message m = message_make(MESSAGE_SPF, STATUS_ASKED, 0);
    struct span sender = line_take(&zone);
    bool v6 = sender.size > 0 && sender.at[0] == '6';
    CHECK(addr_parse(v6 ? "2001:db8::cb01" : "192.0.2.3", &zone.client));
    m.spf_question.addr = zone.client;
    CHECK(message_name_set(&m.spf_question.helo, span_text("mail.example.org")));
    if (sender.size > MAIL_ADDRESS_MAX)
        return 0;
    m.spf_question.mail_from_size = (uint16_t)sender.size;
    if (sender.size)
        memcpy(m.spf_question.mail_from, sender.at, sender.size);
    if (!message_is_sound(&m))
        return 0;
    uint32_t ttl;
    CHECK(spf_check(&m.spf_question, &dns, &ttl) < SPF_RESULT_COUNT);
    CHECK(ttl <= DNS_TTL_MAX);
    return 0;
}

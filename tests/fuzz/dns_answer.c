// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dns_answer.h"
#include "fuzz/fuzz.h"

// First byte: the type asked for; then the packet.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_A, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA};
    if (size == 0)
        return 0;
    static struct dns_answer answer;
    enum dns_type type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
    dns_answer_parse(span_of(data + 1, size - 1), "name.example", type, &answer);
    CHECK(answer.count <= DNS_RECORDS_MAX && answer.bytes_used <= DNS_BYTES_MAX);
    CHECK((answer.status == DNS_FOUND) == (answer.count > 0));
    for (uint32_t i = 0; i < answer.count && type != DNS_A && type != DNS_AAAA; i++) {
        const struct dns_record *record = &answer.records[i];
        CHECK(record->offset < DNS_BYTES_MAX && record->size < DNS_BYTES_MAX - record->offset);
        CHECK(answer.bytes[record->offset + record->size] == 0);
    }
    return 0;
}

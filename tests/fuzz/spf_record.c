// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/spf_record.h"
#include "fuzz/fuzz.h"

static void normalise(struct span record, const char *address, size_t size)
{
    struct addr client;
    char out[SPF_RECORD_MAX];
    struct spf_names names = {
        .sender = span_text("a-b@example.org"),
        .local_part = span_text("a-b"),
        .sender_domain = span_text("example.org"),
        .domain = span_text("x.example.org"),
        .helo = span_text("mail.example.org"),
    };
    CHECK(addr_parse(address, &client));
    if (!spf_record_normalise(record, &client, &names, out, size))
        return;
    CHECK(memchr(out, 0, size) != NULL);
    CHECK(spf_record_is(span_text(out)));
    for (const char *c = out; *c; c++)
        CHECK((*c >= ' ' && *c < 0x7f) || *c == SPF_RECORD_ANY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span record = span_of(data, size);
    (void)spf_record_domain_is_sound(record);
    if (!spf_record_is(record))
        return 0;
    normalise(record, "198.51.100.10", SPF_RECORD_MAX);
    normalise(record, "2001:db8::10", SPF_RECORD_MAX);
    normalise(record, "198.51.100.10", 16); // what does not fit is refused, not cut
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/spf_record.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span record = span_of(data, size);
    struct addr client;
    char out[SPF_RECORD_MAX];
    CHECK(addr_parse("198.51.100.10", &client));
    (void)spf_record_domain_is_sound(record);
    if (spf_record_is(record) && spf_record_normalise(record, &client, out, sizeof(out))) {
        CHECK(memchr(out, 0, sizeof(out)) != NULL);
        CHECK(spf_record_is(span_text(out)));
    }
    return 0;
}

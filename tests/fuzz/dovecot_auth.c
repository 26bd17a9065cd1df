// SPDX-License-Identifier: BSD-3-Clause
#include "fuzz/fuzz.h"
#include "lookup/dovecot_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span left = span_of(data, size);
    while (left.size > 0) {
        struct span text = span_head(left, span_find(left, '\n'));
        struct dovecot_line line = dovecot_line_read(text);
        CHECK(line.verb <= DOVECOT_MALFORMED);
        CHECK(line.user.size == 0 || (line.verb == DOVECOT_OK && line.user.at >= text.at &&
                                      line.user.at + line.user.size <= text.at + text.size));
        CHECK(!(line.temporary || line.refused) || line.verb == DOVECOT_FAIL);
        left = span_skip(left, text.size + 1);
    }
    return 0;
}

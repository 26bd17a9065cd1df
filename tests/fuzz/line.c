// SPDX-License-Identifier: BSD-3-Clause
#include "mail/line.h"
#include "fuzz/fuzz.h"

enum { LINE_MOST = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_of(data, size);
    (void)line_is_foreign_protocol(input);
    while (input.size > 0) {
        struct span line = {0}, rest;
        size_t taken = 0;
        enum reason reason = REASON_NONE;
        enum line_result result = line_take(input, LINE_MOST, &line, &taken, &reason);
        if (result == LINE_PARTIAL)
            break;
        CHECK(taken > 0 && taken <= input.size); // or a session would turn on the spot
        if (result == LINE_WHOLE) {
            CHECK(line.size + 2 == taken && line.size <= LINE_MOST);
            CHECK(span_find(line, '\n') == line.size && span_find(line, '\r') == line.size);
            CHECK(span_find(line, 0) == line.size);
            CHECK(line_word(line, &rest).size + rest.size <= line.size);
        } else {
            CHECK(reason != REASON_NONE);
        }
        input = span_skip(input, taken);
    }
    return 0;
}

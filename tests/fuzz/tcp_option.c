// SPDX-License-Identifier: BSD-3-Clause
#include "base/tcp_option.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tcp_option option, again;
    if (size > 40 || !tcp_option_parse(span_of(data, size), &option))
        return 0;
    CHECK(option.window_scale <= TCP_WINDOW_SCALE_MAX);
    CHECK(option.sack_count <= TCP_SACK_BLOCKS_MAX);

    uint8_t out[40];
    size_t written = tcp_option_write(&option, true, out);
    CHECK(written <= sizeof(out) && written % 4 == 0);
    CHECK(tcp_option_parse(span_of(out, written), &again));
    CHECK(again.mss == option.mss && again.window_scale == option.window_scale);
    return 0;
}

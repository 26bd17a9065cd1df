// SPDX-License-Identifier: BSD-3-Clause
#include "mail/sasl.h"
#include "fuzz/fuzz.h"

// First byte: the mechanism; then the client's lines, parted by LF.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sasl sasl;
    sasl_start(&sasl, data[0] & 1 ? SASL_PLAIN : SASL_LOGIN);
    struct span input = span_of(data + 1, size - 1);
    enum sasl_step step = SASL_MORE;
    for (int round = 0; step == SASL_MORE; round++) {
        CHECK(round < 4); // PLAIN takes one response, LOGIN two, each after an empty one at most
        struct span line = span_head(input, span_find(input, '\n'));
        input = span_skip(input, line.size + 1);
        const char *challenge = NULL;
        step = sasl_feed(&sasl, line, &challenge);
        CHECK(step != SASL_MORE || challenge != NULL);
    }
    CHECK(sasl.login.user_size <= USER_NAME_MAX && sasl.login.password_size <= PASSWORD_MAX);
    CHECK(step != SASL_READY || sasl.login.user_size > 0);
    sasl_wipe(&sasl);
    return 0;
}

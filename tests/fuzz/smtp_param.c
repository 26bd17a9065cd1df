// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_param.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct smtp_param param = {0};
    enum smtp_param_result result = smtp_param_parse(span_of(data, size), size & 1, &param);
    CHECK(result == PARAM_OK || result == PARAM_MALFORMED || result == PARAM_UNKNOWN);
    CHECK(result != PARAM_OK || param.size == 0 || (param.bits & PARAM_SIZE) != 0);
    return 0;
}

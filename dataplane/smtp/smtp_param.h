// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Parameters of MAIL: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), and AUTH (RFC 4954,
 * section 5), which is read and dropped: only the backend's own login counts there. RCPT has none
 * while DSN is not offered. */

#include "base/check.h"
#include "base/span.h"

enum smtp_param_bit {
    PARAM_SIZE = 1,
    PARAM_BODY = 2,
    PARAM_8BIT = 4,
    PARAM_UTF8 = 8,
    PARAM_AUTH = 16
};

struct smtp_param {
    uint8_t bits;  // of enum smtp_param_bit, as they were given
    uint64_t size; // of SIZE, bytes
};

enum smtp_param_result { PARAM_OK, PARAM_MALFORMED, PARAM_UNKNOWN };

// `text` is what stands behind the path: empty, or a space and parameters separated by spaces.
enum smtp_param_result smtp_param_parse(struct span text, struct smtp_param *ret_param) MUST_CHECK;

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Parameters of MAIL: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET and ENVID (RFC
 * 3461), and AUTH (RFC 4954, section 5), which is read and dropped: only the backend's own login
 * counts there. Of RCPT: NOTIFY and ORCPT (RFC 3461). BODY=BINARYMIME is not offered. */

#include "base/check.h"
#include "base/span.h"

enum { SMTP_ENVID_MAX = 100, SMTP_ORCPT_MAX = 500 }; // RFC 3461, sections 4.4 and 4.2

enum smtp_param_bit {
    PARAM_SIZE = 1,
    PARAM_BODY = 2,
    PARAM_8BIT = 4,
    PARAM_UTF8 = 8,
    PARAM_AUTH = 16,
    PARAM_RET = 32,
    PARAM_RET_FULL = 64, // else HDRS
    PARAM_ENVID = 128,
    PARAM_NOTIFY = 256,
    PARAM_ORCPT = 512,
    PARAM_DSN = PARAM_RET | PARAM_ENVID | PARAM_NOTIFY | PARAM_ORCPT,
};

enum smtp_notify { NOTIFY_SUCCESS = 1, NOTIFY_FAILURE = 2, NOTIFY_DELAY = 4, NOTIFY_NEVER = 8 };

struct smtp_param {
    uint16_t bits;    // of enum smtp_param_bit, as they were given
    uint8_t notify;   // bits of enum smtp_notify
    uint64_t size;    // of SIZE, bytes
    struct span text; // of ENVID or ORCPT, in the line
};

enum smtp_param_result { PARAM_OK, PARAM_MALFORMED, PARAM_UNKNOWN };

// `text` is what stands behind the path: empty, or a space and parameters separated by spaces.
enum smtp_param_result smtp_param_parse(struct span text, bool rcpt,
                                        struct smtp_param *ret_param) MUST_CHECK;

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Text for the wire, put together in the caller's buffer. What does not fit sets `full` and is left
 * out whole; the caller asks once, at the end. Foreign text goes in by smtp_text_add_foreign only.
 */

#include "base/span.h"

struct smtp_text {
    char *at;
    size_t size, used; // bytes
    bool full;
};

static inline struct smtp_text smtp_text_in(char *buffer, size_t size)
{
    return (struct smtp_text){.at = buffer, .size = size};
}

void smtp_text_add(struct smtp_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void smtp_text_add_span(struct smtp_text *text, struct span span);
// At most `most` bytes; all but printable ASCII, and the characters that end quoted strings,
// comments, lists or addresses in headers, become '?'.
void smtp_text_add_foreign(struct smtp_text *text, struct span span, size_t most);

// At most `most` bytes of it as a value in Received-SPF (RFC 7208, section 9.1), or with `address`
// in Authentication-Results (RFC 8601, section 2.2), where user@domain may stand as it is: bare
// where both grammars allow it, else as a quoted string, all but printable ASCII as '?'.
void smtp_text_add_value(struct smtp_text *text, struct span span, bool address, size_t most);

static inline struct span smtp_text_span(const struct smtp_text *text)
{
    return span_of(text->at, text->used);
}

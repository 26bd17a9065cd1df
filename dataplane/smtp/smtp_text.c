// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_text.h"

#include <stdarg.h>
#include <stdio.h>

void smtp_text_add(struct smtp_text *text, const char *format, ...)
{
    va_list arguments;
    size_t left = text->size - text->used;
    va_start(arguments, format);
    int n = vsnprintf(text->at + text->used, left, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= left)
        text->full = true;
    else
        text->used += (size_t)n;
}

void smtp_text_add_span(struct smtp_text *text, struct span span)
{
    if (span.size > text->size - text->used) {
        text->full = true;
        return;
    }
    if (span.size)
        memcpy(text->at + text->used, span.at, span.size);
    text->used += span.size;
}

static bool is_plain(uint8_t c)
{
    return c > 0x20 && c < 0x7f && !memchr("\"\\()<>,;", c, 8);
}

void smtp_text_add_foreign(struct smtp_text *text, struct span span, size_t most)
{
    span = span_head(span, most);
    if (span.size > text->size - text->used) {
        text->full = true;
        return;
    }
    for (size_t i = 0; i < span.size; i++)
        text->at[text->used++] = is_plain(span.at[i]) ? (char)span.at[i] : '?';
}

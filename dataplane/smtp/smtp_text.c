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

static bool is_bare(struct span span, bool address)
{
    for (size_t i = 0; i < span.size; i++) {
        uint8_t c = span.at[i];
        bool dot_ends = c == '.' && (i == 0 || i + 1 == span.size || span.at[i + 1] == '.');
        bool at = address && c == '@' && i > 0 && i + 1 < span.size &&
                  span_find(span_skip(span, i + 1), '@') == span.size - i - 1;
        bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (dot_ends || (!letter && !at && !memchr(".-_+", c, 4)))
            return false;
    }
    return span.size > 0;
}

void smtp_text_add_value(struct smtp_text *text, struct span span, bool address, size_t most)
{
    span = span_head(span, most);
    if (is_bare(span, address)) {
        smtp_text_add_span(text, span);
        return;
    }
    if (2 * span.size + 2 > text->size - text->used) {
        text->full = true;
        return;
    }
    text->at[text->used++] = '"';
    for (size_t i = 0; i < span.size; i++) {
        char c = (char)span.at[i];
        if (c == '"' || c == '\\')
            text->at[text->used++] = '\\';
        text->at[text->used++] = c >= 0x20 && c < 0x7f ? c : '?';
    }
    text->at[text->used++] = '"';
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

// SPDX-License-Identifier: BSD-3-Clause
#include "mail/line.h"

// Up to and with the next CR LF, or all of it; a CR at the very end stays, its LF may follow.
static size_t line_end(struct span input)
{
    for (size_t i = 0; i + 1 < input.size; i++)
        if (input.at[i] == '\r' && input.at[i + 1] == '\n')
            return i + 2;
    return input.size > 1 && input.at[input.size - 1] == '\r' ? input.size - 1 : input.size;
}

static enum line_result refused(enum reason reason, size_t taken, size_t *ret_taken,
                                enum reason *ret_reason)
{
    *ret_taken = taken;
    *ret_reason = reason;
    return LINE_REFUSED;
}

enum line_result line_take(struct span input, size_t most, struct span *ret_line, size_t *ret_taken,
                           enum reason *ret_reason)
{
    struct span seen = span_head(input, most);
    for (size_t i = 0; i < seen.size; i++) {
        switch (seen.at[i]) {
        case '\0':
            return refused(REASON_MAIL_NUL, line_end(input), ret_taken, ret_reason);
        case '\n':
            return refused(REASON_MAIL_BARE_LF, line_end(input), ret_taken, ret_reason);
        case '\r':
            if (i + 1 == seen.size)
                break; // the LF may still come, unless the line is full
            if (seen.at[i + 1] != '\n')
                return refused(REASON_MAIL_BARE_CR, line_end(input), ret_taken, ret_reason);
            *ret_line = span_head(seen, i);
            *ret_taken = i + 2;
            return LINE_WHOLE;
        default:
            break;
        }
    }
    if (seen.size < most)
        return LINE_PARTIAL;
    return refused(REASON_MAIL_LINE_TOO_LONG, input.size, ret_taken, ret_reason);
}

struct span line_word(struct span line, struct span *ret_rest)
{
    size_t end = span_find(line, ' ');
    size_t rest = end;
    while (rest < line.size && line.at[rest] == ' ')
        rest++;
    *ret_rest = span_skip(line, rest);
    return span_head(line, end);
}

static bool is_tls_record(struct span s) // a handshake record of SSL 3.0 to TLS 1.3
{
    return s.size >= 3 && s.at[0] == 0x16 && s.at[1] == 0x03 && s.at[2] <= 0x04;
}

// METHOD SP target SP HTTP/…, or the start of one: the target of HTTP begins with '/' or is a URL.
static bool is_http_request(struct span s)
{
    static const char *const methods[] = {
        "GET /",     "POST /",   "PUT /",     "HEAD /",   "DELETE /", "OPTIONS /",   "PATCH /",
        "OPTIONS *", "GET http", "POST http", "CONNECT ", "TRACE /",  "PRI * HTTP/2"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct span method = span_text(methods[i]);
        if (s.size >= method.size && memcmp(s.at, method.at, method.size) == 0)
            return true;
    }
    return false;
}

bool line_is_foreign_protocol(struct span input)
{
    return is_tls_record(input) || is_http_request(input);
}

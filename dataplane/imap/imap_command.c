// SPDX-License-Identifier: BSD-3-Clause
#include "imap/imap_command.h"

#include "mail/line.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

bool imap_command_literal(struct span line, struct imap_literal *ret_literal)
{
    size_t end = line.size;
    if (end < 3 || line.at[end - 1] != '}')
        return false;
    bool sync = line.at[end - 2] != '+';
    end -= sync ? 1 : 2;
    size_t start = end;
    while (start > 0 && is_digit(line.at[start - 1]))
        start--;
    if (start == end || start == 0 || line.at[start - 1] != '{')
        return false;
    uint64_t size = UINT64_MAX;
    if (!span_to_u64(span_of(line.at + start, end - start), UINT32_MAX, &size))
        size = UINT64_MAX;
    *ret_literal = (struct imap_literal){.size = size, .sync = sync};
    return true;
}

static enum imap_scan_result ends(struct imap_scan *scan, enum imap_scan_result result, size_t size,
                                  enum reason reason)
{
    scan->size = size;
    scan->reason = reason;
    return result;
}

enum imap_scan_result imap_command_scan(struct span input, uint64_t sync_max, uint64_t literal_max,
                                        struct imap_scan *ret_scan)
{
    size_t offset = 0;
    *ret_scan = (struct imap_scan){0};
    for (unsigned i = 0; i <= IMAP_LITERALS_MAX && offset <= IMAP_COMMAND_MAX; i++) {
        struct span line;
        size_t taken;
        enum reason reason;
        struct imap_literal literal;
        switch (line_take(span_skip(input, offset), LINE_BYTES_MAX, &line, &taken, &reason)) {
        case LINE_WHOLE:
            break;
        case LINE_PARTIAL:
            return IMAP_SCAN_PARTIAL;
        case LINE_REFUSED:
            return ends(ret_scan, IMAP_SCAN_REFUSED, offset + taken, reason);
        }
        offset += taken;
        if (!imap_command_literal(line, &literal))
            return ends(ret_scan, IMAP_SCAN_WHOLE, offset, REASON_NONE);
        if (literal.sync && literal.size > sync_max)
            return ends(ret_scan, IMAP_SCAN_CUT, offset, REASON_IMAP_LITERAL_TOO_BIG);
        if (literal.size > literal_max)
            return ends(ret_scan, IMAP_SCAN_REFUSED, offset, REASON_IMAP_LITERAL_TOO_BIG);
        ret_scan->announced += literal.sync;
        if (input.size - offset < literal.size)
            return IMAP_SCAN_PARTIAL;
        offset += literal.size;
    }
    return ends(ret_scan, IMAP_SCAN_REFUSED, offset, REASON_MAIL_LINE_TOO_LONG);
}

static bool is_astring_byte(uint8_t c)
{
    return c > 0x20 && c < 0x7f && !strchr("(){%*\"\\", c);
}

bool imap_command_tag_is_valid(struct span tag)
{
    if (tag.size == 0 || tag.size > IMAP_TAG_MAX)
        return false;
    for (size_t i = 0; i < tag.size; i++)
        if (!is_astring_byte(tag.at[i]) || tag.at[i] == '+')
            return false;
    return true;
}

bool imap_command_byte(struct span *args, uint8_t byte)
{
    if (args->size == 0 || args->at[0] != byte)
        return false;
    *args = span_skip(*args, 1);
    return true;
}

bool imap_command_nil(struct span *args)
{
    struct span nil = span_text("NIL");
    if (!span_starts_nocase(*args, nil) ||
        (args->size > nil.size && is_astring_byte(args->at[nil.size])))
        return false;
    *args = span_skip(*args, nil.size);
    return true;
}

static bool take_quoted(struct span *args, uint8_t *out, size_t size, size_t *ret_used)
{
    size_t used = 0;
    for (size_t i = 1; i < args->size; i++) {
        uint8_t c = args->at[i];
        if (c == '"') {
            *args = span_skip(*args, i + 1);
            *ret_used = used;
            return true;
        }
        if (c == '\r' || c == '\n')
            return false;
        if (c == '\\') { // escapes itself and the quote, nothing else
            if (++i == args->size || (args->at[i] != '"' && args->at[i] != '\\'))
                return false;
            c = args->at[i];
        }
        if (used == size)
            return false;
        out[used++] = c;
    }
    return false;
}

static bool take_literal(struct span *args, uint8_t *out, size_t size, size_t *ret_used)
{
    struct imap_literal literal;
    size_t end = span_find(*args, '\r');
    struct span head = span_head(*args, end);
    if (!imap_command_literal(head, &literal) || span_find(head, '}') + 1 != head.size)
        return false;
    if (end + 2 > args->size || args->size - end - 2 < literal.size || literal.size > size)
        return false;
    struct span bytes = span_head(span_skip(*args, end + 2), literal.size);
    if (span_find(bytes, '\0') != bytes.size)
        return false;
    memcpy(out, bytes.at, bytes.size);
    *args = span_skip(*args, end + 2 + bytes.size);
    *ret_used = bytes.size;
    return true;
}

bool imap_command_string(struct span *args, uint8_t *out, size_t size, size_t *ret_used)
{
    if (args->size == 0)
        return false;
    return args->at[0] == '"'   ? take_quoted(args, out, size, ret_used)
           : args->at[0] == '{' ? take_literal(args, out, size, ret_used)
                                : false;
}

bool imap_command_astring(struct span *args, uint8_t *out, size_t size, size_t *ret_used)
{
    size_t used = 0;
    while (used < args->size && is_astring_byte(args->at[used]))
        used++;
    if (used == 0)
        return imap_command_string(args, out, size, ret_used);
    if (used > size)
        return false;
    memcpy(out, args->at, used);
    *args = span_skip(*args, used);
    *ret_used = used;
    return true;
}

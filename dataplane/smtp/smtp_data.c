// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_data.h"

enum position {
    LINE_START, // behind CR LF, or at the message's first byte
    IN_LINE,
    BEHIND_CR,      // in a line that has text
    BEHIND_CR_BARE, // in a line that was empty so far: LF makes it the empty line
    BEHIND_DOT,     // a dot at the start of a line, stuffed or the end's
    BEHIND_DOT_CR,  // and a CR: LF makes it the end
};

// How many bytes from the start of input are plain text of a line: no CR, LF, NUL, nor any other
// control byte, which costs a look but no more.
static size_t plain_run(struct span input)
{
    size_t i = 0;
    while (i < input.size && input.at[i] > '\r')
        i++;
    return i;
}

static enum smtp_data_piece refused(struct smtp_data *data, enum position next, enum reason reason,
                                    enum reason *ret_reason)
{
    data->position = (uint8_t)next;
    *ret_reason = reason;
    return DATA_REFUSED;
}

// Behind a CR only LF may come.
static enum smtp_data_piece take_behind_cr(struct smtp_data *data, uint8_t byte,
                                           enum reason *ret_reason)
{
    enum position was = (enum position)data->position;
    enum smtp_data_piece part = data->in_body ? DATA_BODY : DATA_HEADERS;
    if (byte == '\r')
        return refused(data, BEHIND_CR, REASON_MAIL_BARE_CR, ret_reason);
    if (byte != '\n')
        return refused(data, IN_LINE, REASON_MAIL_BARE_CR, ret_reason);
    data->position = LINE_START;
    if (was == BEHIND_DOT_CR)
        return DATA_END;
    if (was == BEHIND_CR_BARE)
        data->in_body = true;
    return part;
}

static enum smtp_data_piece take_byte(struct smtp_data *data, uint8_t byte, enum reason *ret_reason)
{
    enum position was = (enum position)data->position;
    enum smtp_data_piece part = data->in_body ? DATA_BODY : DATA_HEADERS;
    switch (byte) {
    case '\0':
        return refused(data, IN_LINE, REASON_MAIL_NUL, ret_reason);
    case '\n':
        return refused(data, IN_LINE, REASON_MAIL_BARE_LF, ret_reason);
    case '\r':
        data->position = was == LINE_START   ? BEHIND_CR_BARE
                         : was == BEHIND_DOT ? BEHIND_DOT_CR
                                             : BEHIND_CR;
        return was == BEHIND_DOT ? DATA_DOT : part;
    case '.':
        if (data->chunked) {
            data->position = IN_LINE;
            return was == LINE_START ? DATA_LEADING : part;
        }
        data->position = was == LINE_START ? BEHIND_DOT : IN_LINE;
        return was == LINE_START ? DATA_DOT : was == BEHIND_DOT ? DATA_LEADING : part;
    default:
        data->position = IN_LINE;
        return part;
    }
}

enum smtp_data_piece smtp_data_next(struct smtp_data *data, struct span input, size_t *ret_size,
                                    enum reason *ret_reason)
{
    size_t taken = 0;
    enum smtp_data_piece first = DATA_REFUSED;
    while (taken < input.size) {
        struct smtp_data before = *data;
        enum reason reason = REASON_NONE;
        size_t step = data->position == IN_LINE ? plain_run(span_skip(input, taken)) : 0;
        enum smtp_data_piece piece = data->in_body ? DATA_BODY : DATA_HEADERS;
        if (step == 0) {
            uint8_t byte = input.at[taken];
            piece = data->position == BEHIND_CR || data->position == BEHIND_CR_BARE ||
                            data->position == BEHIND_DOT_CR
                        ? take_behind_cr(data, byte, &reason)
                        : take_byte(data, byte, &reason);
            step = 1;
        }
        if (taken > 0 && (piece != first || piece == DATA_REFUSED)) {
            *data = before; // that byte belongs to the next piece
            break;
        }
        first = piece;
        taken += step;
        *ret_reason = reason;
        if (piece == DATA_REFUSED || piece == DATA_END)
            break;
    }
    data->size += taken;
    *ret_size = taken;
    return first;
}

bool smtp_data_is_behind_cr(const struct smtp_data *data)
{
    return data->position == BEHIND_CR || data->position == BEHIND_CR_BARE;
}

bool smtp_data_is_at_line_start(const struct smtp_data *data)
{
    return data->position == LINE_START;
}

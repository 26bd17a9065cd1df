// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_normal.h"

enum position {
    LINE_START, // behind CR LF, or at the message's first byte
    BARE_START, // behind a bare LF
    IN_LINE,
    DOT,      // behind CR LF and a dot, which is held back
    BARE_DOT, // behind a bare LF and a dot, likewise
};

struct text {
    char *at;
    size_t size;
};

static void add(struct text *text, const char *bytes, size_t size)
{
    memcpy(text->at + text->size, bytes, size);
    text->size += size;
}

static bool is_behind_dot(const struct smtp_normal *normal)
{
    return normal->position == DOT || normal->position == BARE_DOT;
}

// True: that was the end.
static bool take_line_end(struct smtp_normal *normal, struct text *text)
{
    bool end = normal->position == DOT && normal->crs == 1;
    if (end)
        add(text, ".\r\n", 3);
    else if (is_behind_dot(normal))
        add(text, "..\r\n", 4);
    else
        add(text, "\r\n", 2);
    normal->position = normal->crs ? LINE_START : BARE_START;
    normal->crs = 0;
    return end;
}

static void take_byte(struct smtp_normal *normal, char byte, struct text *text)
{
    bool held = is_behind_dot(normal);
    if (held)
        add(text, ".", 1);
    if (normal->crs)
        add(text, " ", 1);
    if (held || normal->crs)
        normal->position = IN_LINE;
    normal->crs = 0;
    if (byte == '.' && !normal->chunked && normal->position != IN_LINE) {
        normal->position = normal->position == LINE_START ? DOT : BARE_DOT;
        return;
    }
    normal->position = IN_LINE;
    add(text, byte ? &byte : " ", 1);
}

struct span smtp_normal_text(struct smtp_normal *normal, struct span input, char *buffer,
                             size_t size, size_t *ret_taken, bool *ret_end)
{
    struct text text = {.at = buffer};
    size_t taken = 0;
    bool end = false;
    while (taken < input.size && text.size + NORMAL_STEP_MAX <= size && !end) {
        uint8_t byte = input.at[taken++];
        if (byte == '\n')
            end = take_line_end(normal, &text);
        else if (byte != '\r')
            take_byte(normal, (char)byte, &text);
        else if (normal->crs < 2)
            normal->crs++;
    }
    *ret_taken = taken;
    *ret_end = end;
    return span_of(buffer, text.size);
}

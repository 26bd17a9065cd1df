// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_results.h"

enum phase {
    NAME,        // matches the field's name so far
    BEHIND_NAME, // white space and folding before the colon
    GAP,         // comments and folding before the authserv-id
    COMMENT,
    COMMENT_ESCAPE, // behind a backslash
    QUOTED,
    QUOTED_ESCAPE,
    TOKEN,
    PASSING, // decided
    REMOVING,
};

static const char field_name[] = "authentication-results";
enum { FIELD_NAME_SIZE = sizeof field_name - 1 };

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool is_folding(uint8_t c)
{
    return is_space(c) || c == '\r' || c == '\n';
}

// RFC 2045, section 5.1; bytes beyond ASCII may be in names of others (RFC 6532).
static bool is_token(uint8_t c)
{
    return c > 0x20 && c != 0x7f && !memchr("()<>@,;:\\\"/[]?=", c, 15);
}

static bool is_open(const struct smtp_results *results) // not decided
{
    return results->phase < PASSING;
}

static enum phase step_name(struct smtp_results *r, uint8_t byte)
{
    if (r->matched < FIELD_NAME_SIZE) {
        bool same = r->phase == NAME && lower(byte) == (uint8_t)field_name[r->matched];
        r->matched++;
        return same ? NAME : PASSING;
    }
    if (byte == ':') {
        r->matched = 0;
        r->differs = false;
        return GAP;
    }
    return is_folding(byte) ? BEHIND_NAME : PASSING;
}

// A byte of the authserv-id. A dot behind the name makes no other host of it.
static void step_id(struct smtp_results *r, struct span our_name, uint8_t byte)
{
    if (r->matched < our_name.size)
        r->differs |= lower(byte) != lower(our_name.at[r->matched]);
    else
        r->differs |= r->matched > our_name.size || byte != '.';
    if (!r->differs)
        r->matched++;
}

static enum phase id_verdict(const struct smtp_results *r, struct span our_name)
{
    return !r->differs && r->matched >= our_name.size ? REMOVING : PASSING;
}

static enum phase step_gap(struct smtp_results *r, struct span our_name, uint8_t byte)
{
    if (is_folding(byte))
        return GAP;
    if (byte == '(') {
        r->depth = 1;
        return COMMENT;
    }
    if (byte == '"')
        return QUOTED;
    if (!is_token(byte))
        return REMOVING;
    step_id(r, our_name, byte);
    return TOKEN;
}

static enum phase step_comment(struct smtp_results *r, uint8_t byte)
{
    if (byte == '\\')
        return COMMENT_ESCAPE;
    if (byte == '(' && r->depth++ == UINT8_MAX)
        return REMOVING;
    if (byte == ')' && --r->depth == 0)
        return GAP;
    return COMMENT;
}

static enum phase step_quoted(struct smtp_results *r, struct span our_name, uint8_t byte)
{
    if (byte == '"')
        return id_verdict(r, our_name);
    if (byte == '\\')
        return QUOTED_ESCAPE;
    if (byte != '\r' && byte != '\n')
        step_id(r, our_name, byte);
    return QUOTED;
}

static enum phase step(struct smtp_results *r, struct span our_name, uint8_t byte)
{
    switch ((enum phase)r->phase) {
    case NAME:
    case BEHIND_NAME:
        return step_name(r, byte);
    case GAP:
        return step_gap(r, our_name, byte);
    case COMMENT:
        return step_comment(r, byte);
    case COMMENT_ESCAPE:
        return COMMENT;
    case QUOTED:
        return step_quoted(r, our_name, byte);
    case QUOTED_ESCAPE:
        step_id(r, our_name, byte);
        return QUOTED;
    case TOKEN:
        if (!is_token(byte))
            return id_verdict(r, our_name);
        step_id(r, our_name, byte);
        return TOKEN;
    case PASSING:
    case REMOVING:
        break;
    }
    check_failed("a field that is not decided", __FILE__, __LINE__);
}

static void begin_field(struct smtp_results *r, uint8_t first)
{
    r->phase = first == '\r' ? PASSING : NAME; // the empty line is no field
    r->matched = 0;
    r->begun = true;
}

static void remove_field(struct smtp_results *r)
{
    r->phase = REMOVING;
    if (r->removed < UINT8_MAX)
        r->removed++;
}

// Reads text up to where the next field begins; how far it came. `*ret_folded`: it begins with a
// continuation of nothing.
static size_t read_field(struct smtp_results *r, struct span our_name, struct span text,
                         bool *ret_folded)
{
    size_t i = 0;
    while (i < text.size) {
        uint8_t byte = text.at[i];
        if (!r->in_line && !is_space(byte)) {
            if (r->begun && i > 0)
                return i;
            if (r->begun && is_open(r))
                remove_field(r);
            begin_field(r, byte);
        }
        *ret_folded |= !r->begun;
        r->begun = true;
        if (is_open(r)) {
            enum phase next = step(r, our_name, byte);
            r->phase = (uint8_t)next;
            if (next == REMOVING)
                remove_field(r);
            i++;
        } else {
            i += span_find(span_skip(text, i), '\n');
            i += i < text.size;
        }
        r->in_line = text.at[i - 1] != '\n';
    }
    return i;
}

size_t smtp_results_next(struct smtp_results *results, struct span our_name, struct span text,
                         enum smtp_results_fate *ret_fate, struct span *ret_before)
{
    bool was_open = results->begun && is_open(results);
    bool folded = false;
    bool new_field = !results->in_line && !is_space(text.at[0]);
    if (new_field && was_open)
        results->held_size = 0; // that field has ended without a name
    size_t size = read_field(results, our_name, text, &folded);
    bool ended = size < text.size; // behind text stands another field
    *ret_before = span_of(NULL, 0);
    if (folded) {
        *ret_fate = RESULTS_FOLDED;
        return size;
    }
    if (is_open(results) && (ended || results->held_size + size > sizeof results->held))
        remove_field(results);
    if (is_open(results)) {
        memcpy(results->held + results->held_size, text.at, size);
        results->held_size += (uint16_t)size;
        *ret_fate = RESULTS_HELD;
        return size;
    }
    *ret_fate = results->phase == PASSING ? RESULTS_PASS : RESULTS_REMOVED;
    if (*ret_fate == RESULTS_PASS)
        *ret_before = span_of(results->held, results->held_size);
    results->held_size = 0;
    return size;
}

struct span smtp_results_end(struct smtp_results *results)
{
    bool is_field = results->phase > BEHIND_NAME && is_open(results);
    struct span left = span_of(results->held, results->held_size);
    results->held_size = 0;
    if (is_field)
        remove_field(results);
    return is_field ? span_of(NULL, 0) : left;
}

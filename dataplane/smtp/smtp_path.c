// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_path.h"

#include "base/addr.h"
#include "base/limits.h"

enum { LOCAL_PART_MAX = 64, LABEL_MAX = 63 };

// Bytes of the UTF-8 character at the start of s, 2 to 4; 0: malformed, overlong or a surrogate
// (RFC 3629, section 4).
static size_t utf8_size(struct span s)
{
    uint8_t first = s.at[0], least = 0x80, most = 0xbf;
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || s.size < size)
        return 0;
    if (first == 0xe0)
        least = 0xa0;
    if (first == 0xed)
        most = 0x9f;
    if (first == 0xf0)
        least = 0x90;
    if (first == 0xf4)
        most = 0x8f;
    if (s.at[1] < least || s.at[1] > most)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((s.at[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

static bool is_alnum(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_atext(uint8_t c)
{
    return is_alnum(c) || (c && memchr("!#$%&'*+-/=?^_`{|}~", c, 19));
}

// Underscores are not LDH but common in names of senders; they harm nobody.
static bool is_label(struct span label, bool utf8)
{
    if (label.size == 0 || label.size > LABEL_MAX || label.at[0] == '-' ||
        label.at[label.size - 1] == '-')
        return false;
    for (size_t i = 0; i < label.size; i++) {
        uint8_t c = label.at[i];
        if (c >= 0x80 && utf8) {
            size_t size = utf8_size(span_skip(label, i));
            if (size == 0)
                return false;
            i += size - 1;
        } else if (!is_alnum(c) && c != '-' && c != '_') {
            return false;
        }
    }
    return true;
}

bool smtp_path_is_domain(struct span name, bool utf8)
{
    if (name.size == 0 || name.size > HOST_NAME_MAX_DNS)
        return false;
    for (;;) { // ends: every round takes a label and a dot
        size_t dot = span_find(name, '.');
        if (!is_label(span_head(name, dot), utf8))
            return false;
        if (dot == name.size)
            return true;
        name = span_skip(name, dot + 1);
    }
}

bool smtp_path_is_literal(struct span name)
{
    struct addr addr;
    return smtp_path_literal(name, &addr);
}

bool smtp_path_literal(struct span name, struct addr *ret_addr)
{
    struct span tag = span_text("[IPv6:");
    char text[ADDR_TEXT_SIZE];
    if (name.size < 3 || name.at[0] != '[' || name.at[name.size - 1] != ']')
        return false;
    bool v6 = span_starts_nocase(name, tag);
    struct span inside = span_skip(span_head(name, name.size - 1), v6 ? tag.size : 1);
    if (inside.size >= sizeof text || span_find(inside, '\0') != inside.size)
        return false;
    if (!v6 && span_find(inside, ':') != inside.size)
        return false;
    if (v6 && span_find(inside, ':') == inside.size)
        return false;
    memcpy(text, inside.at, inside.size);
    text[inside.size] = '\0';
    return addr_parse(text, ret_addr);
}

// The size of the dot-string at the start of s; 0: none.
static size_t dot_string(struct span s, bool *ret_utf8)
{
    size_t i = 0;
    bool atom = false; // an atom is open, so a dot may follow
    while (i < s.size) {
        size_t step = 1;
        if (s.at[i] >= 0x80) {
            step = utf8_size(span_skip(s, i));
            *ret_utf8 = true;
        } else if (!is_atext(s.at[i]) && !(s.at[i] == '.' && atom)) {
            break;
        }
        if (step == 0)
            return 0;
        atom = s.at[i] != '.';
        i += step;
    }
    return atom ? i : 0;
}

// The size of the quoted string at the start of s, quotes counted; 0: none.
static size_t quoted_string(struct span s, bool *ret_utf8)
{
    for (size_t i = 1; i < s.size;) {
        size_t step = 1;
        if (s.at[i] == '"')
            return i + 1;
        if (s.at[i] == '\\')
            i++;
        if (i == s.size || s.at[i] < 0x20 || s.at[i] == 0x7f)
            return 0;
        if (s.at[i] >= 0x80) {
            step = utf8_size(span_skip(s, i));
            *ret_utf8 = true;
        }
        if (step == 0)
            return 0;
        i += step;
    }
    return 0;
}

static bool has_utf8(struct span s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.at[i] >= 0x80)
            return true;
    return false;
}

static size_t domain_size(struct span s)
{
    if (s.size && s.at[0] == '[')
        return span_find(s, ']') + 1; // beyond s when there is none
    return span_find(s, '>');
}

static enum smtp_path_result parse_mailbox(struct span inside, struct smtp_path *path)
{
    path->quoted = inside.at[0] == '"';
    size_t local =
        path->quoted ? quoted_string(inside, &path->utf8) : dot_string(inside, &path->utf8);
    path->local = span_head(inside, local);
    struct span rest = span_skip(inside, local);
    if (local == 0 || local > LOCAL_PART_MAX || rest.size == 0)
        return PATH_MALFORMED;
    if (rest.at[0] == '>') { // without domain
        path->text = path->local;
        return smtp_path_is_postmaster(path) ? PATH_OK : PATH_MALFORMED;
    }
    if (rest.at[0] != '@')
        return PATH_MALFORMED;
    rest = span_skip(rest, 1);

    size_t domain = domain_size(rest);
    if (domain >= rest.size || rest.at[domain] != '>')
        return PATH_MALFORMED;
    path->domain = span_head(rest, domain);
    path->literal = domain > 0 && path->domain.at[0] == '[';
    path->utf8 = path->utf8 || has_utf8(path->domain);
    path->text = span_head(inside, local + 1 + domain);
    bool good = path->literal ? smtp_path_is_literal(path->domain)
                              : smtp_path_is_domain(path->domain, true);
    return good ? PATH_OK : PATH_MALFORMED;
}

enum smtp_path_result smtp_path_parse(struct span text, struct smtp_path *ret_path,
                                      struct span *ret_rest)
{
    struct smtp_path path = {0};
    if (text.size < 2 || text.at[0] != '<')
        return PATH_MALFORMED;
    struct span inside = span_skip(text, 1);
    path.text = span_head(inside, 0);
    if (inside.at[0] == '@')
        return PATH_SOURCE_ROUTE;
    if (inside.at[0] != '>') {
        enum smtp_path_result result = parse_mailbox(inside, &path);
        if (result != PATH_OK)
            return result;
    }
    *ret_path = path;
    *ret_rest = span_skip(inside, path.text.size + 1);
    return PATH_OK;
}

// % ! @ or what compatibility normalisation makes one of them: a server may normalise before it
// looks.
static bool begins_with_router(struct span s)
{
    static const char *const alike[] = {"%", "!", "@", "％", "！", "＠", "﹪", "﹗", "﹫"};
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        if (span_starts_nocase(s, span_text(alike[i])))
            return true;
    return false;
}

bool smtp_path_is_routed(const struct smtp_path *path)
{
    for (size_t i = 0; i < path->local.size; i++) {
        uint8_t c = path->local.at[i];
        if ((path->quoted && (c == ':' || c == ',')) ||
            begins_with_router(span_skip(path->local, i)))
            return true;
    }
    return false;
}

bool smtp_path_is_postmaster(const struct smtp_path *path)
{
    return span_equal_nocase(path->local, span_text("postmaster"));
}

// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/spf_record.h"

#include <stdio.h>

struct writer {
    char *at;
    size_t size, used; // used < size: the NUL has room
    bool full;
};

static void write_span(struct writer *w, struct span text)
{
    if (text.size >= w->size - w->used) {
        w->full = true;
        return;
    }
    if (text.size)
        memcpy(w->at + w->used, text.at, text.size);
    w->used += text.size;
    w->at[w->used] = '\0';
}

static void write_text(struct writer *w, const char *text)
{
    write_span(w, span_text(text));
}

static bool is_alpha(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool is_in(uint8_t c, const char *set)
{
    return c && strchr(set, c);
}

static uint8_t byte_at(struct span s, size_t i)
{
    return i < s.size ? s.at[i] : 0;
}

bool spf_record_is(struct span text)
{
    static const char version[] = "v=spf1";
    size_t size = sizeof version - 1;
    return span_starts_nocase(text, span_text(version)) &&
           (text.size == size || text.at[size] == ' ');
}

bool spf_record_domain_is_sound(struct span domain)
{
    if (domain.size > 0 && domain.at[domain.size - 1] == '.')
        domain.size--;
    if (domain.size == 0 || domain.size > 253 || domain.at[0] == '[')
        return false;
    size_t label = 0, dots = 0;
    for (size_t i = 0; i < domain.size; i++) {
        if (domain.at[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
            dots++;
        } else if (domain.at[i] <= 0x20 || domain.at[i] >= 0x7f || ++label > 63) {
            return false;
        }
    }
    return label > 0 && dots > 0;
}

static const char domain_letters[] = "slodiphv"; // c, r and t: in explanations only

enum { MACRO_HEAD = 3 }; // "%{" and the letter

struct macro {           // a macro-expand
    size_t size, digits; // bytes of all, and of the number after the letter
    uint32_t parts;      // that number, saturated; 0: all
    bool has_letter;
    struct span delimiters; // empty: the dot
};

// Reads the one at the start of s (section 7.1). False: it is none. s[0] is '%'.
static bool macro_read(struct span s, struct macro *ret_macro)
{
    struct macro macro = {.size = 2};
    *ret_macro = macro;
    if (is_in(byte_at(s, 1), "%_-"))
        return true;
    if (byte_at(s, 1) != '{' || !is_in(lower(byte_at(s, 2)), domain_letters))
        return false;
    size_t i = MACRO_HEAD;
    for (; is_digit(byte_at(s, i)); i++)
        if (macro.parts < 1000)
            macro.parts = macro.parts * 10 + (byte_at(s, i) - '0');
    macro.digits = i - MACRO_HEAD;
    if (macro.digits > 0 && macro.parts == 0)
        return false;
    if (lower(byte_at(s, i)) == 'r')
        i++;
    size_t delimiters = 0;
    while (is_in(byte_at(s, i + delimiters), ".-+,/_=") && delimiters < 16)
        delimiters++;
    macro.delimiters = span_head(span_skip(s, i), delimiters);
    macro.size = i + delimiters + 1;
    macro.has_letter = true;
    *ret_macro = macro;
    return byte_at(s, i + delimiters) == '}';
}

// macro-string; *ret_last_macro is where the last macro ends, 0 without one.
static bool macro_string_is_sound(struct span s, size_t *ret_last_macro)
{
    size_t last_macro = 0;
    for (size_t i = 0; i < s.size;) {
        if (s.at[i] < 0x21 || s.at[i] > 0x7e)
            return false;
        if (s.at[i] != '%') {
            i++;
            continue;
        }
        struct macro macro;
        if (!macro_read(span_skip(s, i), &macro))
            return false;
        i += macro.size;
        last_macro = i;
    }
    *ret_last_macro = last_macro;
    return true;
}

static bool top_label_is_sound(struct span label)
{
    bool all_digits = true;
    if (label.size == 0 || label.size > 63 || label.at[0] == '-' || label.at[label.size - 1] == '-')
        return false;
    for (size_t i = 0; i < label.size; i++) {
        if (!is_alpha(label.at[i]) && !is_digit(label.at[i]) && label.at[i] != '-')
            return false;
        all_digits = all_digits && is_digit(label.at[i]);
    }
    return !all_digits;
}

// domain-spec: a macro-string that ends in a macro or in ".toplabel" with or without a dot.
static bool domain_spec_is_sound(struct span s)
{
    size_t last_macro;
    if (s.size == 0 || s.size > 255 || !macro_string_is_sound(s, &last_macro))
        return false;
    if (last_macro == s.size)
        return true;
    struct span end = span_skip(s, last_macro);
    if (end.at[end.size - 1] == '.')
        end.size--;
    size_t dot = end.size;
    while (dot > 0 && end.at[dot - 1] != '.')
        dot--;
    return dot > 0 && top_label_is_sound(span_skip(end, dot));
}

// "0" to most, without leading zeros.
static bool prefix_length(struct span s, uint64_t most, uint8_t *ret_bits)
{
    uint64_t value;
    if (s.size > 1 && s.at[0] == '0')
        return false;
    if (!span_to_u64(s, most, &value))
        return false;
    *ret_bits = (uint8_t)value;
    return true;
}

enum mechanism {
    MECH_all,
    MECH_include,
    MECH_a,
    MECH_mx,
    MECH_ptr,
    MECH_ip4,
    MECH_ip6,
    MECH_exists,
    MECHANISMS
};
static const struct mechanism_facts {
    const char *name;
    bool may_have_domain, must_have_domain, may_have_cidr;
} mechanisms[MECHANISMS] = {
    [MECH_all] = {"all", false, false, false}, [MECH_include] = {"include", true, true, false},
    [MECH_a] = {"a", true, false, true},       [MECH_mx] = {"mx", true, false, true},
    [MECH_ptr] = {"ptr", true, false, false},  [MECH_ip4] = {"ip4", false, false, false},
    [MECH_ip6] = {"ip6", false, false, false}, [MECH_exists] = {"exists", true, true, false},
};

struct scan {
    const struct addr *client;
    const struct spf_names *names;
    struct writer out;
    struct span redirect; // domain-spec; empty: none
    bool has_redirect, has_exp;
    bool decided; // a term that always matches was written
    bool has_all;
};

enum { NO_LENGTH = 255 };

struct cidr { // prefix lengths of a dual-cidr-length, or NO_LENGTH
    uint8_t v4, v6;
};

// Cuts "/n", "//n" or "/n//m" off the end of *value (section 5.6); false when it is malformed.
static bool cidr_cut(struct span *value, struct cidr *ret_cidr)
{
    *ret_cidr = (struct cidr){NO_LENGTH, NO_LENGTH};
    size_t start = value->size;
    while (start > 0 && (is_digit(value->at[start - 1]) || value->at[start - 1] == '/'))
        start--;
    start += span_find(span_skip(*value, start), '/'); // digits before it are the domain's
    struct span rest = span_skip(*value, start);
    value->size = start;
    if (rest.size == 0)
        return true;
    if (byte_at(rest, 1) != '/') {
        size_t end = 1 + span_find(span_skip(rest, 1), '/');
        if (!prefix_length(span_skip(span_head(rest, end), 1), 32, &ret_cidr->v4))
            return false;
        rest = span_skip(rest, end);
        if (rest.size == 0)
            return true;
    }
    return byte_at(rest, 1) == '/' && prefix_length(span_skip(rest, 2), 128, &ret_cidr->v6);
}

static bool ip_term_matches(struct span value, bool is_v6, const struct addr *client,
                            bool *ret_matches)
{
    size_t slash = span_find(value, '/');
    uint8_t bits = is_v6 ? 128 : 32;
    if (slash < value.size && !prefix_length(span_skip(value, slash + 1), bits, &bits))
        return false;
    char text[ADDR_TEXT_SIZE];
    if (slash == 0 || slash >= sizeof text)
        return false;
    memcpy(text, value.at, slash);
    text[slash] = '\0';
    struct addr addr;
    bool colons = span_find(span_head(value, slash), ':') < slash;
    if (colons != is_v6 || !addr_parse(text, &addr))
        return false;
    if (addr_is_v4(client) == is_v6) { // the other family
        *ret_matches = false;
        return true;
    }
    uint8_t all_bits = is_v6 ? bits : (uint8_t)(bits + ADDR_V4_BITS);
    struct addr a = addr_mask(&addr, all_bits), b = addr_mask(client, all_bits);
    *ret_matches = addr_equal(&a, &b);
    return true;
}

static struct span macro_value(const struct scan *scan, uint8_t letter)
{
    bool v4 = addr_is_v4(scan->client);
    switch (lower(letter)) {
    case 's':
        return scan->names->sender;
    case 'l':
        return scan->names->local_part;
    case 'o':
        return scan->names->sender_domain;
    case 'd':
        return scan->names->domain;
    case 'h':
        return scan->names->helo;
    case 'i': // as many dots
        return span_text(v4 ? "4.4.4.4"
                            : "6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6.6");
    default:
        return span_text(v4 ? "in-addr" : "ip6");
    }
}

static bool macro_wants_all(const struct scan *scan, uint8_t letter, const struct macro *macro)
{
    enum { PARTS_MAX = 128 }; // no name has more
    if (lower(letter) == 'p') // known when DNS was asked
        return macro->parts > PARTS_MAX;
    struct span value = macro_value(scan, letter);
    uint32_t parts = 1;
    for (size_t i = 0; i < value.size; i++)
        parts += macro->delimiters.size
                     ? span_find(macro->delimiters, value.at[i]) < macro->delimiters.size
                     : value.at[i] == '.';
    return macro->parts >= parts;
}

// A sound domain-spec, as libspf2 takes it.
static void domain_write(struct scan *scan, struct span domain)
{
    struct writer *out = &scan->out;
    if (byte_at(domain, domain.size - 1) == '.') // libspf2's ptr compares names as texts
        domain.size--;
    while (domain.size > 0) {
        struct macro macro = {0};
        size_t plain = span_find(domain, '%');
        write_span(out, span_head(domain, plain));
        domain = span_skip(domain, plain);
        if (domain.size > 0 && !macro_read(domain, &macro))
            return;
        struct span text = span_head(domain, macro.size);
        if (macro.has_letter && macro_wants_all(scan, text.at[2], &macro)) {
            write_span(out, span_head(text, MACRO_HEAD));
            text = span_skip(text, MACRO_HEAD + macro.digits);
        }
        write_span(out, text);
        domain = span_skip(domain, macro.size);
    }
}

static void directive_write(struct scan *scan, uint8_t qualifier, const char *name,
                            struct span domain, struct cidr cidr)
{
    if (scan->decided)
        return;
    bool v4 = addr_is_v4(scan->client);
    uint8_t bits = v4 ? cidr.v4 : cidr.v6;
    char text[8] = {' ', (char)qualifier};
    write_text(&scan->out, text);
    write_text(&scan->out, name);
    if (domain.size || bits == 0)
        write_text(&scan->out, ":");
    if (bits == 0) {
        const char any[] = {SPF_RECORD_ANY, '\0'};
        write_text(&scan->out, any);
        write_text(&scan->out, domain.size ? "" : "%{d}");
    }
    domain_write(scan, domain);
    if (bits != 0 && bits != NO_LENGTH) {
        snprintf(text, sizeof text, "%s%u", v4 ? "/" : "//", bits);
        write_text(&scan->out, text);
    }
}

static const struct cidr no_cidr = {NO_LENGTH, NO_LENGTH};

static bool ip_term_take(struct scan *scan, uint8_t qualifier, struct span value, bool is_v6)
{
    bool matches;
    if (byte_at(value, 0) != ':' ||
        !ip_term_matches(span_skip(value, 1), is_v6, scan->client, &matches))
        return false;
    if (matches) {
        directive_write(scan, qualifier, "all", (struct span){0}, no_cidr);
        scan->decided = true;
    }
    return true;
}

static bool directive_take(struct scan *scan, struct span term)
{
    uint8_t qualifier = '+';
    if (is_in(byte_at(term, 0), "+-?~")) {
        qualifier = term.at[0];
        term = span_skip(term, 1);
    }
    size_t name_size = 0;
    while (name_size < term.size && term.at[name_size] != ':' && term.at[name_size] != '/')
        name_size++;
    struct span name = span_head(term, name_size), value = span_skip(term, name_size);
    int which = 0;
    while (which < MECHANISMS && !span_equal_nocase(name, span_text(mechanisms[which].name)))
        which++;
    if (which == MECHANISMS)
        return false;
    const struct mechanism_facts *facts = &mechanisms[which];
    if (which == MECH_ip4 || which == MECH_ip6)
        return ip_term_take(scan, qualifier, value, which == MECH_ip6);

    struct cidr cidr = no_cidr;
    if (facts->may_have_cidr && !cidr_cut(&value, &cidr))
        return false;
    struct span domain = {0};
    if (value.size > 0) {
        domain = span_skip(value, 1);
        if (value.at[0] != ':' || !facts->may_have_domain || !domain_spec_is_sound(domain))
            return false;
    } else if (facts->must_have_domain) {
        return false;
    }
    directive_write(scan, qualifier, facts->name, domain, cidr);
    if (which == MECH_all)
        scan->decided = scan->has_all = true;
    return true;
}

// Bytes of a modifier's name at the start of the term when a '=' follows it, else 0.
static size_t modifier_name_size(struct span term)
{
    if (!is_alpha(byte_at(term, 0)))
        return 0;
    size_t i = 1;
    while (is_alpha(byte_at(term, i)) || is_digit(byte_at(term, i)) ||
           is_in(byte_at(term, i), "-_."))
        i++;
    return byte_at(term, i) == '=' ? i : 0;
}

static bool modifier_take(struct scan *scan, struct span name, struct span value)
{
    size_t last_macro;
    if (span_equal_nocase(name, span_text("redirect"))) {
        if (scan->has_redirect || !domain_spec_is_sound(value))
            return false;
        scan->has_redirect = true;
        scan->redirect = value;
        return true;
    }
    if (span_equal_nocase(name, span_text("exp"))) {
        if (scan->has_exp || !domain_spec_is_sound(value))
            return false;
        scan->has_exp = true;
        return true;
    }
    return macro_string_is_sound(value, &last_macro);
}

static bool term_take(struct scan *scan, struct span term)
{
    size_t name_size = modifier_name_size(term);
    if (name_size > 0)
        return modifier_take(scan, span_head(term, name_size), span_skip(term, name_size + 1));
    return directive_take(scan, term);
}

bool spf_record_normalise(struct span record, const struct addr *client,
                          const struct spf_names *names, char *out, size_t size)
{
    struct scan scan = {.client = client, .names = names, .out = {.at = out, .size = size}};
    if (!spf_record_is(record) || record.size > SPF_RECORD_MAX)
        return false;
    write_text(&scan.out, "v=spf1");
    struct span left = span_skip(record, strlen("v=spf1"));
    for (int terms = 0; left.size > 0; terms++) {
        if (terms > SPF_TERMS_MAX)
            return false;
        if (left.at[0] == ' ') {
            left = span_skip(left, 1);
            terms--;
            continue;
        }
        size_t end = span_find(left, ' ');
        if (!term_take(&scan, span_head(left, end)))
            return false;
        left = span_skip(left, end);
    }
    if (scan.has_redirect && !scan.has_all && !scan.decided) {
        write_text(&scan.out, " redirect=");
        domain_write(&scan, scan.redirect);
    }
    return !scan.out.full;
}

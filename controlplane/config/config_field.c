// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_field.h"

#include "base/addr.h"
#include "base/limits.h"
#include "base/span.h"

#include <ctype.h>
#include <stdio.h>

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            return false;
    return true;
}

// The scalar when it is printable ASCII of least..most bytes, else NULL after an error.
static const char *text_within(struct config_reader *r, yaml_node_t *node, size_t least,
                               size_t most)
{
    char expected[64];
    snprintf(expected, sizeof expected, "printable ASCII text of %zu to %zu bytes", least, most);
    const char *text = config_schema_text(r, node, expected);
    if (!text)
        return NULL;
    size_t size = strlen(text);
    if (size >= least && size <= most && is_printable(text))
        return text;
    config_schema_expected(r, node, "%s", expected);
    return NULL;
}

void config_field_text(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                       void *at)
{
    const char *text = text_within(r, node, key->least, key->size - 1);
    if (text)
        snprintf(at, key->size, "%s", text);
}

void config_field_path(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                       void *at)
{
    const char *text = text_within(r, node, key->least, key->size - 1);
    if (!text)
        return;
    bool relative = text[0] && text[0] != '/';
    size_t size = strlen(text) + (relative ? strlen(r->directory) + 1 : 0);
    if (size >= key->size)
        config_schema_error(r, node, "expected a path of at most %zu bytes", key->size - 1);
    else
        snprintf(at, key->size, "%s%s%s", relative ? r->directory : "", relative ? "/" : "", text);
}

void config_field_number(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                         void *at)
{
    uint64_t value;
    if (node->type != YAML_SCALAR_NODE ||
        !span_to_u64(span_of(node->data.scalar.value, node->data.scalar.length), key->most,
                     &value) ||
        value < key->least) {
        config_schema_expected(r, node, "a number from %llu to %llu",
                               (unsigned long long)key->least, (unsigned long long)key->most);
        return;
    }
    switch (key->size) {
    case 1:
        *(uint8_t *)at = (uint8_t)value;
        return;
    case 2:
        *(uint16_t *)at = (uint16_t)value;
        return;
    case 4:
        *(uint32_t *)at = (uint32_t)value;
        return;
    case 8:
        *(uint64_t *)at = value;
        return;
    }
    CHECK(!"a number of such a size");
}

void config_field_bool(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                       void *at)
{
    const char *text = config_schema_text(r, node, "true or false");
    if (!text)
        return;
    if (strcmp(text, "true") == 0)
        *(bool *)at = true;
    else if (strcmp(text, "false") == 0)
        *(bool *)at = false;
    else
        config_schema_expected(r, node, "true or false");
}

void config_field_choice(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                         void *at)
{
    char expected[128] = "";
    size_t size = 0;
    for (int i = 0; key->choices[i] && size < sizeof expected; i++)
        size +=
            (size_t)snprintf(expected + size, sizeof expected - size, "%s%s",
                             i == 0 ? "" : (key->choices[i + 1] ? ", " : " or "), key->choices[i]);
    const char *text = config_schema_text(r, node, expected);
    if (!text)
        return;
    for (int i = 0; key->choices[i]; i++)
        if (strcmp(text, key->choices[i]) == 0) {
            *(uint8_t *)at = (uint8_t)i;
            return;
        }
    config_schema_expected(r, node, "%s", expected);
}

void config_field_addr(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                       void *at)
{
    const char *expected = "an IPv4 or IPv6 address";
    const char *text = config_schema_text(r, node, expected);
    struct addr addr;
    if (!text)
        return;
    if (addr_parse(text, &addr) && !addr_is_zero(&addr))
        *(struct addr *)at = addr;
    else
        config_schema_expected(r, node, "%s", expected);
}

void config_field_prefix(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                         void *at)
{
    const char *expected = "a prefix such as 192.0.2.0/24 or 2001:db8::/32, host bits zero";
    const char *text = config_schema_text(r, node, expected);
    struct prefix prefix;
    if (!text)
        return;
    if (prefix_parse(text, &prefix))
        *(struct prefix *)at = prefix;
    else
        config_schema_expected(r, node, "%s", expected);
}

static bool server_is_sound(const char *text)
{
    char host[ADDR_TEXT_SIZE];
    struct addr addr;
    uint64_t port;
    const char *colon = strrchr(text, ':');
    if (!colon || !span_to_u64(span_text(colon + 1), UINT16_MAX, &port))
        return false;
    struct span name = span_of(text, (size_t)(colon - text));
    bool bracketed = name.size > 2 && name.at[0] == '[' && name.at[name.size - 1] == ']';
    if (bracketed)
        name = span_of(name.at + 1, name.size - 2);
    if (name.size >= sizeof host)
        return false;
    span_to_text(name, host, sizeof host);
    return addr_parse(host, &addr) && addr_is_v4(&addr) == !bracketed;
}

void config_field_server(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                         void *at)
{
    const char *expected = "ADDRESS:PORT or [IPV6-ADDRESS]:PORT";
    const char *text = config_schema_text(r, node, expected);
    if (!text)
        return;
    if (strlen(text) < key->size && (!text[0] || server_is_sound(text)))
        snprintf(at, key->size, "%s", text);
    else
        config_schema_expected(r, node, "%s", expected);
}

static bool is_name(const char *text)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '-' && *text != '_' && *text != '.')
            return false;
    return true;
}

bool config_field_name(struct config_reader *r, yaml_node_t *node, char *name, size_t size)
{
    const char *text = config_schema_text(r, node, "a name");
    if (!text)
        return false;
    if (text[0] && strlen(text) < size && is_name(text)) {
        snprintf(name, size, "%s", text);
        return true;
    }
    config_schema_error(r, node, "expected a name of 1 to %zu letters, digits, '-', '_' and '.'",
                        size - 1);
    return false;
}

const char *const config_field_protocols[] = {"smtp", "imap", "pop3", NULL};
const char *const config_field_tls_modes[] = {"off", "starttls", "implicit", NULL};

bool config_field_host_copy(const char *text, char *name, size_t size)
{
    size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '.')
        length--;
    if (length == 0 || length >= size || text[0] == '.' || text[0] == '-')
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = (char)tolower((unsigned char)text[i]);
        bool dot_after_dot = c == '.' && i > 0 && text[i - 1] == '.';
        if ((!isalnum((unsigned char)c) && c != '-' && c != '_' && c != '.') || dot_after_dot)
            return false;
        name[i] = c;
    }
    name[length] = '\0';
    return true;
}

void config_field_host(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                       void *at)
{
    char name[HOST_NAME_MAX_DNS + 1];
    const char *text = config_schema_text(r, node, "a host name");
    if (!text)
        return;
    if (config_field_host_copy(text, name, key->size))
        snprintf(at, key->size, "%s", name);
    else
        config_schema_expected(r, node, "a host name");
}

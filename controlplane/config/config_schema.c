// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_schema.h"

#include "base/check.h"
#include "base/span.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_SIZE = 48, CHOICES_SIZE = 256 };

static size_t path_add(struct config_reader *r, const char *part)
{
    size_t before = r->path_size;
    size_t room = sizeof r->path - before;
    int size = snprintf(r->path + before, room, "%s", part);
    r->path_size += (size_t)size < room ? (size_t)size : room - 1;
    return before;
}

static size_t path_enter_name(struct config_reader *r, const char *name)
{
    char part[2 * SHOWN_SIZE];
    snprintf(part, sizeof part, "%s%s", r->path_size ? "." : "", name);
    return path_add(r, part);
}

static size_t path_enter_item(struct config_reader *r, uint64_t index)
{
    char part[32];
    snprintf(part, sizeof part, "[%llu]", (unsigned long long)index);
    return path_add(r, part);
}

static void path_leave(struct config_reader *r, size_t before)
{
    r->path_size = before;
    r->path[before] = '\0';
}

static struct span node_span(const yaml_node_t *node)
{
    return span_of(node->data.scalar.value, node->data.scalar.length);
}

static void error_at(struct config_reader *r, const yaml_node_t *node, const char *text)
{
    struct config_place place = {
        .file = r->file,
        .line = node->start_mark.line + 1,
        .column = node->start_mark.column + 1,
        .path = r->path,
    };
    config_errors_add(r->errors, &place, "%s", text);
}

void config_schema_error(struct config_reader *r, const yaml_node_t *node, const char *format, ...)
{
    char text[384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_at(r, node, text);
}

void config_schema_expected(struct config_reader *r, const yaml_node_t *node, const char *format,
                            ...)
{
    char text[320], found[SHOWN_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    switch (node->type) {
    case YAML_SCALAR_NODE:
        span_to_text(node_span(node), found, sizeof found);
        config_schema_error(r, node, "expected %s, not \"%s\"", text, found);
        return;
    case YAML_SEQUENCE_NODE:
        config_schema_error(r, node, "expected %s, not a list", text);
        return;
    case YAML_MAPPING_NODE:
        config_schema_error(r, node, "expected %s, not a mapping", text);
        return;
    case YAML_NO_NODE:
        config_schema_error(r, node, "expected %s", text);
        return;
    }
}

const char *config_schema_text(struct config_reader *r, yaml_node_t *node, const char *expected)
{
    if (node->type != YAML_SCALAR_NODE ||
        memchr(node->data.scalar.value, '\0', node->data.scalar.length)) {
        config_schema_expected(r, node, "%s", expected);
        return NULL;
    }
    return (const char *)node->data.scalar.value; // libyaml ends it with a NUL
}

static const struct config_key *key_find(const struct config_key *keys, const yaml_node_t *name)
{
    if (name->type != YAML_SCALAR_NODE)
        return NULL;
    for (const struct config_key *key = keys; key->name; key++)
        if (span_equal(node_span(name), span_text(key->name)))
            return key;
    return NULL;
}

static bool names_equal(const yaml_node_t *a, const yaml_node_t *b)
{
    return a->type == YAML_SCALAR_NODE && b->type == YAML_SCALAR_NODE &&
           span_equal(node_span(a), node_span(b));
}

static bool is_doubled(struct config_reader *r, yaml_node_t *mapping, const yaml_node_pair_t *pair)
{
    const yaml_node_t *name = yaml_document_get_node(r->document, pair->key);
    const yaml_node_pair_t *before = mapping->data.mapping.pairs.start;
    for (; before < pair; before++)
        if (names_equal(yaml_document_get_node(r->document, before->key), name))
            return true;
    return false;
}

static void key_unknown(struct config_reader *r, const struct config_key *keys, yaml_node_t *name)
{
    char known[CHOICES_SIZE] = "", shown[SHOWN_SIZE] = "?";
    size_t size = 0;
    for (const struct config_key *key = keys; key->name && size < sizeof known; key++)
        size += (size_t)snprintf(known + size, sizeof known - size, "%s%s", size ? ", " : "",
                                 key->name);
    if (name->type == YAML_SCALAR_NODE)
        span_to_text(node_span(name), shown, sizeof shown);
    size_t before = path_enter_name(r, shown);
    config_schema_error(r, name, "unknown key, expected one of: %s", known);
    path_leave(r, before);
}

static void key_doubled(struct config_reader *r, yaml_node_t *name)
{
    char shown[SHOWN_SIZE];
    span_to_text(node_span(name), shown, sizeof shown);
    size_t before = path_enter_name(r, shown);
    config_schema_error(r, name, "given twice");
    path_leave(r, before);
}

static yaml_node_t *value_find(struct config_reader *r, yaml_node_t *mapping,
                               const struct config_key *key)
{
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    for (; pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = yaml_document_get_node(r->document, pair->key);
        if (name->type == YAML_SCALAR_NODE && span_equal(node_span(name), span_text(key->name)))
            return yaml_document_get_node(r->document, pair->value);
    }
    return NULL;
}

void config_schema_mapping(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                           void *at)
{
    if (node->type != YAML_MAPPING_NODE) {
        config_schema_expected(r, node, "a mapping");
        return;
    }
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *name = yaml_document_get_node(r->document, pair->key);
        if (!key_find(key->keys, name))
            key_unknown(r, key->keys, name);
        else if (is_doubled(r, node, pair))
            key_doubled(r, name);
    }
    for (const struct config_key *k = key->keys; k->name; k++) {
        yaml_node_t *value = value_find(r, node, k);
        size_t before = path_enter_name(r, k->name);
        if (value)
            k->read(r, value, k, (char *)at + k->offset);
        else if (k->required)
            config_schema_error(r, node, "missing");
        path_leave(r, before);
    }
}

void config_schema_entries(struct config_reader *r, yaml_node_t *node, uint64_t most,
                           config_schema_take *take, void *arg)
{
    if (node->type != YAML_MAPPING_NODE) {
        config_schema_expected(r, node, "a mapping");
        return;
    }
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (uint64_t i = 0; pair < node->data.mapping.pairs.top; pair++, i++) {
        yaml_node_t *name = yaml_document_get_node(r->document, pair->key);
        if (i == most) {
            config_schema_error(r, name, "more than %llu entries", (unsigned long long)most);
            return;
        }
        if (!config_schema_text(r, name, "a name"))
            continue;
        if (is_doubled(r, node, pair)) {
            key_doubled(r, name);
            continue;
        }
        char shown[SHOWN_SIZE];
        span_to_text(node_span(name), shown, sizeof shown);
        size_t before = path_enter_name(r, shown);
        take(r, name, yaml_document_get_node(r->document, pair->value), arg);
        path_leave(r, before);
    }
}

void config_schema_items(struct config_reader *r, yaml_node_t *node, uint64_t most,
                         config_schema_take *take, void *arg)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        config_schema_expected(r, node, "a list");
        return;
    }
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (uint64_t i = 0; item < node->data.sequence.items.top; item++, i++) {
        yaml_node_t *value = yaml_document_get_node(r->document, *item);
        if (i == most) {
            config_schema_error(r, value, "more than %llu items", (unsigned long long)most);
            return;
        }
        size_t before = path_enter_item(r, i);
        take(r, NULL, value, arg);
        path_leave(r, before);
    }
}

static void syntax_error(const char *file, const yaml_parser_t *parser,
                         struct config_errors *errors)
{
    struct config_place place = {
        .file = file,
        .line = parser->problem_mark.line + 1,
        .column = parser->problem_mark.column + 1,
        .path = "",
    };
    config_errors_add(errors, &place, "not YAML: %s",
                      parser->problem ? parser->problem : "out of memory");
}

// What stands behind a `---` would be silently ignored.
static bool document_is_last(const char *file, yaml_parser_t *parser, struct config_errors *errors)
{
    yaml_document_t next;
    if (!yaml_parser_load(parser, &next)) {
        syntax_error(file, parser, errors);
        return false;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&next);
    if (root) {
        struct config_place place = {.file = file,
                                     .line = root->start_mark.line + 1,
                                     .column = root->start_mark.column + 1,
                                     .path = ""};
        config_errors_add(errors, &place, "expected one document, this is a second");
    }
    yaml_document_delete(&next);
    return root == NULL;
}

static int document_load(const char *file, FILE *stream, yaml_document_t *ret_document,
                         struct config_errors *errors)
{
    yaml_parser_t parser;
    CHECK(yaml_parser_initialize(&parser));
    yaml_parser_set_input_file(&parser, stream);
    int loaded = yaml_parser_load(&parser, ret_document);
    if (!loaded) {
        syntax_error(file, &parser, errors);
    } else if (!document_is_last(file, &parser, errors)) {
        yaml_document_delete(ret_document);
        loaded = 0;
    }
    yaml_parser_delete(&parser);
    return loaded ? 0 : -EINVAL;
}

static void directory_of(const char *file, char directory[PATH_MAX])
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", file);
    if (!realpath(dirname(copy), directory))
        snprintf(directory, PATH_MAX, ".");
}

int config_schema_load(const char *file, const struct config_key *root, void *object, void *context,
                       struct config_errors *errors)
{
    struct config_place whole = {.file = file, .path = ""};
    unsigned errors_before = errors->count;
    FILE *stream = fopen(file, "re");
    if (!stream) {
        int error = -errno;
        config_errors_add(errors, &whole, "cannot be read: %s", strerror(-error));
        return error;
    }
    yaml_document_t document;
    int error = document_load(file, stream, &document, errors);
    fclose(stream);
    if (error)
        return error;
    char directory[PATH_MAX];
    directory_of(file, directory);
    struct config_reader reader = {.file = file,
                                   .directory = directory,
                                   .document = &document,
                                   .errors = errors,
                                   .context = context};
    yaml_node_t *node = yaml_document_get_root_node(&document);
    if (node)
        root->read(&reader, node, root, object);
    else
        config_errors_add(errors, &whole, "empty");
    yaml_document_delete(&document);
    return errors->count == errors_before ? 0 : -EINVAL;
}

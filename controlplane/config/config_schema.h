// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A YAML document read through const tables: each mapping has a table of its keys, each key names
 * the function that reads its value into an object at an offset.
 *
 * Keys are read in the table's order, whatever the file's, so that a later key may refer to an
 * earlier one. Unknown and doubled keys are errors, as are required ones that are missing. Reading
 * goes on after an error. Depth is the tables' depth: nothing in the file can make it deeper.
 */

#include "config/config_errors.h"

#include <stdbool.h>
#include <stdint.h>
#include <yaml.h>

struct config_reader {
    const char *file;
    const char *directory; // of the file, absolute; relative file names start there
    yaml_document_t *document;
    struct config_errors *errors;
    char path[256]; // keys down to the value being read, cut
    size_t path_size;
    void *context; // the reading tables' own
};

struct config_key {
    const char *name; // NULL ends a table
    void (*read)(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                 void *at);
    size_t offset; // bytes from the object's start to `at`
    size_t size;   // bytes at `at`
    uint64_t least, most;
    const char *const *choices;    // NULL-terminated; the value is the index
    const struct config_key *keys; // of a mapping
    bool required;
};

// `at` is the object of key->keys.
void config_schema_mapping(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                           void *at);

// Calls `take` for each entry of a mapping (any names) or sequence, `name` being NULL for the
// latter. An error when node is neither the one nor the other, or has more than `most` entries.
typedef void config_schema_take(struct config_reader *r, yaml_node_t *name, yaml_node_t *value,
                                void *arg);
void config_schema_entries(struct config_reader *r, yaml_node_t *node, uint64_t most,
                           config_schema_take *take, void *arg);
void config_schema_items(struct config_reader *r, yaml_node_t *node, uint64_t most,
                         config_schema_take *take, void *arg);

// Text without NUL bytes, or NULL after an error that names what was expected.
const char *config_schema_text(struct config_reader *r, yaml_node_t *node, const char *expected);

void config_schema_error(struct config_reader *r, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// "expected X, not "Y"", with Y the scalar's text, cut, or what else it is.
void config_schema_expected(struct config_reader *r, const yaml_node_t *node, const char *format,
                            ...) __attribute__((format(printf, 3, 4)));

/* Loads a file of one YAML document and reads its root with `root` (required, whatever its name).
 * 0; -EINVAL or -errno with at least one line in `errors`. */
int config_schema_load(const char *file, const struct config_key *root, void *object, void *context,
                       struct config_errors *errors);

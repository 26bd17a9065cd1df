// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Readers of single values for config_schema's tables. Each writes `at` only when the value is
 * good; key->size is the size of what stands there. */

#include "base/check.h"
#include "config/config_schema.h"

#define CONFIG_FIELD(type, field)                                                                  \
    .offset = offsetof(struct type, field), .size = sizeof(((struct type *)0)->field)

typedef void config_field_read(struct config_reader *r, yaml_node_t *node,
                               const struct config_key *key, void *at);

config_field_read config_field_text;   // printable, key->least..size - 1 bytes
config_field_read config_field_path;   // likewise; relative to the file's directory; "" stays ""
config_field_read config_field_number; // key->least..key->most, into 1, 2, 4 or 8 bytes
config_field_read config_field_bool;   // true, false
config_field_read config_field_choice; // one of key->choices, its index into 1 byte
config_field_read config_field_addr;   // struct addr
config_field_read config_field_prefix; // struct prefix
config_field_read config_field_host;   // host name in lower case, key->size - 1 bytes
config_field_read config_field_server; // ADDRESS:PORT or [ADDRESS]:PORT as text, "" stays ""

// Letters, digits, '-', '_' and '.', 1 to size - 1 of them; false after an error.
bool config_field_name(struct config_reader *r, yaml_node_t *node, char *name, size_t size);
extern const char *const config_field_protocols[]; // by enum protocol
extern const char *const config_field_tls_modes[]; // by enum tls_mode

// Into name[size], in lower case, without a final dot. False: it is no host name, or too long.
bool config_field_host_copy(const char *text, char *name, size_t size) MUST_CHECK;

// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_auth.h"

#include "config/config.h"
#include "config/config_field.h"

#include <errno.h>

static const char *const auth_backend_names[] = {"passwd_file", "dovecot", NULL};

// What has no '/' in it is no path.
static void read_auth_socket(struct config_reader *r, yaml_node_t *node,
                             const struct config_key *key, void *at)
{
    const char *text = config_schema_text(r, node, "a path or ADDRESS:PORT");
    if (text && strchr(text, '/'))
        config_field_path(r, node, key, at);
    else if (text)
        config_field_server(r, node, key, at);
}

static void read_mailbox_map(struct config_reader *r, yaml_node_t *node,
                             const struct config_key *key, void *at)
{
    struct config *config = (struct config *)r->context;
    const struct config_key path = {.size = sizeof config->mailbox_file};
    config_field_path(r, node, &path, config->mailbox_file);
    const char *file = config->mailbox_file;
    if (file[0] && sender_map_read(file, MAP_MAILBOXES, &config->mailboxes, r->errors) < 0)
        return; // its errors name the file
}

void config_auth_read(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                      void *at)
{
    const struct config_auth *auth = at;
    config_schema_mapping(r, node, key, at);
    if (auth->backend == CONFIG_AUTH_DOVECOT && !auth->socket[0])
        config_schema_error(r, node, "expected a socket with backend dovecot");
}

const struct config_key config_auth_keys[] = {
    {"backend", config_field_choice, CONFIG_FIELD(config_auth, backend),
     .choices = auth_backend_names},
    {"socket", read_auth_socket, CONFIG_FIELD(config_auth, socket)},
    {"passwd_file", config_field_path, CONFIG_FIELD(config_auth, passwd_file), .least = 1},
    {"allow_plain", config_field_bool, CONFIG_FIELD(config_auth, allow_plain)},
    {"mailbox_map", read_mailbox_map},
    {NULL},
};

static bool has_backend(const struct config *config, struct span name)
{
    for (int i = 0; i < config->head.backends_count; i++)
        if (span_equal_nocase(name, span_text(config->head.backends[i].name)))
            return true;
    return false;
}

int config_auth_check(const struct config *config, struct config_errors *errors)
{
    const struct sender_map *map = config->mailboxes;
    struct config_place place = {.file = config->mailbox_file, .path = ""};
    unsigned before = errors->count;
    for (uint32_t i = 0; map && i < map->count; i++) {
        const struct policy_sender *e = &map->entries[i];
        struct span name = span_of(map->texts + e->text + e->sender_size, e->login_size);
        if (!has_backend(config, name))
            config_errors_add(errors, &place,
                              "%.*s: expected a backend of the configuration, not "
                              "\"%.*s\"",
                              e->sender_size, map->texts + e->text, e->login_size,
                              (const char *)name.at);
    }
    return errors->count > before ? -EINVAL : 0;
}

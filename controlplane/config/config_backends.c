// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_backends.h"

#include "config/config_field.h"
#include "contract/policy.h"

static const char *const identity_names[] = {"none", "forward", "proxy", NULL};

static const struct config_key server_keys[] = {
    {"address", config_field_addr, CONFIG_FIELD(policy_server, addr), .required = true},
    {"port", config_field_number, CONFIG_FIELD(policy_server, port), .least = 1,
     .most = UINT16_MAX},
    {"weight", config_field_number, CONFIG_FIELD(policy_server, weight), .least = 1,
     .most = UINT8_MAX},
    {"backup", config_field_bool, CONFIG_FIELD(policy_server, backup)},
    {NULL},
};
static const struct config_key server_key = {.keys = server_keys};

static void take_backend_server(struct config_reader *r, yaml_node_t *name, yaml_node_t *value,
                                void *arg)
{
    struct policy_backend *backend = (struct policy_backend *)arg;
    struct policy_server *server = &backend->servers[backend->servers_count++];
    server->weight = 1;
    config_schema_mapping(r, value, &server_key, server);
}

static bool server_is_doubled(const struct policy_backend *backend, int index)
{
    const struct policy_server *server = &backend->servers[index];
    for (int i = 0; i < index; i++)
        if (backend->servers[i].port == server->port &&
            addr_equal(&backend->servers[i].addr, &server->addr))
            return true;
    return false;
}

static void read_backend_servers(struct config_reader *r, yaml_node_t *node,
                                 const struct config_key *key, void *at)
{
    struct policy_backend *backend = (struct policy_backend *)at;
    uint16_t port = backend->servers[0].port; // read before: of all that have none
    unsigned errors_before = r->errors->count;
    if (!addr_is_zero(&backend->servers[0].addr)) {
        config_schema_error(r, node, "expected either `address` or `servers`, not both");
        return;
    }
    backend->servers[0].port = 0;
    backend->servers_count = 0;
    config_schema_items(r, node, BACKEND_SERVERS_MAX, take_backend_server, backend);
    if (r->errors->count > errors_before)
        return;
    if (backend->servers_count == 0)
        config_schema_error(r, node, "expected at least one server");
    for (int i = 0; i < backend->servers_count; i++) {
        struct policy_server *server = &backend->servers[i];
        server->port = server->port ? server->port : port;
        if (server_is_doubled(backend, i))
            config_schema_error(r, node, "expected each address and port once");
    }
}

static const struct config_key backend_keys[] = {
    {"address", config_field_addr, CONFIG_FIELD(policy_backend, servers[0].addr)},
    {"port", config_field_number, CONFIG_FIELD(policy_backend, servers[0].port), .least = 1,
     .most = UINT16_MAX},
    {"servers", read_backend_servers},
    {"protocol", config_field_choice, CONFIG_FIELD(policy_backend, protocol),
     .choices = config_field_protocols, .required = true},
    {"identity", config_field_choice, CONFIG_FIELD(policy_backend, identity),
     .choices = identity_names},
    {"master_file", config_field_path, CONFIG_FIELD(policy_backend, master_file)},
    {"tls", config_field_choice, CONFIG_FIELD(policy_backend, tls),
     .choices = config_field_tls_modes},
    {"tls_name", config_field_host, CONFIG_FIELD(policy_backend, tls_name)},
    {"tls_ca_file", config_field_path, CONFIG_FIELD(policy_backend, tls_ca_file), .least = 1},
    {"tls_verify", config_field_bool, CONFIG_FIELD(policy_backend, tls_verify)},
    {NULL},
};
static const struct config_key backend_key = {.keys = backend_keys};

static bool have_ports(const struct policy_backend *backend)
{
    for (int i = 0; i < backend->servers_count; i++)
        if (backend->servers[i].port == 0)
            return false;
    return true;
}

static void take_backend(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    struct policy *head = (struct policy *)arg;
    struct policy_backend *backend = &head->backends[head->backends_count++];
    unsigned errors_before = r->errors->count;
    backend->servers_count = backend->servers[0].weight = backend->tls_verify = 1;
    if (config_field_name(r, name, backend->name, sizeof backend->name))
        config_schema_mapping(r, value, &backend_key, backend);
    if (r->errors->count > errors_before)
        return;
    if (backend->master_file[0] && backend->protocol == PROTOCOL_SMTP)
        config_schema_error(r, value, "master_file: expected only with protocol imap or pop3");
    else if (addr_is_zero(&backend->servers[0].addr))
        config_schema_error(r, value, "expected `address` and `port`, or `servers`");
    else if (!have_ports(backend))
        config_schema_error(r, value, "port: missing");
    else if (backend->tls == TLS_OFF && (backend->tls_name[0] || backend->tls_ca_file[0]))
        config_schema_error(r, value,
                            "tls: expected starttls or implicit with tls_name or "
                            "tls_ca_file");
}

void config_backends_read(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                          void *at)
{
    struct policy *head = (struct policy *)at;
    config_schema_entries(r, node, BACKENDS_MAX, take_backend, head);
    if (node->type == YAML_MAPPING_NODE && head->backends_count == 0)
        config_schema_error(r, node, "expected at least one backend");
}

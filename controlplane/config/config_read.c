// SPDX-License-Identifier: BSD-3-Clause
/* The tables of weir.yaml. A key's place in its table is the order of reading: tls and backends
 * come before services, which refer to them. */
#include "config/config.h"
#include "config/config_auth.h"
#include "config/config_backends.h"
#include "config/config_classes.h"
#include "config/config_dnsbl.h"
#include "config/config_field.h"
#include "config/config_martians.h"
#include "config/config_smtp.h"
#include "config/rules_read.h"

#include "base/packet.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LCORE_MAX = 1023, VLAN_MAX = 4094, MTU_LEAST = 1280, MTU_MOST = 9000 };

static const char *const leg_names[] = {"outside", "inside", NULL};

// control

static const struct config_key control_keys[] = {
    {"dataplane_socket", config_field_path, CONFIG_FIELD(config_control, dataplane_socket),
     .least = 1},
    {"api_socket", config_field_path, CONFIG_FIELD(config_control, api_socket), .least = 1},
    {"pid_directory", config_field_path, CONFIG_FIELD(config_control, pid_directory), .least = 1},
    {"session_log", config_field_path, CONFIG_FIELD(config_control, session_log)},
    {"metrics", config_field_server, CONFIG_FIELD(config_control, metrics)},
    {"dns_user", config_field_text, CONFIG_FIELD(config_control, dns_user), .least = 1},
    {"auth_user", config_field_text, CONFIG_FIELD(config_control, auth_user), .least = 1},
    {NULL},
};

// boot

static void take_lcore(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    static const struct config_key key = {.size = sizeof(uint16_t), .most = LCORE_MAX};
    struct policy_boot *boot = (struct policy_boot *)arg;
    config_field_number(r, value, &key, &boot->lcores[boot->workers]);
    for (int i = 0; i < boot->workers; i++)
        if (boot->lcores[i] == boot->lcores[boot->workers])
            config_schema_error(r, value, "expected each CPU once");
    boot->workers++;
}

static void read_lcores(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                        void *at)
{
    struct policy_boot *boot = (struct policy_boot *)at;
    boot->workers = 0;
    config_schema_items(r, node, WORKERS_MAX, take_lcore, boot);
    if (node->type == YAML_SEQUENCE_NODE && boot->workers == 0)
        config_schema_error(r, node, "expected at least one CPU");
}

static void read_sources(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                         void *at)
{
    uint32_t sources = 0;
    config_field_number(r, node, key, &sources);
    if (sources & (sources - 1))
        config_schema_expected(r, node, "a power of two");
    else if (sources)
        *(uint32_t *)at = sources;
}

static const struct config_key boot_keys[] = {
    {"main_lcore", config_field_number, CONFIG_FIELD(policy_boot, main_lcore), .most = LCORE_MAX},
    {"worker_lcores", read_lcores},
    {"idle_sleep_us", config_field_number, CONFIG_FIELD(policy_boot, idle_sleep_us), .most = 10000},
    {"hugepage_mb", config_field_number, CONFIG_FIELD(policy_boot, hugepage_mb), .most = 1 << 20},
    {"eal", config_field_text, CONFIG_FIELD(policy_boot, eal)},
    {"mbufs", config_field_number, CONFIG_FIELD(policy_boot, mbufs), .least = 1024,
     .most = 1 << 24},
    {"connections", config_field_number, CONFIG_FIELD(policy_boot, connections), .least = 16,
     .most = 1 << 23},
    {"sessions", config_field_number, CONFIG_FIELD(policy_boot, sessions), .least = 8,
     .most = 1 << 22},
    {"sources", read_sources, CONFIG_FIELD(policy_boot, sources), .least = 64, .most = 1u << 27},
    {NULL},
};

// interfaces

static void read_interface_addr(struct config_reader *r, yaml_node_t *node,
                                const struct config_key *key, void *at)
{
    enum family_index family = (enum family_index)key->most;
    const char *expected = family == FAMILY_V4 ? "an IPv4 address and prefix, 192.0.2.1/24"
                                               : "an IPv6 address and prefix, 2001:db8::1/64";
    const char *text = config_schema_text(r, node, expected);
    if (!text || !text[0]) // empty: that family is off
        return;
    char host[ADDR_TEXT_SIZE];
    uint64_t bits;
    struct addr addr;
    struct span whole = span_text(text);
    size_t slash = span_find(whole, '/');
    uint64_t bits_max = family == FAMILY_V4 ? 32 : 128;
    bool sound = slash < sizeof host && span_to_u64(span_skip(whole, slash + 1), bits_max, &bits);
    if (sound) {
        span_to_text(span_head(whole, slash), host, sizeof host);
        sound = addr_parse(host, &addr) && !addr_is_zero(&addr) &&
                addr_is_v4(&addr) == (family == FAMILY_V4);
    }
    if (!sound) {
        config_schema_expected(r, node, "%s", expected);
        return;
    }
    struct policy_interface *interface = (struct policy_interface *)at;
    interface->addr[family] = addr;
    interface->bits[family] = (uint8_t)(bits + (family == FAMILY_V4 ? ADDR_V4_BITS : 0));
}

static const struct config_key interface_keys[] = {
    {"device", config_field_text, CONFIG_FIELD(policy_interface, device), .least = 1,
     .required = true},
    {"ipv4", read_interface_addr, .most = FAMILY_V4},
    {"ipv6", read_interface_addr, .most = FAMILY_V6},
    {"mtu", config_field_number, CONFIG_FIELD(policy_interface, mtu), .least = MTU_LEAST,
     .most = MTU_MOST},
    {"vlan", config_field_number, CONFIG_FIELD(policy_interface, vlan), .most = VLAN_MAX},
    {NULL},
};

static void read_interface(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                           void *at)
{
    struct policy_interface *interface = (struct policy_interface *)at;
    unsigned errors_before = r->errors->count;
    config_schema_mapping(r, node, key, interface);
    if (r->errors->count == errors_before && addr_is_zero(&interface->addr[FAMILY_V4]) &&
        addr_is_zero(&interface->addr[FAMILY_V6]))
        config_schema_error(r, node, "expected an ipv4 or an ipv6 address, or both");
}

static bool is_on_link(const struct policy_interface *leg, const struct addr *addr)
{
    enum family_index family = addr_is_v4(addr) ? FAMILY_V4 : FAMILY_V6;
    const struct addr *own = &leg->addr[family];
    struct prefix link = {addr_mask(own, leg->bits[family]), leg->bits[family]};
    return !addr_is_zero(own) && prefix_contains(&link, addr);
}

static void read_inside(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                        void *at)
{
    struct policy_interface *inside = (struct policy_interface *)at;
    const struct policy_interface *outside = inside - LEG_INSIDE + LEG_OUTSIDE; // read already
    read_interface(r, node, key, at);
    for (int family = 0; family < FAMILY_COUNT; family++)
        if (!addr_is_zero(&inside->addr[family]) && !addr_is_zero(&outside->addr[family]) &&
            (is_on_link(outside, &inside->addr[family]) ||
             is_on_link(inside, &outside->addr[family])))
            config_schema_error(r, node, "expected another %s network than outside's",
                                family == FAMILY_V4 ? "IPv4" : "IPv6");
}

static const struct config_key interfaces_keys[] = {
    {"outside", read_interface, CONFIG_FIELD(policy_boot, legs[LEG_OUTSIDE]),
     .keys = interface_keys, .required = true},
    {"inside", read_inside, CONFIG_FIELD(policy_boot, legs[LEG_INSIDE]), .keys = interface_keys,
     .required = true},
    {NULL},
};

// routes

static const struct config_key route_keys[] = {
    {"to", config_field_prefix, CONFIG_FIELD(policy_route, to), .required = true},
    {"via", config_field_addr, CONFIG_FIELD(policy_route, via), .required = true},
    {"leg", config_field_choice, CONFIG_FIELD(policy_route, leg), .choices = leg_names,
     .required = true},
    {NULL},
};
static const struct config_key route_key = {.keys = route_keys};

static void take_route(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    struct policy *head = (struct policy *)arg;
    struct policy_route *route = &head->routes[head->routes_count++];
    unsigned errors_before = r->errors->count;
    config_schema_mapping(r, value, &route_key, route);
    // The mapping of ::/0 covers IPv4 too, so families are told apart by the next hop.
    bool v4 = addr_is_v4(&route->to.addr) && route->to.bits >= ADDR_V4_BITS;
    if (r->errors->count == errors_before && v4 != addr_is_v4(&route->via))
        config_schema_error(r, value, "expected `to` and `via` of one family");
    else if (r->errors->count == errors_before &&
             !is_on_link(&head->boot.legs[route->leg], &route->via))
        config_schema_error(r, value, "via: expected an address on that leg's own network");
}

static void read_routes(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                        void *at)
{
    config_schema_items(r, node, ROUTES_MAX, take_route, at);
}

// tls

static const struct config_key certificate_keys[] = {
    {"certificate", config_field_path, CONFIG_FIELD(policy_certificate, certificate_file),
     .least = 1, .required = true},
    {"key", config_field_path, CONFIG_FIELD(policy_certificate, key_file), .least = 1,
     .required = true},
    {NULL},
};
static const struct config_key certificate_key = {.keys = certificate_keys};

static void take_certificate(struct config_reader *r, yaml_node_t *name, yaml_node_t *value,
                             void *arg)
{
    struct policy *head = (struct policy *)arg;
    config_schema_mapping(r, value, &certificate_key,
                          &head->certificates[head->certificates_count++]);
}

static void read_certificates(struct config_reader *r, yaml_node_t *node,
                              const struct config_key *key, void *at)
{
    config_schema_items(r, node, CERTIFICATES_MAX, take_certificate, at);
}

static const struct config_key tls_keys[] = {{"certificates", read_certificates}, {NULL}};

// backends

// The index of a backend by name; its protocol is checked where the service's is known.
static void read_backend_name(struct config_reader *r, yaml_node_t *node,
                              const struct config_key *key, void *at)
{
    const struct policy *head = &((struct config *)r->context)->head;
    const char *text = config_schema_text(r, node, "the name of a backend");
    if (!text)
        return;
    for (uint8_t i = 0; i < head->backends_count; i++)
        if (strcmp(text, head->backends[i].name) == 0) {
            *(uint8_t *)at = i;
            return;
        }
    config_schema_expected(r, node, "the name of a backend");
}

// services

static const struct config_key service_keys[] = {
    {"port", config_field_number, CONFIG_FIELD(policy_service, port), .least = 1,
     .most = UINT16_MAX, .required = true},
    {"protocol", config_field_choice, CONFIG_FIELD(policy_service, protocol),
     .choices = config_field_protocols, .required = true},
    {"tls", config_field_choice, CONFIG_FIELD(policy_service, tls),
     .choices = config_field_tls_modes},
    {"submission", config_field_bool, CONFIG_FIELD(policy_service, submission)},
    {"backend", read_backend_name, CONFIG_FIELD(policy_service, backend), .required = true},
    {NULL},
};
static const struct config_key service_key = {.keys = service_keys};

static const char *service_fault(const struct policy *head, const struct policy_service *service)
{
    if (head->backends[service->backend].protocol != service->protocol)
        return "backend: expected one of the service's protocol";
    if (service->submission && service->protocol != PROTOCOL_SMTP)
        return "submission: expected only with protocol smtp";
    if (service->submission && service->tls == TLS_OFF)
        return "tls: expected starttls or implicit with submission";
    if (service->tls != TLS_OFF && head->certificates_count == 0)
        return "tls: expected a certificate in tls.certificates";
    for (const struct policy_service *other = head->services; other < service; other++) {
        if (other->port == service->port)
            return "port: expected one that no other service has";
    }
    return NULL;
}

static void take_service(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    struct policy *head = (struct policy *)arg;
    struct policy_service *service = &head->services[head->services_count++];
    unsigned errors_before = r->errors->count;
    if (!config_field_name(r, name, service->name, sizeof service->name))
        return;
    config_schema_mapping(r, value, &service_key, service);
    if (r->errors->count > errors_before)
        return;
    const char *fault = service_fault(head, service);
    if (fault)
        config_schema_error(r, value, "%s", fault);
}

static void read_services(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                          void *at)
{
    struct policy *head = (struct policy *)at;
    config_schema_entries(r, node, SERVICES_MAX, take_service, head);
    if (node->type == YAML_MAPPING_NODE && head->services_count == 0)
        config_schema_error(r, node, "expected at least one service");
}

// domains

static const struct config_key domain_keys[] = {
    {"backend", read_backend_name, CONFIG_FIELD(policy_domain, backend), .required = true},
    {NULL},
};
static const struct config_key domain_key = {.keys = domain_keys};

static bool domain_is_known(const struct config *config, const char *name)
{
    for (uint32_t i = 0; i < config->domains_count; i++)
        if (strcmp(config->domains[i].name, name) == 0)
            return true;
    return false;
}

static void take_domain(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    struct config *config = (struct config *)arg;
    struct policy_domain domain = {0};
    unsigned errors_before = r->errors->count;
    if (!config_field_host_copy((const char *)name->data.scalar.value, domain.name,
                                sizeof domain.name))
        config_schema_expected(r, name, "a domain name");
    else if (domain_is_known(config, domain.name))
        config_schema_error(r, name, "given twice");
    else
        config_schema_mapping(r, value, &domain_key, &domain);
    if (r->errors->count > errors_before)
        return;
    if (config->head.backends[domain.backend].protocol != PROTOCOL_SMTP)
        config_schema_error(r, value, "backend: expected one with protocol smtp");
    else
        config->domains[config->domains_count++] = domain;
}

static int domain_order(const void *a, const void *b)
{
    return strcmp(((const struct policy_domain *)a)->name, ((const struct policy_domain *)b)->name);
}

static void read_domains(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                         void *at)
{
    struct config *config = (struct config *)at;
    config->domains = calloc(DOMAINS_MAX, sizeof *config->domains);
    CHECK(config->domains);
    config_schema_entries(r, node, DOMAINS_MAX, take_domain, config);
    qsort(config->domains, config->domains_count, sizeof *config->domains, domain_order);
}

// lists

static void read_class_name(struct config_reader *r, yaml_node_t *node,
                            const struct config_key *key, void *at)
{
    const char *text = config_schema_text(r, node, "the name of a class");
    if (!text)
        return;
    int class = config_class_find((const struct config *)r->context, text);
    if (class < 0)
        config_schema_expected(r, node, "allow, deny or the name of a class");
    else
        *(uint8_t *)at = (uint8_t) class;
}

static const struct config_key list_file_keys[] = {
    {"class", read_class_name, CONFIG_FIELD(config_list_file, class), .required = true},
    {"file", config_field_path, CONFIG_FIELD(config_list_file, file), .least = 1, .required = true},
    {NULL},
};
static const struct config_key list_file_key = {.keys = list_file_keys};

static void take_list_file(struct config_reader *r, yaml_node_t *name, yaml_node_t *value,
                           void *arg)
{
    struct config *config = (struct config *)arg;
    struct config_list_file *list = &config->list_files[config->list_files_count++];
    unsigned errors_before = r->errors->count;
    if (config_field_name(r, name, list->name, sizeof list->name))
        config_schema_mapping(r, value, &list_file_key, list);
    if (r->errors->count > errors_before ||
        list_file_read(list->file, &list->prefixes, r->errors) < 0)
        return; // its errors name the list file
}

static void read_list_files(struct config_reader *r, yaml_node_t *node,
                            const struct config_key *key, void *at)
{
    config_schema_entries(r, node, CONFIG_LIST_FILES_MAX, take_list_file, at);
}

static void read_martians(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                          void *at)
{
    struct config *config = (struct config *)at;
    config->martians_given = true;
    config_classes_prefixes(r, node, key, &config->lists[CLASS_MARTIAN]);
}

static const struct config_key lists_keys[] = {
    {"allow", config_classes_prefixes, CONFIG_FIELD(config, lists[CLASS_ALLOW]),
     .most = CONFIG_PREFIXES_MAX},
    {"deny", config_classes_prefixes, CONFIG_FIELD(config, lists[CLASS_DENY]),
     .most = CONFIG_PREFIXES_MAX},
    {"files", read_list_files},
    {"martian", read_martians, .most = CONFIG_PREFIXES_MAX},
    {NULL},
};

// dns

static void take_server(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    static const struct config_key key = {.size = CONFIG_SERVER_SIZE};
    struct config_dns *dns = (struct config_dns *)arg;
    char *server = dns->servers[dns->servers_count++];
    unsigned errors_before = r->errors->count;
    config_field_server(r, value, &key, server);
    if (r->errors->count == errors_before && !server[0])
        config_schema_expected(r, value, "ADDRESS:PORT");
}

static void read_servers(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                         void *at)
{
    struct config_dns *dns = (struct config_dns *)at;
    dns->servers_count = 0;
    memset(dns->servers, 0, sizeof dns->servers);
    config_schema_items(r, node, CONFIG_SERVERS_MAX, take_server, dns);
    if (node->type == YAML_SEQUENCE_NODE && dns->servers_count == 0)
        config_schema_error(r, node, "expected at least one server");
}

static const struct config_key dns_keys[] = {
    {"servers", read_servers},
    {"timeout_ms", config_field_number, CONFIG_FIELD(config_dns, timeout_ms), .least = 10,
     .most = 60000},
    {NULL},
};

// rules

static void read_rules_file(struct config_reader *r, yaml_node_t *node,
                            const struct config_key *key, void *at)
{
    char file[PATH_NAME_MAX + 1] = "";
    const struct config_key path = {.size = sizeof file};
    unsigned errors_before = r->errors->count;
    config_field_path(r, node, &path, file);
    struct config_rules *rules;
    if (r->errors->count > errors_before || rules_read(file, &rules, r->errors) < 0)
        return; // its errors name the rules file
    struct config *config = (struct config *)r->context;
    rules_read_give(config->rules);
    config->rules = rules;
}

static const struct config_key rules_keys[] = {{"file", read_rules_file}, {NULL}};

// the whole

static const struct config_key root_keys[] = {
    {"control", config_schema_mapping, CONFIG_FIELD(config, control), .keys = control_keys},
    {"boot", config_schema_mapping, CONFIG_FIELD(config, head.boot), .keys = boot_keys},
    {"interfaces", config_schema_mapping, CONFIG_FIELD(config, head.boot), .keys = interfaces_keys,
     .required = true},
    {"routes", read_routes, CONFIG_FIELD(config, head)},
    {"tls", config_schema_mapping, CONFIG_FIELD(config, head), .keys = tls_keys},
    {"backends", config_backends_read, CONFIG_FIELD(config, head), .required = true},
    {"services", read_services, CONFIG_FIELD(config, head), .required = true},
    {"domains", read_domains},
    {"relay_networks", config_classes_prefixes, CONFIG_FIELD(config, relay_networks),
     .most = NETWORKS_MAX},
    {"smtp", config_schema_mapping, CONFIG_FIELD(config, head.smtp), .keys = config_smtp_keys,
     .required = true},
    {"dnsbl", config_schema_mapping, .keys = config_dnsbl_keys},
    {"auth", config_auth_read, CONFIG_FIELD(config, auth), .keys = config_auth_keys},
    {"dns", config_schema_mapping, CONFIG_FIELD(config, dns), .keys = dns_keys},
    {"limits", config_classes_limits, CONFIG_FIELD(config, head)},
    {"classes", config_classes_read},
    {"lists", config_schema_mapping, .keys = lists_keys},
    {"rules", config_schema_mapping, .keys = rules_keys},
    {NULL},
};

int config_read(const char *file, struct config **ret_config, struct config_errors *errors)
{
    static const struct config_key root = {.read = config_schema_mapping, .keys = root_keys};
    struct config *config = config_new();
    int error = config_schema_load(file, &root, config, config, errors);
    if (!error)
        error = config_auth_check(config, errors);
    if (error) {
        config_free(config);
        return error;
    }
    if (!config->martians_given)
        config_martians_default(config);
    *ret_config = config;
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include "config/rules_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void *memory_take(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    CHECK(memory); // the loop cannot go on without; the data plane does
    return memory;
}

static void interface_default(struct policy_interface *interface)
{
    interface->mtu = 1500;
}

struct config *config_new(void)
{
    struct config *c = memory_take(1, sizeof *c);
    c->control = (struct config_control){
        .dataplane_socket = "/run/weir/dataplane.sock",
        .api_socket = "/run/weir/control.sock",
        .pid_directory = "/run/weir",
        .session_log = "/var/log/weir/session.json",
        .dns_user = "weir-dns",
        .auth_user = "weir-auth",
    };
    c->dns =
        (struct config_dns){.servers = {"127.0.0.1:53"}, .servers_count = 1, .timeout_ms = 2000};
    c->auth = (struct config_auth){.passwd_file = "/etc/weir/passwd"};
    struct policy_boot *boot = &c->head.boot;
    boot->workers = 1;
    boot->lcores[0] = 1;
    boot->hugepage_mb = 1024;
    boot->mbufs = 65536;
    boot->connections = 16384;
    boot->sessions = 8192;
    boot->sources = 1 << 20;
    interface_default(&boot->legs[0]);
    interface_default(&boot->legs[1]);
    snprintf(c->head.classes[CLASS_ALLOW].name, sizeof c->head.classes[0].name, "allow");
    snprintf(c->head.classes[CLASS_MARTIAN].name, sizeof c->head.classes[0].name, "martian");
    snprintf(c->head.classes[CLASS_DENY].name, sizeof c->head.classes[0].name, "deny");
    for (int i = 0; i < LIMIT_COUNT; i++)
        c->head.limits[i] = limit_facts((enum limit)i)->value;
    c->head.smtp.dnsbl_threshold = 1;
    policy_verdicts_default(&c->head.smtp);
    c->rules = rules_read_none();
    return c;
}

static struct config_prefixes prefixes_copy(const struct config_prefixes *from)
{
    struct config_prefixes to = {.count = from->count, .room = from->count};
    to.items = memory_take(from->count, sizeof *to.items);
    if (from->count)
        memcpy(to.items, from->items, from->count * sizeof *to.items);
    return to;
}

struct config *config_copy(const struct config *config)
{
    struct config *c = memory_take(1, sizeof *c);
    *c = *config;
    c->relay_networks = prefixes_copy(&config->relay_networks);
    c->lenient_networks = prefixes_copy(&config->lenient_networks);
    for (int i = 0; i < CLASSES_MAX; i++)
        c->lists[i] = prefixes_copy(&config->lists[i]);
    for (uint32_t i = 0; i < config->list_files_count; i++)
        list_file_share(c->list_files[i].prefixes);
    c->domains = memory_take(config->domains_count, sizeof *c->domains);
    if (config->domains_count)
        memcpy(c->domains, config->domains, config->domains_count * sizeof *c->domains);
    c->rules = rules_read_share(config->rules);
    sender_map_share(c->senders);
    sender_map_share(c->mailboxes);
    return c;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    free(config->relay_networks.items);
    free(config->lenient_networks.items);
    for (int i = 0; i < CLASSES_MAX; i++)
        free(config->lists[i].items);
    for (uint32_t i = 0; i < config->list_files_count; i++)
        list_file_give(config->list_files[i].prefixes);
    free(config->domains);
    rules_read_give(config->rules);
    sender_map_give(config->senders);
    sender_map_give(config->mailboxes);
    free(config);
}

int config_class_find(const struct config *config, const char *name)
{
    for (int i = CLASS_MARTIAN; i < CLASSES_MAX; i++)
        if (name[0] && strcmp(config->head.classes[i].name, name) == 0)
            return i;
    return -1;
}

int config_prefixes_append(struct config_prefixes *prefixes, const struct prefix *prefix)
{
    if (prefixes->count == CONFIG_PREFIXES_MAX)
        return -ENOSPC;
    if (prefixes->count == prefixes->room) {
        uint32_t room = prefixes->room ? prefixes->room * 2 : 16;
        prefixes->items = realloc(prefixes->items, room * sizeof *prefixes->items);
        CHECK(prefixes->items);
        prefixes->room = room;
    }
    prefixes->items[prefixes->count++] = *prefix;
    return 0;
}

int config_prefixes_add(struct config_prefixes *prefixes, const struct prefix *prefix)
{
    for (uint32_t i = 0; i < prefixes->count; i++)
        if (prefix_equal(&prefixes->items[i], prefix))
            return -EEXIST;
    return config_prefixes_append(prefixes, prefix);
}

int config_prefixes_remove(struct config_prefixes *prefixes, const struct prefix *prefix)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < prefixes->count; i++)
        if (!prefix_equal(&prefixes->items[i], prefix))
            prefixes->items[kept++] = prefixes->items[i];
    if (kept == prefixes->count)
        return -ENOENT;
    prefixes->count = kept;
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_smtp.h"

#include "config/config.h"
#include "config/config_classes.h"
#include "config/config_field.h"
#include "config/config_findings.h"

static const struct config_key score_keys[] = {
    {"threshold", config_field_number, CONFIG_FIELD(policy_smtp, score_threshold), .least = 1,
     .most = SCORE_MAX},
    {NULL},
};

static void read_lenient_networks(struct config_reader *r, yaml_node_t *node,
                                  const struct config_key *key, void *at)
{
    struct config *config = (struct config *)r->context;
    config_classes_prefixes(r, node, key, &config->lenient_networks);
}

static void read_sender_map(struct config_reader *r, yaml_node_t *node,
                            const struct config_key *key, void *at)
{
    char file[PATH_NAME_MAX + 1] = "";
    const struct config_key path = {.size = sizeof file};
    config_field_path(r, node, &path, file);
    struct config *config = (struct config *)r->context;
    if (file[0] && sender_map_read(file, MAP_SENDERS, &config->senders, r->errors) < 0)
        return; // its errors name the file
}

static void read_subaddress(struct config_reader *r, yaml_node_t *node,
                            const struct config_key *key, void *at)
{
    const char *text = config_schema_text(r, node, "one character, or none");
    if (text && text[0] && (text[1] || !strchr("+-=_#", text[0])))
        config_schema_expected(r, node, "one of + - = _ #, or nothing");
    else if (text)
        *(char *)at = text[0];
}

const struct config_key config_smtp_keys[] = {
    {"host_name", config_field_host, CONFIG_FIELD(policy_smtp, host_name), .required = true},
    {"greeting", config_findings_section},
    {"rdns", config_findings_section},
    {"helo", config_findings_section},
    {"spf_helo", config_findings_section},
    {"spf", config_findings_section},
    {"score", config_findings_section, .keys = score_keys},
    {"lenient_networks", read_lenient_networks, .most = NETWORKS_MAX},
    {"sender_map", read_sender_map},
    {"subaddress", read_subaddress, CONFIG_FIELD(policy_smtp, subaddress)},
    {NULL},
};

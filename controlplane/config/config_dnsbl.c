// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_dnsbl.h"

#include "config/config.h"
#include "config/config_field.h"
#include "config/config_findings.h"

static void read_replies(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                         void *at)
{
    const char *expected = "a pattern of replies, as 127.0.0.2 or 127.0.[0..255].[2;4..11]";
    const char *text = config_schema_text(r, node, expected);
    if (text && !addr_pattern_parse(text, (struct addr_pattern *)at))
        config_schema_expected(r, node, "%s", expected);
}

static void read_weight(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                        void *at)
{
    const char *text = config_schema_text(r, node, "a number");
    uint64_t value;
    if (!text)
        return;
    bool negative = text[0] == '-';
    if (span_to_u64(span_text(text + negative), CONFIG_DNSBL_WEIGHT_MAX, &value) && value > 0)
        *(int32_t *)at = negative ? -(int32_t)value : (int32_t)value;
    else
        config_schema_expected(r, node, "a number from -%d to %d, not 0", CONFIG_DNSBL_WEIGHT_MAX,
                               CONFIG_DNSBL_WEIGHT_MAX);
}

static const struct config_key entry_keys[] = {
    {"zone", config_field_host, CONFIG_FIELD(config_dnsbl, zone), .required = true},
    {"replies", read_replies, CONFIG_FIELD(config_dnsbl, replies)},
    {"weight", read_weight, CONFIG_FIELD(config_dnsbl, weight)},
    {NULL},
};
static const struct config_key entry_key = {.keys = entry_keys};

static void take_entry(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    struct config *config = (struct config *)arg;
    struct config_dnsbl *entry = &config->dnsbl[config->head.smtp.dnsbl_zones++];
    // Replies beyond 127.0.0.0/24 say that the question itself is refused.
    CHECK(addr_pattern_parse("127.0.0.[1..255]", &entry->replies));
    entry->weight = 1;
    config_schema_mapping(r, value, &entry_key, entry);
}

static void read_zones(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                       void *at)
{
    config_schema_items(r, node, CONFIG_DNSBL_MAX, take_entry, at);
}

const struct config_key config_dnsbl_keys[] = {
    {"threshold", config_field_number, CONFIG_FIELD(config, head.smtp.dnsbl_threshold), .least = 1,
     .most = CONFIG_DNSBL_MAX * CONFIG_DNSBL_WEIGHT_MAX},
    {"listed", config_findings_verdict,
     CONFIG_FIELD(config, head.smtp.verdicts[FINDING_DNSBL_LISTED]), .most = POINTS_MAX},
    {"zones", read_zones},
    {NULL},
};

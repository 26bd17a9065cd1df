// SPDX-License-Identifier: BSD-3-Clause
#include "config/rules_read.h"

#include "config/config_field.h"

#include <stdio.h>
#include <stdlib.h>

enum { RULES_MAX = 10000, PATTERN_MAX = 4096 };

static const char *const part_names[] = {"envelope", "headers", "body", NULL};
static const char *const flag_names[] = {"caseless", "dotall", "multiline", NULL};
static const char *const action_names[] = {"tag", "defer", "reject", NULL};

struct bits {
    const struct config_key *key;
    uint8_t *at;
};

static void take_bit(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    struct bits *bits = (struct bits *)arg;
    uint8_t index = UINT8_MAX;
    config_field_choice(r, value, bits->key, &index);
    if (index != UINT8_MAX)
        *bits->at |= (uint8_t)(1u << index);
}

static void read_bits(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                      void *at)
{
    struct bits bits = {.key = key, .at = (uint8_t *)at};
    config_schema_items(r, node, 8, take_bit, &bits);
}

struct rule_read {
    struct config_rule rule;
    uint8_t flags;
};

static void read_pattern(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                         void *at)
{
    const char *text = config_schema_text(r, node, "a pattern");
    if (!text)
        return;
    size_t size = strlen(text);
    if (size == 0 || size > PATTERN_MAX)
        config_schema_error(r, node, "expected a pattern of 1 to %d bytes", PATTERN_MAX);
    else
        *(char **)at = strdup(text);
}

static const struct config_key rule_keys[] = {
    {"name", config_field_text, CONFIG_FIELD(rule_read, rule.name), .least = 1, .required = true},
    {"pattern", read_pattern, CONFIG_FIELD(rule_read, rule.pattern), .required = true},
    {"parts", read_bits, CONFIG_FIELD(rule_read, rule.parts), .choices = part_names,
     .required = true},
    {"action", config_field_choice, CONFIG_FIELD(rule_read, rule.action), .choices = action_names,
     .required = true},
    {"flags", read_bits, CONFIG_FIELD(rule_read, flags), .choices = flag_names},
    {NULL},
};
static const struct config_key rule_key = {.keys = rule_keys};

static void take_rule(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    struct config_rules *rules = (struct config_rules *)arg;
    struct rule_read one = {
        .rule = {.line = value->start_mark.line + 1, .column = value->start_mark.column + 1}};
    unsigned errors_before = r->errors->count;
    config_schema_mapping(r, value, &rule_key, &one);
    if (r->errors->count == errors_before && one.rule.parts == 0)
        config_schema_error(r, value, "parts: expected at least one of envelope, headers, body");
    if (r->errors->count > errors_before || !one.rule.pattern) {
        free(one.rule.pattern);
        return;
    }
    one.rule.caseless = one.flags & 1;
    one.rule.dotall = one.flags & 2;
    one.rule.multiline = one.flags & 4;
    rules->items[rules->count++] = one.rule;
}

static void read_root(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                      void *at)
{
    config_schema_items(r, node, RULES_MAX, take_rule, at);
}

struct config_rules *rules_read_none(void)
{
    struct config_rules *rules = calloc(1, sizeof *rules);
    CHECK(rules);
    rules->references = 1;
    return rules;
}

int rules_read(const char *file, struct config_rules **ret_rules, struct config_errors *errors)
{
    struct config_rules *rules = rules_read_none();
    if (file[0]) {
        static const struct config_key root = {.read = read_root};
        snprintf(rules->file, sizeof rules->file, "%s", file);
        rules->items = calloc(RULES_MAX, sizeof *rules->items);
        CHECK(rules->items);
        int error = config_schema_load(file, &root, rules, NULL, errors);
        if (error) {
            rules_read_give(rules);
            return error;
        }
    }
    *ret_rules = rules;
    return 0;
}

struct config_rules *rules_read_share(struct config_rules *rules)
{
    rules->references++;
    return rules;
}

void rules_read_give(struct config_rules *rules)
{
    CHECK(rules->references > 0);
    if (--rules->references > 0)
        return;
    for (uint32_t i = 0; i < rules->count; i++)
        free(rules->items[i].pattern);
    free(rules->items);
    free(rules);
}

bool rules_read_equal(const struct config_rules *a, const struct config_rules *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct config_rule *x = &a->items[i], *y = &b->items[i];
        if (strcmp(x->name, y->name) != 0 || strcmp(x->pattern, y->pattern) != 0 ||
            x->parts != y->parts || x->action != y->action || x->caseless != y->caseless ||
            x->dotall != y->dotall || x->multiline != y->multiline)
            return false;
    }
    return true;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_classes.h"

#include "config/config.h"
#include "config/config_field.h"

static const char *const mode_names[] = {"enforce", "shadow", "off", NULL};

// limits

struct limits { // where a mapping of limits goes
    uint64_t *values;
    uint8_t *modes;
    struct policy_class *of_class; // NULL: the default class, whose own all of them are
};

struct given { // UINT64_MAX, MODE_COUNT: not given
    uint64_t value;
    uint8_t mode;
};

static struct given read_limit(struct config_reader *r, yaml_node_t *node, enum limit limit)
{
    const struct limit_facts *facts = limit_facts(limit);
    const struct config_key keys[] = {
        {"value", config_field_number, CONFIG_FIELD(given, value), .least = facts->least,
         .most = facts->most},
        {"mode", config_field_choice, CONFIG_FIELD(given, mode), .choices = mode_names},
        {NULL},
    };
    const struct config_key whole = {.keys = keys};
    struct given given = {UINT64_MAX, MODE_COUNT};
    if (node->type == YAML_MAPPING_NODE)
        config_schema_mapping(r, node, &whole, &given);
    else
        config_field_number(r, node, &keys[0], &given.value);
    const char *modeless = limit_why_modeless(limit);
    if (given.mode != MODE_COUNT && modeless) {
        config_schema_error(r, node, "this limit has no mode: %s", modeless);
        given.mode = MODE_COUNT;
    }
    return given;
}

static void take_limit(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    const struct limits *limits = (const struct limits *)arg;
    enum limit limit;
    if (!limit_find((const char *)name->data.scalar.value, &limit)) {
        config_schema_error(r, name, "unknown limit; `weirctl limits` lists them");
        return;
    }
    if (limits->of_class && !limit_facts(limit)->by_class) {
        config_schema_error(r, name, "no class has a limit of its own here");
        return;
    }
    struct given given = read_limit(r, value, limit);
    if (given.value != UINT64_MAX) {
        limits->values[limit] = given.value;
        if (limits->of_class)
            limit_set_add(&limits->of_class->own_limits, limit);
    }
    if (given.mode != MODE_COUNT) {
        limits->modes[limit] = given.mode;
        if (limits->of_class)
            limit_set_add(&limits->of_class->own_modes, limit);
    }
}

void config_classes_limits(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                           void *at)
{
    struct policy *head = (struct policy *)at;
    struct limits limits = {head->limits, head->modes, NULL};
    config_schema_entries(r, node, LIMIT_COUNT, take_limit, &limits);
    const char *wrong = config_classes_contradiction(head);
    if (wrong)
        config_schema_error(r, node, "%s", wrong);
}

const char *config_classes_contradiction(const struct policy *head)
{
    if (head->limits[LIMIT_SYN_ATTACK_LOW] > head->limits[LIMIT_SYN_ATTACK_HIGH])
        return "expected syn_attack_low to be at most syn_attack_high";
    return NULL;
}

// prefixes

static void take_prefix(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    static const struct config_key key = {.size = sizeof(struct prefix)};
    struct config_prefixes *prefixes = (struct config_prefixes *)arg;
    struct prefix prefix;
    unsigned errors_before = r->errors->count;
    config_field_prefix(r, value, &key, &prefix);
    if (r->errors->count == errors_before && config_prefixes_append(prefixes, &prefix) < 0)
        config_schema_error(r, value, "list full");
}

void config_classes_prefixes(struct config_reader *r, yaml_node_t *node,
                             const struct config_key *key, void *at)
{
    config_schema_items(r, node, key->most, take_prefix, at);
}

// classes

struct class { // one entry of the section
    struct policy_class *facts;
    struct config_prefixes *list;
};

static void read_class_prefixes(struct config_reader *r, yaml_node_t *node,
                                const struct config_key *key, void *at)
{
    config_classes_prefixes(r, node, key, ((struct class *)at)->list);
}

static void read_class_limits(struct config_reader *r, yaml_node_t *node,
                              const struct config_key *key, void *at)
{
    struct policy_class *facts = ((struct class *)at)->facts;
    struct limits limits = {facts->limits, facts->modes, facts};
    config_schema_entries(r, node, LIMIT_COUNT, take_limit, &limits);
}

static const struct config_key class_keys[] = {
    {"prefixes", read_class_prefixes, .most = CONFIG_PREFIXES_MAX},
    {"limits", read_class_limits},
    {NULL},
};

static void take_class(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    static const struct config_key whole = {.keys = class_keys};
    struct config *config = (struct config *)arg;
    int index = CLASS_NAMED;
    while (index < CLASS_DENY && config->head.classes[index].name[0])
        index++;
    CHECK(index < CLASS_DENY); // no more entries than that are taken
    struct class class = {&config->head.classes[index], &config->lists[index]};
    char text[sizeof class.facts->name];
    if (!config_field_name(r, name, text, sizeof text))
        return;
    if (strcmp(text, "default") == 0 || config_class_find(config, text) >= 0) {
        config_schema_error(r, name,
                            "expected another name: default, allow, deny and martian are there");
        return;
    }
    memcpy(class.facts->name, text, sizeof text);
    config_schema_mapping(r, value, &whole, &class);
}

void config_classes_read(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                         void *at)
{
    config_schema_entries(r, node, CLASS_DENY - CLASS_NAMED, take_class, at);
}

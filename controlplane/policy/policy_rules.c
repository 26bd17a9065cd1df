// SPDX-License-Identifier: BSD-3-Clause
#include "policy/policy_rules.h"

#include "config/rules_read.h"

#include <stdio.h>
#include <stdlib.h>

static void fault_say(const struct config_rules *rules, uint32_t index, const char *what,
                      struct config_errors *errors)
{
    struct config_place place = {.file = rules->file, .path = ""};
    char path[64] = "";
    if (index < rules->count) {
        snprintf(path, sizeof path, "[%u]", index);
        place.line = rules->items[index].line;
        place.column = rules->items[index].column;
        place.path = path;
    }
    config_errors_add(errors, &place, "%s", what);
}

static int rules_build(struct policy_rules *rules, struct config_errors *errors)
{
    const struct config_rules *from = rules->source;
    struct rules_source *sources = calloc(from->count + 1, sizeof *sources);
    CHECK(sources);
    for (uint32_t i = 0; i < from->count; i++) {
        const struct config_rule *rule = &from->items[i];
        sources[i] = (struct rules_source){
            .name = rule->name,
            .pattern = rule->pattern,
            .parts = rule->parts,
            .action = rule->action,
            .caseless = rule->caseless,
            .dotall = rule->dotall,
            .multiline = rule->multiline,
        };
    }
    uint32_t wrong = from->count;
    char what[RULES_ERROR_SIZE] = "out of memory";
    int error = rules_compile(sources, from->count, &rules->compiled, &wrong, what);
    free(sources);
    if (error)
        fault_say(from, wrong, what, errors);
    return error;
}

int policy_rules_take(const struct config *config, struct policy_rules *before,
                      struct policy_rules **ret_rules, struct config_errors *errors)
{
    if (before && rules_read_equal(before->source, config->rules)) {
        before->references++;
        *ret_rules = before;
        return 0;
    }
    struct policy_rules *rules = calloc(1, sizeof *rules);
    CHECK(rules);
    rules->references = 1;
    rules->source = rules_read_share(config->rules);
    int error = rules_build(rules, errors);
    if (error) {
        policy_rules_give(rules);
        return error;
    }
    *ret_rules = rules;
    return 0;
}

void policy_rules_give(struct policy_rules *rules)
{
    if (!rules)
        return;
    CHECK(rules->references > 0);
    if (--rules->references > 0)
        return;
    rules_compiled_free(&rules->compiled);
    rules_read_give(rules->source);
    free(rules);
}

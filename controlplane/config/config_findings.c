// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_findings.h"

#include "contract/policy.h"

enum { KEYS_MAX = FINDING_COUNT + 4 };

static const char *const action_names[ACTION_COUNT] = {
    [ACTION_TAG] = "tag",       [ACTION_DEFER] = "defer", [ACTION_REJECT] = "reject",
    [ACTION_SHADOW] = "shadow", [ACTION_OFF] = "off",
};

void config_findings_verdict(struct config_reader *r, yaml_node_t *node,
                             const struct config_key *key, void *at)
{
    uint64_t points;
    const char *expected = key->most ? "tag, defer, reject, shadow, off, or points from 1 to 100"
                                     : "tag, defer, reject, shadow or off";
    const char *text = config_schema_text(r, node, expected);
    if (!text)
        return;
    struct policy_verdict *verdict = (struct policy_verdict *)at;
    for (int i = 0; i < ACTION_COUNT; i++)
        if (action_names[i] && strcmp(text, action_names[i]) == 0) {
            *verdict = (struct policy_verdict){.action = (uint8_t)i};
            return;
        }
    if (span_to_u64(span_text(text), key->most, &points) && points > 0)
        *verdict = (struct policy_verdict){ACTION_SCORE, (uint8_t)points};
    else
        config_schema_expected(r, node, "%s", expected);
}

void config_findings_section(struct config_reader *r, yaml_node_t *node,
                             const struct config_key *key, void *at)
{
    struct config_key keys[KEYS_MAX + 1] = {{0}};
    unsigned count = 0;
    for (int i = 0; i < FINDING_COUNT; i++) {
        const struct finding_facts *facts = finding_facts((enum finding)i);
        if (strcmp(facts->section, key->name) == 0)
            keys[count++] = (struct config_key){
                facts->key, config_findings_verdict,
                .offset = offsetof(struct policy_smtp, verdicts) +
                          (size_t)i * sizeof(struct policy_verdict),
                .most = i == FINDING_SCORE_REACHED ? 0 : POINTS_MAX}; // it adds nothing to itself
    }
    CHECK(count > 0);
    for (const struct config_key *own = key->keys; own && own->name; own++) {
        CHECK(count < KEYS_MAX);
        keys[count++] = *own;
    }
    const struct config_key section = {.keys = keys};
    config_schema_mapping(r, node, &section, at);
}

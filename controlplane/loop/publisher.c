// SPDX-License-Identifier: BSD-3-Clause
#include "loop/publisher.h"

#include "base/log.h"
#include "policy/policy_compile.h"
#include "policy/policy_memfd.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int compile(const struct config *config, const struct policy_rules *rules,
                   uint64_t generation, struct policy **ret_policy, struct config_errors *errors)
{
    const char *what = "size";
    int error = policy_compile(config, &rules->compiled, generation, ret_policy, &what);
    if (error) {
        struct config_place place = {.file = "policy", .path = what};
        config_errors_add(errors, &place, "cannot be compiled: %s", strerror(-error));
    }
    return error;
}

// Compiles for the result alone.
static int try_compile(const struct config *config, const struct policy_rules *rules,
                       struct config_errors *errors)
{
    struct policy *policy;
    int error = compile(config, rules, 1, &policy, errors);
    if (!error)
        free(policy);
    return error;
}

int publisher_check(const struct publisher *publisher, const struct config *config,
                    struct policy_rules **ret_rules, struct config_errors *errors)
{
    struct policy_rules *rules;
    int error = policy_rules_take(config, publisher ? publisher->rules : NULL, &rules, errors);
    if (error)
        return error;
    error = try_compile(config, rules, errors);
    if (error || !ret_rules)
        policy_rules_give(rules);
    else
        *ret_rules = rules;
    return error;
}

int publisher_init(struct publisher *publisher, struct dataplane_link *link, struct config *config,
                   struct config_errors *errors)
{
    struct policy_rules *rules;
    int error = publisher_check(NULL, config, &rules, errors);
    if (error)
        return error;
    *publisher = (struct publisher){.link = link, .config = config, .rules = rules};
    return 0;
}

static void candidate_drop(struct publisher *p)
{
    config_free(p->candidate);
    policy_rules_give(p->candidate_rules);
    p->candidate = NULL;
    p->candidate_rules = NULL;
}

// Compiles, seals and sends with the next generation.
static int send_policy(struct publisher *p, const struct config *config,
                       const struct policy_rules *rules, struct config_errors *errors)
{
    struct policy *policy;
    int error = compile(config, rules, p->generation + 1, &policy, errors);
    if (error)
        return error;
    int fd = policy_memfd_create(policy);
    error = fd < 0 ? fd : dataplane_link_send(p->link, fd, policy->generation, policy->size);
    if (fd >= 0)
        close(fd);
    free(policy);
    if (error) {
        struct config_place place = {.file = "policy", .path = ""};
        config_errors_add(errors, &place, "cannot be sent: %s", strerror(-error));
        return error;
    }
    p->generation++;
    return 0;
}

static void candidate_adopt(struct publisher *p)
{
    config_free(p->config);
    policy_rules_give(p->rules);
    p->config = p->candidate;
    p->rules = p->candidate_rules;
    p->candidate = NULL;
    p->candidate_rules = NULL;
    p->changed(p->context, p->config);
}

static void change_end(struct publisher *p, int error, const char *text, bool published)
{
    struct publication change = p->queue[p->first];
    p->first = (p->first + 1) % PUBLICATIONS_MAX;
    p->count--;
    p->change_in_flight = false;
    struct publisher_outcome outcome = {error, text, p->generation_running, published};
    change.done(change.context, &outcome);
}

static int change_prepare(struct publisher *p, struct config_errors *errors)
{
    const struct publication *change = &p->queue[p->first];
    p->candidate = config_copy(p->config);
    int error = change->edit(change->context, &p->candidate, errors);
    if (!error)
        error = policy_rules_take(p->candidate, p->rules, &p->candidate_rules, errors);
    if (!error && p->link->state == LINK_DOWN)
        return try_compile(p->candidate, p->candidate_rules, errors);
    return error ? error : send_policy(p, p->candidate, p->candidate_rules, errors);
}

// Takes the first that waits as far as it goes without the data plane's answer.
static void change_begin(struct publisher *p)
{
    struct config_errors errors = {0};
    int error = change_prepare(p, &errors);
    if (error) {
        candidate_drop(p);
        if (errors.size && errors.text[errors.size - 1] == '\n')
            errors.text[errors.size - 1] = '\0';
        change_end(p, error, errors.text, false);
        return;
    }
    if (p->link->state != LINK_DOWN) {
        p->change_in_flight = true;
        return;
    }
    candidate_adopt(p);
    change_end(p, 0, "", false);
}

static void changes_go_on(struct publisher *p)
{
    for (int i = 0; i < PUBLICATIONS_MAX; i++)
        if (p->count > 0 && !p->first_in_flight && !p->change_in_flight)
            change_begin(p);
}

int publisher_submit(struct publisher *publisher, const struct publication *change)
{
    if (publisher->count == PUBLICATIONS_MAX)
        return -EBUSY;
    publisher->queue[(publisher->first + publisher->count++) % PUBLICATIONS_MAX] = *change;
    changes_go_on(publisher);
    return 0;
}

void publisher_connected(struct publisher *p)
{
    struct config_errors errors = {0};
    p->first_in_flight = send_policy(p, p->config, p->rules, &errors) == 0;
    if (!p->first_in_flight)
        log_error("what=\"policy not sent\" error=\"%s\"", errors.text);
}

void publisher_result(struct publisher *p, const struct attach_result *result)
{
    const char *text = result->text[0] ? result->text : "refused by the data plane";
    if (result->error == 0)
        p->generation_running = p->generation;
    if (p->first_in_flight) {
        p->first_in_flight = false;
        if (result->error)
            p->first_refused(p->context, text);
    } else if (p->change_in_flight) {
        if (result->error)
            candidate_drop(p);
        else
            candidate_adopt(p);
        change_end(p, result->error, result->error ? text : "", true);
    }
    changes_go_on(p);
}

void publisher_down(struct publisher *p)
{
    p->first_in_flight = false;
    if (p->change_in_flight) {
        candidate_drop(p);
        change_end(p, -ENOTCONN, "the data plane went away before it answered", false);
    }
    changes_go_on(p);
}

void publisher_close(struct publisher *p)
{
    candidate_drop(p);
    while (p->count > 0)
        change_end(p, -ECANCELED, "weir-controlplane is stopping", false);
    config_free(p->config);
    policy_rules_give(p->rules);
    p->config = NULL;
    p->rules = NULL;
}

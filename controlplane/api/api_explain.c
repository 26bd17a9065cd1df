// SPDX-License-Identifier: BSD-3-Clause
/* explain: what the guard knows of an address, as facts and as the chain of evidence in words. The
 * lists are the control plane's own, the rest is asked of all workers. */
#include "api/api_command.h"
#include "api/api_inquiry.h"
#include "config/config_lists.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SENTENCE_SIZE = 200 };

static const char *const measures[TOP_MEASURE_COUNT] = {"packets", "SYNs", "connections",
                                                        "refusals"};
static const char *const scopes[TOP_SCOPE_COUNT] = {"sources", "prefixes"};

struct explain {
    struct api_request *request;
    struct addr source;
    char text[PREFIX_TEXT_SIZE];
    struct explain_answer known; // of all workers
    unsigned class;
    json_t *evidence; // sentences
};

__attribute__((format(printf, 2, 3))) static void say(struct explain *explain, const char *format,
                                                      ...)
{
    char sentence[SENTENCE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    json_array_append_new(explain->evidence, json_string(sentence));
}

// A source's packets come to one worker, a prefix's to several.
static void explain_answer(void *context, unsigned worker, const struct message *message)
{
    struct explain_answer *known = &((struct explain *)context)->known;
    const struct explain_answer *answer = &message->explain_answer;
    if (message->status != STATUS_OK)
        return;
    if (answer->ban_seconds > known->ban_seconds) {
        known->ban_seconds = answer->ban_seconds;
        known->ban_reason = answer->ban_reason;
    }
    if (answer->is_proven && (!known->is_proven || answer->proven_s < known->proven_s))
        known->proven_s = answer->proven_s;
    known->is_proven |= answer->is_proven;
    known->attack |= answer->attack;
    known->is_good |= answer->is_good;
    known->points_most = answer->points_most;
    if (answer->points > known->points)
        known->points = answer->points;
    known->connections += answer->connections;
    known->tolerance_us = answer->tolerance_us;
    if (answer->debt_us > known->debt_us)
        known->debt_us = answer->debt_us;
    for (int measure = 0; measure < TOP_MEASURE_COUNT; measure++)
        for (int scope = 0; scope < TOP_SCOPE_COUNT; scope++) {
            const struct top_place *more = &answer->places[measure][scope];
            struct top_place *place = &known->places[measure][scope];
            place->least += more->least;
            place->most += more->most;
            if (more->position && (!place->position || more->position < place->position))
                place->position = more->position;
        }
}

static json_t *say_lists(struct explain *explain)
{
    char text[PREFIX_TEXT_SIZE];
    const struct config *config = explain->request->plane->publisher.config;
    struct config_lists_match match;
    if (!config_lists_find(config, &explain->source, &match)) {
        explain->class = CLASS_DEFAULT;
        say(explain, "on no list");
        return json_null();
    }
    explain->class = match.class;
    const char *name = config->head.classes[match.class].name;
    prefix_format(&match.prefix, text);
    if (match.class == CLASS_ALLOW)
        say(explain, "on the allow list with %s: no ban, rate or limit holds it", text);
    else if (match.class == CLASS_DENY)
        say(explain, "on the deny list with %s: its packets are dropped (deny_list)", text);
    else if (match.class == CLASS_MARTIAN)
        say(explain, "on the martian list with %s: its packets are dropped (martian_list)", text);
    else
        say(explain, "of the class %s with %s: it may have limits of its own", name, text);
    return json_pack("{s:s, s:s}", "list", name, "prefix", text);
}

static json_t *say_ban(struct explain *explain)
{
    const struct explain_answer *known = &explain->known;
    if (known->ban_seconds == 0) {
        say(explain, "not banned");
        return json_null();
    }
    const char *reason = known->ban_reason ? reason_name((enum reason)known->ban_reason) : NULL;
    if (reason)
        say(explain, "banned for %u s more, for %s: %s", known->ban_seconds, reason,
            reason_text((enum reason)known->ban_reason));
    else
        say(explain, "banned for %u s more, by the operator", known->ban_seconds);
    return json_pack("{s:I, s:s}", "seconds", (json_int_t)known->ban_seconds, "reason",
                     reason ? reason : "operator");
}

static void say_history(struct explain *explain)
{
    const struct explain_answer *known = &explain->known;
    if (known->is_proven)
        say(explain,
            "proven: its last handshake was %u s ago, SYNs that look like its own have a "
            "rate of their own",
            known->proven_s);
    else
        say(explain, "not proven: no handshake of it is remembered");
    if (known->is_good)
        say(explain, "good history: its last session was without offence");
    if (known->points > 0)
        say(explain, "offences: %u points not forgiven yet, banned beyond %u (offences_source)",
            known->points, known->points_most);
    say(explain, "%u connection%s open", known->connections, known->connections == 1 ? "" : "s");
    if (known->debt_us == 0)
        say(explain, "no debt of SYNs");
    else
        say(explain, "SYNs that do not look like its own are %.1f s of their rate in debt, %s",
            (double)known->debt_us / 1e6,
            known->debt_us <= known->tolerance_us ? "within the burst: answered"
                                                  : "beyond the burst: not answered "
                                                    "(syn_rate_source)");
    if (known->attack)
        say(explain, "a SYN flood is on: unproven SYNs share budgets by prefix and in all");
}

// Limits that do not refuse this source.
static json_t *say_modes(struct explain *explain)
{
    const struct policy *head = &explain->request->plane->publisher.config->head;
    json_t *modes = json_object();
    char name[LIMIT_NAME_SIZE];
    bool is_judged = explain->class != CLASS_ALLOW && explain->class != CLASS_DENY &&
                     explain->class != CLASS_MARTIAN;
    for (int i = 0; i < LIMIT_COUNT && is_judged; i++) {
        enum limit limit = (enum limit)i;
        enum limit_mode mode = policy_mode(head, explain->class, limit);
        if (limit_why_modeless(limit) || mode == MODE_ENFORCE)
            continue;
        api_limit_name(limit, name);
        say(explain, "%s is %s", name,
            mode == MODE_OFF ? "off for it" : "in shadow for it: it counts, and refuses nothing");
        json_object_set_new(modes, name, json_string(limit_mode_name(mode)));
    }
    return modes;
}

static json_t *say_places(struct explain *explain)
{
    json_t *list = json_array();
    for (int measure = 0; measure < TOP_MEASURE_COUNT; measure++)
        for (int scope = 0; scope < TOP_SCOPE_COUNT; scope++) {
            const struct top_place *place = &explain->known.places[measure][scope];
            if (!place->position)
                continue;
            double rate = (double)place->least / 1000, most = (double)place->most / 1000;
            say(explain, "number %u of its worker's %s by %s: %.2f/s now%s", place->position,
                scopes[scope], measures[measure], rate,
                place->most > place->least ? " at the least" : "");
            json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:f, s:f}", "by",
                                                  measures[measure], "of", scopes[scope],
                                                  "position", (json_int_t)place->position, "rate",
                                                  rate, "most", most));
        }
    return list;
}

static void explain_done(void *context, int error)
{
    struct explain *explain = (struct explain *)context;
    if (error) {
        api_inquiry_failed(explain->request, error);
        free(explain);
        return;
    }
    const struct explain_answer *known = &explain->known;
    explain->evidence = json_array();
    json_t *o = json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I}", "address", explain->text, "proven",
                          (int)known->is_proven, "good", (int)known->is_good, "offence_points",
                          (json_int_t)known->points, "connections", (json_int_t)known->connections,
                          "debt_ms", (json_int_t)(known->debt_us / 1000), "burst_ms",
                          (json_int_t)(known->tolerance_us / 1000));
    json_object_set_new(o, "list", say_lists(explain));
    json_object_set_new(o, "ban", say_ban(explain));
    say_history(explain);
    json_object_set_new(o, "modes", say_modes(explain));
    json_object_set_new(o, "top", say_places(explain));
    json_object_set_new(o, "evidence", explain->evidence);
    api_request_ok(explain->request, o);
    free(explain);
}

void api_explain(struct api_request *request)
{
    struct message question = message_make(MESSAGE_EXPLAIN, STATUS_ASKED, 0);
    if (!api_inquiry_source(request, &question.explain_question.addr))
        return;
    struct explain *explain = calloc(1, sizeof *explain);
    CHECK(explain);
    explain->request = request;
    explain->source = question.explain_question.addr;
    api_inquiry_source_text(&explain->source, explain->text);
    struct ops_owner owner = {.answer = explain_answer, .done = explain_done, .context = explain};
    if (!api_inquiry_start(request, &question, &owner))
        free(explain);
}

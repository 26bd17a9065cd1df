// SPDX-License-Identifier: BSD-3-Clause
#include "report/metrics_text.h"

#include "contract/policy.h"

#include <inttypes.h>
#include <stddef.h>

bool metrics_text_is_gauge(enum counter counter)
{
    switch (counter) {
    case COUNTER_SESSIONS_OPEN:
    case COUNTER_CONNECTIONS_OPEN:
    case COUNTER_BACKEND_SERVERS_DOWN:
    case COUNTER_ATTACK_MODE:
    case COUNTER_DRAINING:
    case COUNTER_SOURCES_BANNED:
    case COUNTER_MBUFS_IN_USE:
    case COUNTER_TURN_WORST_US:
    case COUNTER_BUSY_PERMILLE:
        return true;
    default:
        return false;
    }
}

static uint64_t load(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void counters_write(const struct metrics_facts *facts, FILE *out)
{
    for (int i = 0; i < COUNTER_COUNT; i++) {
        enum counter counter = (enum counter)i;
        bool gauge = metrics_text_is_gauge(counter);
        const char *name = counter_name(counter), *end = gauge ? "" : "_total";
        fprintf(out, "# HELP weir_%s%s %s\n# TYPE weir_%s%s %s\n", name, end, counter_text(counter),
                name, end, gauge ? "gauge" : "counter");
        for (unsigned worker = 0; worker < facts->workers; worker++)
            fprintf(out, "weir_%s%s{worker=\"%u\"} %" PRIu64 "\n", name, end, worker,
                    load(&facts->counters->blocks[worker].counters[i]));
    }
}

static void reasons_write(const struct metrics_facts *facts, FILE *out)
{
    fputs("# HELP weir_refused_total what was refused or ended, by reason\n"
          "# TYPE weir_refused_total counter\n",
          out);
    for (int i = 1; i < REASON_COUNT; i++) // 0 is "nothing refused"
        for (unsigned worker = 0; worker < facts->workers; worker++)
            fprintf(out,
                    "weir_refused_total{reason=\"%s\",station=\"%s\",worker=\"%u\"} %" PRIu64 "\n",
                    reason_name((enum reason)i), reason_station((enum reason)i), worker,
                    load(&facts->counters->blocks[worker].reasons[i]));
}

static void shadow_write(const struct metrics_facts *facts, FILE *out, const char *metric,
                         const char *help, size_t offset)
{
    fprintf(out, "# HELP weir_%s_total %s\n# TYPE weir_%s_total counter\n", metric, help, metric);
    for (int i = 0; i < REASON_COUNT; i++) {
        enum reason reason = (enum reason)i;
        for (unsigned worker = 0; counter_may_shadow(reason) && worker < facts->workers; worker++) {
            const uint8_t *block = (const uint8_t *)&facts->counters->blocks[worker];
            const uint64_t *counts = (const uint64_t *)(const void *)(block + offset);
            fprintf(out, "weir_%s_total{reason=\"%s\",worker=\"%u\"} %" PRIu64 "\n", metric,
                    reason_name(reason), worker, load(&counts[reason]));
        }
    }
}

static void shadows_write(const struct metrics_facts *facts, FILE *out)
{
    shadow_write(facts, out, "shadow_refused",
                 "what limits and checks in shadow would have refused",
                 offsetof(struct counter_block, shadows));
    shadow_write(facts, out, "shadow_logins", "how many of these logged in later",
                 offsetof(struct counter_block, shadow_logins));
}

void metrics_text_figure(FILE *out, const char *name, bool gauge, const char *help, uint64_t value)
{
    const char *end = gauge ? "" : "_total";
    fprintf(out, "# HELP weir_%s%s %s\n# TYPE weir_%s%s %s\nweir_%s%s %" PRIu64 "\n", name, end,
            help, name, end, gauge ? "gauge" : "counter", name, end, value);
}

static void children_write(const struct metrics_facts *facts, FILE *out)
{
    fputs("# HELP weir_child_up whether the child runs\n# TYPE weir_child_up gauge\n", out);
    for (int i = 0; i < 2; i++)
        fprintf(out, "weir_child_up{child=\"%s\"} %d\n", facts->children[i].name,
                facts->children[i].running);
    fputs("# HELP weir_child_restarts_total times that the child was started again\n"
          "# TYPE weir_child_restarts_total counter\n",
          out);
    for (int i = 0; i < 2; i++)
        fprintf(out, "weir_child_restarts_total{child=\"%s\"} %" PRIu64 "\n",
                facts->children[i].name, facts->children[i].restarts);
}

void metrics_text_write(const struct metrics_facts *facts, FILE *out)
{
    metrics_text_figure(out, "dataplane_attached", true, "whether the data plane is attached",
                        facts->counters != NULL);
    metrics_text_figure(out, "policy_generation", true, "policy snapshot that runs",
                        facts->policy_generation);
    metrics_text_figure(out, "session_log_lines", false, "lines of the session log",
                        facts->session_lines);
    metrics_text_figure(out, "session_log_lines_lost", false, "lines that could not be written",
                        facts->session_lines_lost);
    children_write(facts, out);
    if (facts->counters) {
        counters_write(facts, out);
        reasons_write(facts, out);
        shadows_write(facts, out);
    }
}

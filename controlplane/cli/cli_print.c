// SPDX-License-Identifier: BSD-3-Clause
#include "cli/cli_print.h"

#include "cli/cli_table.h"

#include <stdint.h>
#include <string.h>

static long long number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "-";
}

static void print_busy(FILE *out, const json_t *permille)
{
    size_t worker;
    const json_t *one;
    fputs("busy", out);
    json_array_foreach(permille, worker, one)
    {
        fprintf(out, "%s%.1f %%", worker ? ", " : "           ", json_number_value(one) / 10);
    }
    fputs(" of the last second\n", out);
}

static void print_planes(FILE *out, const json_t *response)
{
    char duration[64];
    const json_t *control = json_object_get(response, "controlplane");
    const json_t *data = json_object_get(response, "dataplane");
    cli_table_duration(json_object_get(control, "uptime_ms"), duration, sizeof duration);
    fprintf(out, "control plane  running, pid %lld, up %s", number(control, "pid"), duration);
    if (json_is_integer(json_object_get(control, "metrics_port")))
        fprintf(out, ", metrics on port %lld", number(control, "metrics_port"));
    if (json_is_true(json_object_get(data, "attached"))) {
        cli_table_duration(json_object_get(data, "attached_ms"), duration, sizeof duration);
        fprintf(
            out, "\ndata plane     attached, pid %lld, %lld worker%s, for %s%s, %lld sessions\n",
            number(data, "pid"), number(data, "workers"), number(data, "workers") == 1 ? "" : "s",
            duration, json_is_true(json_object_get(data, "draining")) ? ", DRAINING" : "",
            number(data, "sessions"));
        print_busy(out, json_object_get(data, "busy_permille"));
        const json_t *nic = json_object_get(data, "nic");
        fprintf(out,
                "lost at ports  %lld missed, %lld without buffer, %lld bad, %lld in queues, "
                "%lld further\n",
                number(nic, "missed"), number(nic, "no_mbuf"), number(nic, "errors"),
                number(nic, "queue_errors"), number(nic, "further"));
    } else {
        fprintf(out, "\ndata plane     NOT ATTACHED (%s)\n", text(data, "state"));
    }
}

static void print_auth(FILE *out, const json_t *auth)
{
    fprintf(
        out,
        "logins         %lld right, %lld wrong, %lld told to wait, %lld unavailable; %lld users\n"
        "waiting        %lld users at an address (%lld more where known), %lld addresses, "
        "%lld prefixes\n",
        number(auth, "right"), number(auth, "wrong"), number(auth, "throttled"),
        number(auth, "unavailable"), number(auth, "users"), number(auth, "waiting_pairs"),
        number(auth, "waiting_known"), number(auth, "waiting_sources"),
        number(auth, "waiting_prefixes"));
    if (json_is_string(json_object_get(auth, "fault")))
        fprintf(out, "USERS NOT READ %s\n", text(auth, "fault"));
}

void cli_print_status(FILE *out, const json_t *response, bool all)
{
    static const struct cli_column columns[] = {
        {.title = "SERVICE", .key = "name"},
        {.title = "PORT", .key = "port", .right = true},
        {.title = "PROTOCOL", .key = "protocol"},
        {.title = "TLS", .key = "tls"},
        {.title = "SUBMISSION", .key = "submission"},
        {.title = "BACKEND", .key = "backend"},
        {0},
    };
    size_t i;
    const json_t *child;
    print_planes(out, response);
    json_array_foreach(json_object_get(response, "children"), i, child)
    {
        fprintf(out, "%-4s child     %s", text(child, "name"), text(child, "state"));
        if (json_is_integer(json_object_get(child, "pid")))
            fprintf(out, ", pid %lld", number(child, "pid"));
        fprintf(out, ", restarted %lld times\n", number(child, "restarts"));
    }
    print_auth(out, json_object_get(response, "auth"));
    const json_t *policy = json_object_get(response, "policy");
    fprintf(out,
            "policy         generation %lld: %lld domains, %lld relay networks, %lld rules, %lld "
            "allowed and %lld denied prefixes\n",
            number(policy, "generation"), number(policy, "domains"),
            number(policy, "relay_networks"), number(policy, "rules"), number(policy, "allow"),
            number(policy, "deny"));
    const json_t *control = json_object_get(response, "controlplane");
    fprintf(out, "session log    %s: %lld lines, %lld lost\n\n", text(control, "session_log"),
            number(control, "session_lines"), number(control, "session_lines_lost"));
    cli_table_print(out, json_object_get(response, "services"), columns);
}

static void format_workers(const json_t *value, char *cell, size_t size)
{
    size_t i, used = 0;
    const json_t *one;
    cell[0] = '\0';
    json_array_foreach(value, i, one)
    {
        int more = snprintf(cell + used, size - used, "%s%lld", i ? " + " : "",
                            (long long)json_integer_value(one));
        if (more < 0 || (size_t)more >= size - used)
            return;
        used += (size_t)more;
    }
}

static void print_counted(FILE *out, const json_t *list, const struct cli_column *columns, bool all)
{
    size_t i;
    json_t *one, *rows = json_array();
    json_array_foreach((json_t *)(uintptr_t)list, i, one)
    {
        if (all || number(one, "total") != 0)
            json_array_append(rows, one);
    }
    if (json_array_size(rows))
        cli_table_print(out, rows, columns);
    else
        fputs("nothing yet\n", out);
    json_decref(rows);
}

// Only when there is something: as a rule nothing is in shadow.
static void print_shadows(FILE *out, const json_t *list)
{
    static const struct cli_column columns[] = {
        {.title = "IN SHADOW", .key = "reason"},
        {.title = "WOULD REFUSE", .key = "total", .right = true},
        {.title = "LOGGED IN", .key = "logins", .right = true},
        {0},
    };
    size_t i;
    const json_t *one;
    bool any = false;
    json_array_foreach(list, i, one) any = any || number(one, "total") != 0;
    if (!any)
        return;
    fputc('\n', out);
    print_counted(out, list, columns, false);
}

void cli_print_stats(FILE *out, const json_t *response, bool all)
{
    bool each = all && number(response, "workers") > 1;
    const struct cli_column workers = {
        .title = "WORKERS", .key = "workers", .right = true, .format = format_workers};
    const struct cli_column meaning = {.title = "MEANING", .key = "text"};
    const struct cli_column counters[] = {
        {.title = "COUNTER", .key = "name"},
        {.title = "VALUE", .key = "total", .right = true},
        each ? workers : meaning,
        each ? meaning : (struct cli_column){0},
        {0},
    };
    const struct cli_column reasons[] = {
        {.title = "REFUSED OR ENDED", .key = "name"},      {.title = "STATION", .key = "station"},
        {.title = "VALUE", .key = "total", .right = true}, each ? workers : meaning,
        each ? meaning : (struct cli_column){0},           {0},
    };
    print_counted(out, json_object_get(response, "counters"), counters, all);
    fputc('\n', out);
    print_counted(out, json_object_get(response, "reasons"), reasons, all);
    print_shadows(out, json_object_get(response, "shadows"));
}

static void print_truncated(FILE *out, const json_t *response)
{
    if (json_is_true(json_object_get(response, "truncated")))
        fputs("(cut: there are more)\n", out);
}

void cli_print_bans(FILE *out, const json_t *response, bool all)
{
    static const struct cli_column columns[] = {
        {.title = "ADDRESS", .key = "address"},
        {.title = "LEFT", .key = "seconds", .right = true, .format = cli_table_seconds},
        {.title = "REASON", .key = "reason"},
        {0},
    };
    cli_table_print(out, json_object_get(response, "bans"), columns);
    print_truncated(out, response);
}

void cli_print_lists(FILE *out, const json_t *response, bool all)
{
    static const struct cli_column columns[] = {
        {.title = "FILE", .key = "name"},
        {.title = "CLASS", .key = "class"},
        {.title = "IPV4", .key = "ipv4", .right = true},
        {.title = "IPV6", .key = "ipv6", .right = true},
        {.title = "PATH", .key = "file"},
        {0},
    };
    const json_t *files = json_object_get(response, "from files");
    const char *name, *error = json_string_value(json_object_get(response, "error"));
    json_t *list;
    json_object_foreach((json_t *)(uintptr_t)response, name, list)
    {
        size_t i;
        const json_t *prefix;
        if (!json_is_array(list) || list == files)
            continue;
        json_array_foreach(list, i, prefix)
            fprintf(out, "%-5s  %s\n", name, json_string_value(prefix));
        if (i == 0)
            fprintf(out, "%-5s  (empty)\n", name);
    }
    if (json_array_size(files) > 0 || !json_object_get(response, "deny"))
        cli_table_print(out, files, columns);
    if (error && error[0])
        fprintf(out, "not reloaded: %s\n", error);
}

void cli_print_list_test(FILE *out, const json_t *response, bool all)
{
    const char *file = text(response, "file");
    if (!json_object_get(response, "prefix"))
        fputs("default: no list holds it\n", out);
    else
        fprintf(out, "%s by %s%s%s\n", text(response, "class"), text(response, "prefix"),
                file[0] ? " of " : "", file);
}

void cli_print_limits(FILE *out, const json_t *response, bool all)
{
    static const struct cli_column columns[] = {
        {.title = "LIMIT", .key = "name"},
        {.title = "VALUE", .key = "value", .right = true},
        {.title = "UNIT", .key = "unit"},
        {.title = "MODE", .key = "mode"},
        {.title = "IN SHADOW", .key = "shadowed", .right = true},
        {.title = "DEFAULT", .key = "default", .right = true},
        {.title = "LEAST", .key = "least", .right = true},
        {.title = "MOST", .key = "most", .right = true},
        {.title = "MEANING", .key = "text"},
        {0},
    };
    cli_table_print(out, json_object_get(response, "limits"), columns);
}

void cli_print_limit(FILE *out, const json_t *response, bool all)
{
    fprintf(out, "%lld", number(response, "value"));
    const char *mode = json_string_value(json_object_get(response, "mode"));
    if (mode && strcmp(mode, "enforce") != 0)
        fprintf(out, ", %s", mode);
    if (number(response, "shadowed"))
        fprintf(out, "; in shadow it would have refused %lld, of which %lld logged in",
                number(response, "shadowed"), number(response, "shadow_logins"));
    fputc('\n', out);
}

void cli_print_sessions(FILE *out, const json_t *response, bool all)
{
    static const struct cli_column columns[] = {
        {.title = "ID", .key = "id", .right = true},
        {.title = "SERVICE", .key = "service"},
        {.title = "CLIENT", .key = "client"},
        {.title = "PORT", .key = "client_port", .right = true},
        {.title = "STATE", .key = "state"},
        {.title = "TLS", .key = "tls"},
        {.title = "USER", .key = "user"},
        {.title = "AGE", .key = "age_ms", .right = true, .format = cli_table_duration},
        {.title = "IDLE", .key = "idle_ms", .right = true, .format = cli_table_duration},
        {.title = "IN", .key = "bytes_in", .right = true},
        {.title = "OUT", .key = "bytes_out", .right = true},
        {0},
    };
    cli_table_print(out, json_object_get(response, "sessions"), columns);
    print_truncated(out, response);
}

void cli_print_backends(FILE *out, const json_t *response, bool all)
{
    static const struct cli_column columns[] = {
        {.title = "BACKEND", .key = "backend"},
        {.title = "SERVER", .key = "server"},
        {.title = "WORKER", .key = "worker", .right = true},
        {.title = "STATE", .key = "state"},
        {.title = "SINCE", .key = "since_ms", .right = true, .format = cli_table_duration},
        {.title = "OPEN", .key = "connections", .right = true},
        {.title = "SPARE", .key = "spares", .right = true},
        {.title = "OPENED", .key = "opened", .right = true},
        {.title = "CHECKS", .key = "checks", .right = true},
        {.title = "FAILURES", .key = "failures", .right = true},
        {.title = "IN A ROW", .key = "failed", .right = true},
        {.title = "LAST FAILURE", .key = "last_failure"},
        {0},
    };
    cli_table_print(out, json_object_get(response, "servers"), columns);
}

void cli_print_change(FILE *out, const json_t *response, bool all)
{
    if (json_is_true(json_object_get(response, "published")))
        fprintf(out, "done, policy generation %lld\n", number(response, "generation"));
    else
        fputs("done; the data plane is not attached and gets it when it is\n", out);
}

void cli_print_order(FILE *out, const json_t *response, bool all)
{
    fputs("done\n", out);
}

void cli_print_check(FILE *out, const json_t *response, bool all)
{
    fprintf(out, "%s: ok\n", text(response, "file"));
}

static void format_rate(const json_t *value, char *cell, size_t size)
{
    double rate = json_number_value(value);
    snprintf(cell, size, rate < 100 ? "%.2f" : "%.0f", rate);
}

static void format_share(const json_t *value, char *cell, size_t size)
{
    snprintf(cell, size, "%.1f %%", json_number_value(value) * 100);
}

void cli_print_top(FILE *out, const json_t *response, bool all)
{
    static const struct cli_column columns[] = {
        {.title = "ADDRESS", .key = "address"},
        {.title = "A SECOND", .key = "rate", .right = true, .format = format_rate},
        {.title = "AT MOST", .key = "most", .right = true, .format = format_rate},
        {.title = "SHARE", .key = "share", .right = true, .format = format_share},
        {0},
    };
    char total[32];
    format_rate(json_object_get(response, "total"), total, sizeof total);
    fprintf(out, "%s by %s, %s a second in all", text(response, "of"), text(response, "by"), total);
    if (number(response, "sampled") > 1)
        fprintf(out, ", one in %lld looked at", number(response, "sampled"));
    fputs("\n\n", out);
    cli_table_print(out, json_object_get(response, "rows"), columns);
}

void cli_print_explain(FILE *out, const json_t *response, bool all)
{
    size_t i;
    const json_t *sentence;
    fprintf(out, "%s\n", text(response, "address"));
    json_array_foreach(json_object_get(response, "evidence"), i, sentence)
        fprintf(out, "  %s\n", json_string_value(sentence));
}

void cli_print_trace(FILE *out, const json_t *response, bool all)
{
    size_t i, k;
    const json_t *story, *event;
    json_array_foreach(json_object_get(response, "connections"), i, story)
    {
        fprintf(out, "%ssession %lld, %s: %s\n", i ? "\n" : "", number(story, "session"),
                text(story, "leg"), text(story, "text"));
        json_array_foreach(json_object_get(story, "events"), k, event)
            fprintf(out, "  %s\n", text(event, "text"));
    }
    if (i == 0)
        fputs("nothing is known of such connections\n", out);
    print_truncated(out, response);
}

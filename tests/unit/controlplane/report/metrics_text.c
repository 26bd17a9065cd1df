// SPDX-License-Identifier: BSD-3-Clause
#include "report/metrics_text.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAME  "[a-zA-Z_:][a-zA-Z0-9_:]*"
#define LABEL "[a-zA-Z_][a-zA-Z0-9_]*=\"[^\"\\\\]*\""

enum { WORKERS = 2, NAMES_MAX = 256 };

static struct counter_area area;
static char *text;
static size_t size;

static struct metrics_facts facts_of(const struct counter_area *counters)
{
    return (struct metrics_facts){.counters = counters,
                                  .workers = counters ? WORKERS : 0,
                                  .policy_generation = 3,
                                  .session_lines = UINT64_MAX,
                                  .session_lines_lost = 1,
                                  .children = {{"dns", true, 0}, {"auth", false, 4}}};
}

static void write_text(const struct counter_area *counters)
{
    struct metrics_facts facts = facts_of(counters);
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    metrics_text_write(&facts, out);
    fclose(out);
}

static int text_free(void **state)
{
    free(text);
    text = NULL;
    return 0;
}

static unsigned lines_equal(const char *line)
{
    unsigned found = 0;
    size_t line_size = strlen(line);
    for (const char *at = text; *at; at = strchr(at, '\n') + 1)
        found += strncmp(at, line, line_size) == 0 && at[line_size] == '\n';
    return found;
}

static void assert_once(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void assert_once(const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (lines_equal(line) != 1)
        fail_msg("%u times: %s", lines_equal(line), line);
}

static void data_plane_that_is_not_attached_has_no_counters(void **state)
{
    write_text(NULL);
    assert_once("weir_dataplane_attached 0");
    assert_null(strstr(text, "weir_rx_packets"));
    assert_null(strstr(text, "weir_refused"));
}

static void every_line_is_of_the_exposition_format(void **state)
{
    static const char *const patterns[] = {
        "^# HELP " NAME " [^\\\\]+$",
        "^# TYPE " NAME " (counter|gauge)$",
        "^" NAME "(\\{" LABEL "(," LABEL ")*\\})? [0-9]+$",
    };
    regex_t expressions[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(regcomp(&expressions[i], patterns[i], REG_EXTENDED | REG_NOSUB), 0);
    write_text(&area);
    assert_int_equal(text[size - 1], '\n');
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line && (rest || *line); line = strsep(&rest, "\n")) {
        int kind = strncmp(line, "# HELP", 6) == 0 ? 0 : line[0] == '#' ? 1 : 2;
        if (regexec(&expressions[kind], line, 0, NULL, 0) != 0)
            fail_msg("not of the format: %s", line);
    }
    for (int i = 0; i < 3; i++)
        regfree(&expressions[i]);
}

// HELP, then TYPE, then that metric's samples and no other's; no metric twice.
static void each_metric_is_declared_once_before_its_samples(void **state)
{
    char names[NAMES_MAX][64];
    unsigned count = 0;
    write_text(&area);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        char name[64] = "", type[16] = "";
        if (sscanf(line, "# HELP %63s", name) == 1) {
            for (unsigned i = 0; i < count; i++)
                assert_string_not_equal(names[i], name);
            assert_true(count < NAMES_MAX);
            memcpy(names[count++], name, sizeof name);
            assert_int_equal(sscanf(strchr(line, '\n') + 1, "# TYPE %63s %15s", name, type), 2);
            const char *end = name + strlen(name) - 6;
            assert_int_equal(strcmp(end, "_total") == 0, strcmp(type, "counter") == 0);
        } else {
            assert_int_equal(sscanf(line, line[0] == '#' ? "# TYPE %63s" : "%63[^{ ]", name), 1);
            assert_true(count > 0);
        }
        assert_string_equal(names[count - 1], name);
    }
}

static void what_also_falls_is_a_gauge(void **state)
{
    for (int i = 0; i < COUNTER_COUNT; i++) {
        const char *meaning = counter_text((enum counter)i);
        bool falls = strstr(meaning, " now") || strstr(meaning, " while ");
        if (metrics_text_is_gauge((enum counter)i) != falls)
            fail_msg("%s: %s", counter_name((enum counter)i), meaning);
    }
}

static void each_counter_and_reason_of_each_worker_is_there_once(void **state)
{
    for (unsigned worker = 0; worker < WORKERS; worker++) {
        for (int i = 0; i < COUNTER_COUNT; i++)
            counter_set(&area.blocks[worker], (enum counter)i, worker * 1000 + (unsigned)i);
        for (int i = 0; i < REASON_COUNT; i++)
            area.blocks[worker].reasons[i] = worker * 1000 + 500 + (unsigned)i;
        area.blocks[worker].shadows[REASON_CONNECTIONS_SOURCE] = worker + 70;
        area.blocks[worker].shadow_logins[REASON_CONNECTIONS_SOURCE] = worker + 80;
        area.blocks[worker].shadows[REASON_SMTP_SPF_FAIL] = worker + 90;
    }
    write_text(&area);
    for (unsigned worker = 0; worker < WORKERS; worker++) {
        for (int i = 0; i < COUNTER_COUNT; i++) {
            enum counter counter = (enum counter)i;
            assert_once("weir_%s%s{worker=\"%u\"} %u", counter_name(counter),
                        metrics_text_is_gauge(counter) ? "" : "_total", worker,
                        worker * 1000 + (unsigned)i);
        }
        for (int i = 1; i < REASON_COUNT; i++)
            assert_once("weir_refused_total{reason=\"%s\",station=\"%s\",worker=\"%u\"} %u",
                        reason_name((enum reason)i), reason_station((enum reason)i), worker,
                        worker * 1000 + 500 + (unsigned)i);
        const char *limit = reason_name(REASON_CONNECTIONS_SOURCE);
        assert_once("weir_shadow_refused_total{reason=\"%s\",worker=\"%u\"} %u", limit, worker,
                    worker + 70);
        assert_once("weir_shadow_refused_total{reason=\"smtp_spf_fail\",worker=\"%u\"} %u", worker,
                    worker + 90);
        assert_once("weir_shadow_logins_total{reason=\"%s\",worker=\"%u\"} %u", limit, worker,
                    worker + 80);
    }
    assert_null(strstr(text, "worker=\"2\""));
}

static void figures_of_the_control_plane_are_told(void **state)
{
    write_text(&area);
    assert_once("weir_dataplane_attached 1");
    assert_once("weir_policy_generation 3");
    assert_once("weir_session_log_lines_total 18446744073709551615");
    assert_once("weir_session_log_lines_lost_total 1");
    assert_once("weir_child_up{child=\"dns\"} 1");
    assert_once("weir_child_up{child=\"auth\"} 0");
    assert_once("weir_child_restarts_total{child=\"dns\"} 0");
    assert_once("weir_child_restarts_total{child=\"auth\"} 4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(data_plane_that_is_not_attached_has_no_counters, text_free),
        cmocka_unit_test_teardown(every_line_is_of_the_exposition_format, text_free),
        cmocka_unit_test_teardown(each_metric_is_declared_once_before_its_samples, text_free),
        cmocka_unit_test(what_also_falls_is_a_gauge),
        cmocka_unit_test_teardown(each_counter_and_reason_of_each_worker_is_there_once, text_free),
        cmocka_unit_test_teardown(figures_of_the_control_plane_are_told, text_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

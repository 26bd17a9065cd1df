// SPDX-License-Identifier: BSD-3-Clause
#include "loop/plane.h"

#include "base/log.h"
#include "config/config_files.h"
#include "report/metrics_text.h"

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { STOP_TICK_MS = 10, STOP_MOST_MS = 2000 };

// What the link brings goes to whom it concerns.

static void on_connected(void *context)
{
    publisher_connected(&((struct plane *)context)->publisher);
}

static void on_result(void *context, const struct attach_result *result)
{
    publisher_result(&((struct plane *)context)->publisher, result);
}

static void on_up(void *context)
{
    struct plane *plane = (struct plane *)context;
    plane->attached_ms = uv_now(&plane->loop);
    if (!plane->stop_ms)
        children_start(&plane->children);
}

static void on_down(void *context)
{
    struct plane *plane = (struct plane *)context;
    children_stop(&plane->children);
    ops_desk_down(&plane->desk);
    publisher_down(&plane->publisher);
}

static void on_message(void *context, unsigned worker, const struct message *message)
{
    struct plane *plane = (struct plane *)context;
    if (message->kind == MESSAGE_REPORT)
        session_log_add(&plane->session_log, &message->report, &plane->publisher.config->head);
    else
        ops_desk_answer(&plane->desk, worker, message);
}

static void on_messages_end(void *context)
{
    session_log_flush(&((struct plane *)context)->session_log);
}

// The publisher's events.

static void on_changed(void *context, const struct config *config)
{
    children_configure(&((struct plane *)context)->children, config);
}

static void on_first_refused(void *context, const char *text)
{
    struct plane *plane = (struct plane *)context;
    log_error("what=\"the data plane refused the policy\" cause=\"%s\"", text);
    if (plane->publisher.generation_running == 0)
        plane_stop(plane, 1);
}

// Reload.

static bool control_equal(const struct config_control *a, const struct config_control *b)
{
    return strcmp(a->dataplane_socket, b->dataplane_socket) == 0 &&
           strcmp(a->api_socket, b->api_socket) == 0 &&
           strcmp(a->pid_directory, b->pid_directory) == 0 &&
           strcmp(a->session_log, b->session_log) == 0 && strcmp(a->metrics, b->metrics) == 0 &&
           strcmp(a->dns_user, b->dns_user) == 0 && strcmp(a->auth_user, b->auth_user) == 0;
}

static int edit_reload(void *context, struct config **candidate, struct config_errors *errors)
{
    struct plane *plane = (struct plane *)context;
    struct config *config;
    int error = config_read(plane->config_file, &config, errors);
    if (error)
        return error;
    if (!control_equal(&config->control, &plane->control)) {
        struct config_place place = {.file = plane->config_file, .path = "control"};
        config_errors_add(errors, &place, "changes need a restart of weir-controlplane");
        config_free(config);
        return -EINVAL;
    }
    error = config_files_check(config, plane->config_file, errors);
    if (error) {
        config_free(config);
        return error;
    }
    config_free(*candidate);
    *candidate = config;
    return 0;
}

struct reload {
    struct plane *plane;
    publisher_done *done;
    void *context;
};

static int reload_edit(void *context, struct config **candidate, struct config_errors *errors)
{
    return edit_reload(((struct reload *)context)->plane, candidate, errors);
}

// One line in the log for each line of `text`.
static void log_not_reloaded(const char *text)
{
    struct span left = span_text(text);
    for (int i = 0; i < CONFIG_ERRORS_SHOWN && left.size > 0; i++) {
        size_t end = span_find(left, '\n');
        log_error("what=\"configuration not reloaded\" cause=\"%.*s\"", (int)end, left.at);
        left = span_skip(left, end + 1);
    }
}

static void reload_done(void *context, const struct publisher_outcome *outcome)
{
    struct reload *reload = (struct reload *)context;
    if (outcome->error)
        log_not_reloaded(outcome->text);
    else
        log_info("what=\"configuration reloaded\" generation=%llu published=%d",
                 (unsigned long long)outcome->generation, outcome->published);
    if (reload->done)
        reload->done(reload->context, outcome);
    free(reload);
}

int plane_reload(struct plane *plane, publisher_done *done, void *context)
{
    struct reload *reload = calloc(1, sizeof *reload);
    CHECK(reload);
    *reload = (struct reload){plane, done, context};
    struct publication change = {.edit = reload_edit, .done = reload_done, .context = reload};
    int error = publisher_submit(&plane->publisher, &change);
    if (error)
        free(reload);
    return error;
}

int plane_check(struct plane *plane, struct config_errors *errors)
{
    struct config *config;
    int error = config_read(plane->config_file, &config, errors);
    if (error)
        return error;
    error = config_files_check(config, plane->config_file, errors);
    if (!error)
        error = publisher_check(&plane->publisher, config, NULL, errors);
    config_free(config);
    return error;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct plane *plane = (struct plane *)handle->data;
    if (number != SIGHUP) {
        plane_stop(plane, 0);
        return;
    }
    int error = session_log_reopen(&plane->session_log);
    if (error)
        log_error("what=\"session log not reopened\" error=\"%s\"", strerror(-error));
    if (plane_reload(plane, NULL, NULL) < 0)
        log_error("what=\"configuration not reloaded\" cause=\"too many changes wait\"");
}

static void write_metrics(void *context, FILE *out)
{
    struct plane *plane = (struct plane *)context;
    bool up = plane->link.state == LINK_UP;
    struct metrics_facts facts = {
        .counters = up ? plane->link.client.counters : NULL,
        .workers = up ? plane->link.client.workers : 0,
        .policy_generation = plane->publisher.generation_running,
        .session_lines = plane->session_log.lines,
        .session_lines_lost = plane->session_log.lines_lost,
    };
    for (int i = 0; i < CHILD_COUNT; i++) {
        const struct child *child = &plane->children.items[i];
        facts.children[i].name = children_name(child->kind);
        facts.children[i].running = child->state == CHILD_RUNNING;
        facts.children[i].restarts = child->restarts;
    }
    metrics_text_write(&facts, out);
    for (int i = 0; i < FIGURE_COUNT; i++) {
        const struct child_figure *figure = children_figure_facts((enum auth_figure)i);
        char name[64];
        snprintf(name, sizeof name, "auth_%s", figure->name);
        metrics_text_figure(out, name, figure->gauge, figure->text,
                            children_auth_figure(&plane->children, (enum auth_figure)i));
    }
}

static int fail(const char *what, const char *where, int error)
{
    log_error("what=\"%s\" where=%s error=\"%s\"", what, where,
              error == -EEXIST ? "another weir-controlplane runs" : strerror(-error));
    return error;
}

static void signals_start(struct plane *plane)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (int i = 0; i < 3; i++) {
        CHECK(uv_signal_init(&plane->loop, &plane->signals[i]) == 0);
        plane->signals[i].data = plane;
        uv_signal_start(&plane->signals[i], on_signal, numbers[i]);
    }
    signal(SIGPIPE, SIG_IGN);
}

// Opens what may fail, in an order that leaves nothing behind on failure but the pid file's lock.
static int outside_open(struct plane *plane)
{
    const struct config_control *control = &plane->control;
    int error = pid_file_lock(&plane->pid_file, control->pid_directory, "controlplane");
    if (error)
        return fail("pid file not taken", plane->pid_file.path, error);
    error = session_log_open(&plane->session_log, control->session_log);
    if (error)
        return fail("session log not opened", control->session_log, error);
    if (!control->metrics[0])
        return 0;
    error =
        metrics_server_open(&plane->metrics, &plane->loop, control->metrics, write_metrics, plane);
    return error ? fail("metrics not served", control->metrics, error) : 0;
}

int plane_init(struct plane *plane, const char *config_file, struct config *config)
{
    *plane = (struct plane){.control = config->control, .pid_file = {.fd = -1}};
    snprintf(plane->config_file, sizeof plane->config_file, "%s", config_file);
    CHECK(uv_loop_init(&plane->loop) == 0);
    plane->started_ms = uv_now(&plane->loop);
    struct config_errors errors = {0};
    struct dataplane_link_owner owner = {
        .connected = on_connected,
        .result = on_result,
        .up = on_up,
        .down = on_down,
        .message = on_message,
        .messages_end = on_messages_end,
        .context = plane,
    };
    int error = publisher_init(&plane->publisher, &plane->link, config, &errors);
    if (error) {
        fputs(errors.text, stderr);
        config_free(config);
        return error;
    }
    plane->publisher.changed = on_changed;
    plane->publisher.first_refused = on_first_refused;
    plane->publisher.context = plane;
    error = outside_open(plane);
    if (error) {
        pid_file_unlock(&plane->pid_file);
        publisher_close(&plane->publisher);
        return error;
    }
    dataplane_link_init(&plane->link, &plane->loop, plane->control.dataplane_socket, &owner);
    ops_desk_init(&plane->desk, &plane->loop, &plane->link);
    children_init(&plane->children, &plane->loop, config);
    CHECK(uv_timer_init(&plane->loop, &plane->stop_timer) == 0);
    plane->stop_timer.data = plane;
    signals_start(plane);
    return 0;
}

// The children are gone, or overdue: nothing is left but to close every handle.
static void close_all(struct plane *plane)
{
    dataplane_link_stop(&plane->link);
    ops_desk_done(&plane->desk);
    children_done(&plane->children);
    metrics_server_close(plane->metrics);
    plane->metrics = NULL;
    for (int i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&plane->signals[i], NULL);
    uv_close((uv_handle_t *)&plane->stop_timer, NULL);
}

static void on_stop_tick(uv_timer_t *timer)
{
    struct plane *plane = (struct plane *)timer->data;
    bool overdue = uv_now(&plane->loop) > plane->stop_ms + STOP_MOST_MS;
    if (children_gone(&plane->children) || overdue)
        close_all(plane);
    if (overdue)
        uv_stop(&plane->loop); // a child that not even SIGKILL ends dies after us
}

void plane_stop(struct plane *plane, int exit_code)
{
    if (plane->stop_ms)
        return;
    log_info("what=\"stopping\"");
    plane->stop_ms = uv_now(&plane->loop) | 1;
    plane->exit_code = exit_code;
    if (plane->stop_api)
        plane->stop_api(plane->api);
    children_stop(&plane->children);
    uv_timer_start(&plane->stop_timer, on_stop_tick, 0, STOP_TICK_MS);
}

int plane_run(struct plane *plane)
{
    if (!plane->stop_ms)
        dataplane_link_start(&plane->link);
    uv_run(&plane->loop, UV_RUN_DEFAULT);
    publisher_close(&plane->publisher);
    session_log_close(&plane->session_log);
    pid_file_unlock(&plane->pid_file);
    if (uv_loop_close(&plane->loop) != 0)
        log_warning("what=\"loop closed with open handles\"");
    return plane->exit_code;
}

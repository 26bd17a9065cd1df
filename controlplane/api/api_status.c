// SPDX-License-Identifier: BSD-3-Clause
/* status and stats: what runs, and what was counted. */
#include "api/api_command.h"

#include "config/config_lists.h"
#include "report/metrics_text.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_SIZE = PATH_NAME_MAX + 128 };

static const char *const protocol_names[PROTOCOL_COUNT] = {"smtp", "imap", "pop3"};
static const char *const tls_names[TLS_MODE_COUNT] = {"off", "starttls", "implicit"};

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)(value & INT64_MAX));
}

// Lines that the log could not take, and reports that found no room on their way to it.
static uint64_t sessions_unlogged(const struct plane *plane)
{
    const struct dataplane_link *link = &plane->link;
    uint64_t lost = plane->session_log.lines_lost;
    for (unsigned worker = 0; link->state == LINK_UP && worker < link->client.workers; worker++)
        lost += __atomic_load_n(
            &link->client.counters->blocks[worker].reasons[REASON_SESSION_REPORT_LOST],
            __ATOMIC_RELAXED);
    return lost;
}

static json_t *controlplane_json(struct plane *plane)
{
    json_t *o = json_object();
    json_object_set_new(o, "pid", number((uint64_t)getpid()));
    json_object_set_new(o, "uptime_ms", number(uv_now(&plane->loop) - plane->started_ms));
    json_object_set_new(o, "config_file", json_string(plane->config_file));
    json_object_set_new(o, "metrics_port",
                        plane->metrics ? number(metrics_server_port(plane->metrics)) : json_null());
    json_object_set_new(o, "session_log", json_string(plane->control.session_log));
    json_object_set_new(o, "session_lines", number(plane->session_log.lines));
    json_object_set_new(o, "session_lines_lost", number(sessions_unlogged(plane)));
    json_object_set_new(o, "messages_bad", number(plane->link.messages_bad));
    json_object_set_new(o, "answers_late", number(plane->desk.answers_late));
    return o;
}

static unsigned workers(const struct dataplane_link *link)
{
    return link->state == LINK_UP ? link->client.workers : 0;
}

static uint64_t counted_by(const struct dataplane_link *link, enum counter counter, unsigned worker)
{
    return __atomic_load_n(&link->client.counters->blocks[worker].counters[counter],
                           __ATOMIC_RELAXED);
}

static uint64_t counted(const struct dataplane_link *link, enum counter counter)
{
    uint64_t sum = 0;
    for (unsigned worker = 0; worker < workers(link); worker++)
        sum += counted_by(link, counter, worker);
    return sum;
}

static json_t *busy_json(const struct dataplane_link *link)
{
    json_t *each = json_array();
    for (unsigned worker = 0; worker < workers(link); worker++)
        json_array_append_new(each, number(counted_by(link, COUNTER_BUSY_PERMILLE, worker)));
    return each;
}

// What got lost before a worker could see it.
static json_t *nic_json(const struct dataplane_link *link)
{
    static const struct {
        const char *name;
        enum counter counter;
    } losses[] = {{"missed", COUNTER_NIC_MISSED},
                  {"no_mbuf", COUNTER_NIC_NO_MBUF},
                  {"errors", COUNTER_NIC_ERRORS},
                  {"queue_errors", COUNTER_NIC_QUEUE_ERRORS},
                  {"further", COUNTER_NIC_FURTHER}};
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++)
        json_object_set_new(o, losses[i].name, number(counted(link, losses[i].counter)));
    return o;
}

static json_t *dataplane_json(const struct plane *plane)
{
    const struct dataplane_link *link = &plane->link;
    bool up = link->state == LINK_UP;
    json_t *o = json_object();
    json_object_set_new(o, "state", json_string(dataplane_link_state_name(link->state)));
    json_object_set_new(o, "attached", json_boolean(up));
    json_object_set_new(o, "pid", link->pid ? number((uint64_t)link->pid) : json_null());
    json_object_set_new(o, "workers", number(workers(link)));
    json_object_set_new(o, "sessions", number(counted(link, COUNTER_SESSIONS_OPEN)));
    json_object_set_new(o, "draining", json_boolean(counted(link, COUNTER_DRAINING) > 0));
    json_object_set_new(o, "busy_permille", busy_json(link));
    json_object_set_new(o, "nic", nic_json(link));
    json_object_set_new(o, "attached_ms",
                        up ? number(uv_now(&plane->loop) - plane->attached_ms) : json_null());
    return o;
}

static json_t *children_json(const struct children *children)
{
    json_t *list = json_array();
    for (int i = 0; i < CHILD_COUNT; i++) {
        const struct child *child = &children->items[i];
        json_t *o = json_object();
        json_object_set_new(o, "name", json_string(children_name(child->kind)));
        json_object_set_new(o, "state", json_string(children_state_name(child)));
        json_object_set_new(o, "pid", child->pid ? number((uint64_t)child->pid) : json_null());
        json_object_set_new(o, "restarts", number(child->restarts));
        json_array_append_new(list, o);
    }
    return list;
}

// What the auth child says of itself; "fault" tells the operator that users are not as the file has
// them, or cannot be verified at all.
static json_t *auth_json(const struct children *children)
{
    json_t *o = json_object();
    for (int i = 0; i < FIGURE_COUNT; i++)
        json_object_set_new(o, children_figure_facts((enum auth_figure)i)->name,
                            number(children_auth_figure(children, (enum auth_figure)i)));
    uint64_t error = children_auth_figure(children, FIGURE_BACKEND_ERROR);
    char text[LINE_SIZE];
    snprintf(text, sizeof text, "%s: %s",
             children->auth.dovecot ? children->dovecot_socket : children->auth.passwd_file,
             error == EBADMSG ? "malformed lines; the log names them"
                              : strerror((int)(error & INT16_MAX)));
    json_object_set_new(o, "fault", error ? json_string(text) : json_null());
    return o;
}

static json_t *policy_json(const struct publisher *publisher)
{
    const struct config *config = publisher->config;
    json_t *o = json_object();
    json_object_set_new(o, "generation", number(publisher->generation_running));
    json_object_set_new(o, "domains", number(config->domains_count));
    json_object_set_new(o, "relay_networks", number(config->relay_networks.count));
    json_object_set_new(o, "allow", number(config_lists_count_of(config, CLASS_ALLOW)));
    json_object_set_new(o, "deny", number(config_lists_count_of(config, CLASS_DENY)));
    json_object_set_new(o, "rules", number(publisher->rules->compiled.count));
    return o;
}

static json_t *services_json(const struct policy *head)
{
    json_t *list = json_array();
    for (int i = 0; i < head->services_count; i++) {
        const struct policy_service *service = &head->services[i];
        json_t *o = json_object();
        json_object_set_new(o, "name", json_string(service->name));
        json_object_set_new(o, "port", number(service->port));
        json_object_set_new(o, "protocol", json_string(protocol_names[service->protocol]));
        json_object_set_new(o, "tls", json_string(tls_names[service->tls]));
        json_object_set_new(o, "submission", json_boolean(service->submission));
        json_object_set_new(o, "backend", json_string(head->backends[service->backend].name));
        json_array_append_new(list, o);
    }
    return list;
}

void api_status(struct api_request *request)
{
    struct plane *plane = request->plane;
    json_t *o = json_object();
    json_object_set_new(o, "controlplane", controlplane_json(plane));
    json_object_set_new(o, "dataplane", dataplane_json(plane));
    json_object_set_new(o, "children", children_json(&plane->children));
    json_object_set_new(o, "auth", auth_json(&plane->children));
    json_object_set_new(o, "policy", policy_json(&plane->publisher));
    json_object_set_new(o, "services", services_json(&plane->publisher.config->head));
    api_request_ok(request, o);
}

// Not to be added up: two workers in attack mode are one attack.
static bool is_of_the_whole(enum counter counter)
{
    return counter == COUNTER_ATTACK_MODE || counter == COUNTER_DRAINING ||
           counter == COUNTER_BACKEND_SERVERS_DOWN || counter == COUNTER_TURN_WORST_US ||
           counter == COUNTER_BUSY_PERMILLE;
}

// Adds "total" and "workers" of one counter; `first` is worker 0's, one block further each next.
// The total is the sum, or `greatest` the greatest.
static void values_add(json_t *o, const struct attach_client *client, const uint64_t *first,
                       bool greatest)
{
    uint64_t total = 0;
    json_t *each = json_array();
    for (unsigned worker = 0; worker < client->workers; worker++) {
        const uint64_t *at = first + worker * (sizeof(struct counter_block) / sizeof *first);
        uint64_t value = __atomic_load_n(at, __ATOMIC_RELAXED);
        total = !greatest ? total + value : value > total ? value : total;
        json_array_append_new(each, number(value));
    }
    json_object_set_new(o, "total", number(total));
    json_object_set_new(o, "workers", each);
}

static json_t *counters_json(const struct attach_client *client)
{
    json_t *list = json_array();
    for (int i = 0; i < COUNTER_COUNT; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "name", json_string(counter_name((enum counter)i)));
        json_object_set_new(o, "text", json_string(counter_text((enum counter)i)));
        json_object_set_new(o, "gauge", json_boolean(metrics_text_is_gauge((enum counter)i)));
        values_add(o, client, &client->counters->blocks[0].counters[i],
                   is_of_the_whole((enum counter)i));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *reasons_json(const struct attach_client *client)
{
    json_t *list = json_array();
    for (int i = 1; i < REASON_COUNT; i++) { // 0 is "nothing refused"
        json_t *o = json_object();
        json_object_set_new(o, "name", json_string(reason_name((enum reason)i)));
        json_object_set_new(o, "station", json_string(reason_station((enum reason)i)));
        json_object_set_new(o, "text", json_string(reason_text((enum reason)i)));
        values_add(o, client, &client->counters->blocks[0].reasons[i], false);
        json_array_append_new(list, o);
    }
    return list;
}

// What would have been refused, but for shadow.
static json_t *shadows_json(const struct attach_client *client)
{
    json_t *list = json_array();
    for (int i = 0; i < REASON_COUNT; i++) {
        enum reason reason = (enum reason)i;
        if (!counter_may_shadow(reason))
            continue;
        json_t *o = json_object(), *logins = json_object();
        const struct counter_block *first = &client->counters->blocks[0];
        json_object_set_new(o, "reason", json_string(reason_name(reason)));
        values_add(o, client, &first->shadows[reason], false);
        values_add(logins, client, &first->shadow_logins[reason], false);
        json_object_set(o, "logins", json_object_get(logins, "total"));
        json_decref(logins);
        json_array_append_new(list, o);
    }
    return list;
}

void api_stats(struct api_request *request)
{
    const struct dataplane_link *link = &request->plane->link;
    if (link->state != LINK_UP) {
        api_request_error(request, "the data plane is not attached");
        return;
    }
    json_t *o = json_object();
    json_object_set_new(o, "workers", number(link->client.workers));
    json_object_set_new(o, "counters", counters_json(&link->client));
    json_object_set_new(o, "reasons", reasons_json(&link->client));
    json_object_set_new(o, "shadows", shadows_json(&link->client));
    api_request_ok(request, o);
}

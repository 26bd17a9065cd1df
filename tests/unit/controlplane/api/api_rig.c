// SPDX-License-Identifier: BSD-3-Clause
#include "api_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct api_rig api_rig;
static char client; // its address stands for a client

void api_server_send(struct api_client *to, const json_t *response)
{
    assert_ptr_equal(to, &client);
    json_decref(api_rig.response);
    api_rig.response = json_deep_copy(response);
    api_rig.responses++;
}

static void on_changed(void *context, const struct config *config)
{
}

int api_rig_up(void **state)
{
    struct plane *plane = &api_rig.plane;
    struct config *config = NULL;
    struct config_errors errors = {0};
    memset(&api_rig, 0, sizeof api_rig);
    assert_int_equal(uv_loop_init(&plane->loop), 0);
    ops_rig_up(&api_rig.ops, &plane->loop, &plane->link);
    ops_desk_init(&plane->desk, &plane->loop, &plane->link);
    snprintf(plane->config_file, sizeof plane->config_file, "%s", SAMPLE);
    plane->children.items[CHILD_AUTH].kind = CHILD_AUTH;
    assert_int_equal(config_read(SAMPLE, &config, &errors), 0);
    plane->control = config->control;
    assert_int_equal(publisher_init(&plane->publisher, &plane->link, config, &errors), 0);
    plane->publisher.changed = on_changed;
    return 0;
}

int api_rig_down(void **state)
{
    struct plane *plane = &api_rig.plane;
    publisher_close(&plane->publisher);
    ops_desk_done(&plane->desk);
    ops_rig_down(&api_rig.ops);
    json_decref(api_rig.response);
    assert_int_equal(uv_run(&plane->loop, UV_RUN_DEFAULT), 0);
    return uv_loop_close(&plane->loop);
}

struct api_request *api_rig_request(const char *body)
{
    char text[512];
    json_error_t error;
    snprintf(text, sizeof text, "%s", body);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    struct api_request *request = calloc(1, sizeof *request);
    assert_non_null(request);
    request->plane = &api_rig.plane;
    request->client = (struct api_client *)(void *)&client;
    request->body = json_loads(text, 0, &error);
    assert_true(json_is_object(request->body));
    return request;
}

void api_rig_start(const char *request)
{
    api_rig.responses = 0;
    api_command_run(api_rig_request(request));
}

void api_rig_refused(const char *want)
{
    assert_int_equal(api_rig.responses, 1);
    assert_true(json_is_false(json_object_get(api_rig.response, "ok")));
    assert_string_equal(json_string_value(json_object_get(api_rig.response, "error")), want);
    api_rig.responses = 0;
}

json_t *api_rig_granted(void)
{
    assert_int_equal(api_rig.responses, 1);
    const char *error = json_string_value(json_object_get(api_rig.response, "error"));
    if (!json_is_true(json_object_get(api_rig.response, "ok")))
        fail_msg("refused: %s", error ? error : "?");
    api_rig.responses = 0;
    return api_rig.response;
}

struct message api_rig_answer(unsigned worker, enum message_status status)
{
    struct message message;
    assert_true(ops_rig_take(&api_rig.ops, worker, &message));
    message.status = (uint8_t)status;
    memset(message.bytes, 0, sizeof message.bytes);
    return message;
}

void api_rig_send(unsigned worker, const struct message *answer)
{
    assert_true(message_is_sound(answer));
    ops_desk_answer(&api_rig.plane.desk, worker, answer);
}

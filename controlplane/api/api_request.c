// SPDX-License-Identifier: BSD-3-Clause
#include "api/api_request.h"

#include "api/api_command.h"

#include <stdarg.h>
#include <stdlib.h>

static const struct {
    const char *words;
    void (*run)(struct api_request *request);
} commands[] = {
#define COMMAND(words, function) {words, function},
#include "api/api_command.def"
#undef COMMAND
};

void api_command_run(struct api_request *request)
{
    const char *words = api_request_text(request, "command");
    if (!words)
        return;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].words, words) == 0) {
            commands[i].run(request);
            return;
        }
    api_request_error(request, "unknown command");
}

static void answer(struct api_request *request, json_t *response)
{
    if (request->client)
        api_server_send(request->client, response);
    json_decref(response);
    json_decref(request->body);
    free(request);
}

void api_request_ok(struct api_request *request, json_t *response)
{
    json_t *whole = json_object();
    json_object_set_new(whole, "ok", json_true());
    json_object_update(whole, response);
    json_decref(response);
    answer(request, whole);
}

void api_request_error(struct api_request *request, const char *format, ...)
{
    char text[CONFIG_ERRORS_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_t *response = json_object();
    json_object_set_new(response, "ok", json_false());
    json_t *string = json_string(text);
    json_object_set_new(response, "error", string ? string : json_string("not printable"));
    answer(request, response);
}

bool api_request_has(const struct api_request *request, const char *name)
{
    return json_object_get(request->body, name) != NULL;
}

const char *api_request_text(struct api_request *request, const char *name)
{
    const char *text = json_string_value(json_object_get(request->body, name));
    if (!text)
        api_request_error(request, "%s: expected a text", name);
    return text;
}

bool api_request_number(struct api_request *request, const char *name, uint64_t least,
                        uint64_t most, uint64_t *ret_value)
{
    const json_t *value = json_object_get(request->body, name);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < least ||
        (uint64_t)number > most) {
        api_request_error(request, "%s: expected a number from %llu to %llu", name,
                          (unsigned long long)least, (unsigned long long)most);
        return false;
    }
    *ret_value = (uint64_t)number;
    return true;
}

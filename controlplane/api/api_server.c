// SPDX-License-Identifier: BSD-3-Clause
#include "api/api_server.h"

#include "api/api_request.h"
#include "base/log.h"
#include "base/span.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 16, TICK_MS = 1000 };

struct api_client {
    uv_pipe_t pipe;
    struct api_server *server;
    struct api_client *next;
    struct api_request *request; // under way
    uv_write_t write;
    char *response;       // being written
    bool reading;         // uv_read_start is on
    bool last;            // close once the response is out
    uint64_t progress_ms; // of the loop's clock
    size_t used;          // bytes of line
    char line[API_LINE_MAX];
};

struct api_server {
    uv_pipe_t pipe;
    uv_timer_t timer;
    struct plane *plane;
    struct api_client *clients;
    unsigned clients_count;
    int handles_open; // clients and our own two
};

static void handle_closed(struct api_server *server)
{
    if (--server->handles_open == 0)
        free(server);
}

static void on_client_closed(uv_handle_t *handle)
{
    struct api_client *client = (struct api_client *)handle->data;
    struct api_server *server = client->server;
    free(client->response);
    free(client);
    handle_closed(server);
}

static void client_close(struct api_client *client)
{
    if (uv_is_closing((uv_handle_t *)&client->pipe))
        return;
    if (client->request)
        client->request->client = NULL;
    struct api_client **at = &client->server->clients;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    client->server->clients_count--;
    uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void lines_run(struct api_client *client);
static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    struct api_client *client = (struct api_client *)handle->data;
    *ret_buffer =
        uv_buf_init(client->line + client->used, (unsigned)(sizeof client->line - client->used));
}

static void reading_set(struct api_client *client, bool wanted)
{
    if (wanted == client->reading || uv_is_closing((uv_handle_t *)&client->pipe))
        return;
    client->reading = wanted;
    if (wanted)
        uv_read_start((uv_stream_t *)&client->pipe, on_room, on_read);
    else
        uv_read_stop((uv_stream_t *)&client->pipe);
}

static void on_written(uv_write_t *write, int status)
{
    struct api_client *client = (struct api_client *)write->data;
    free(client->response);
    client->response = NULL;
    client->progress_ms = uv_now(client->pipe.loop);
    if (status < 0 || client->last)
        client_close(client);
    else
        lines_run(client);
}

void api_server_send(struct api_client *client, const json_t *response)
{
    client->request = NULL;
    size_t size = json_dumpb(response, NULL, 0, JSON_COMPACT);
    CHECK(size > 0 && !client->response);
    client->response = malloc(size + 1);
    CHECK(client->response);
    json_dumpb(response, client->response, size, JSON_COMPACT);
    client->response[size] = '\n';
    client->progress_ms = uv_now(client->pipe.loop);
    client->write.data = client;
    uv_buf_t buffer = uv_buf_init(client->response, (unsigned)(size + 1));
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buffer, 1, on_written) < 0)
        client_close(client);
}

static void request_start(struct api_client *client, struct span line)
{
    json_error_t error;
    struct api_request *request = calloc(1, sizeof *request);
    CHECK(request);
    request->plane = client->server->plane;
    request->client = client;
    request->body = json_loadb((const char *)line.at, line.size, JSON_REJECT_DUPLICATES, &error);
    client->request = request;
    if (json_is_object(request->body))
        api_command_run(request);
    else if (client->last)
        api_request_error(request, "a request has at most %d bytes", API_LINE_MAX);
    else
        api_request_error(request, "expected a JSON object a line");
}

// One line at most: the next comes when its response is out.
static void lines_run(struct api_client *client)
{
    struct span have = span_of(client->line, client->used);
    size_t end = span_find(have, '\n');
    bool whole = end < have.size;
    reading_set(client, !whole && client->used < sizeof client->line);
    if (whole) {
        request_start(client, span_head(have, end)); // copies what it keeps
        client->used -= end + 1;
        memmove(client->line, client->line + end + 1, client->used);
    } else if (client->used == sizeof client->line) {
        client->last = true;
        request_start(client, span_of("", 0));
    }
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct api_client *client = (struct api_client *)stream->data;
    if (size < 0) {
        client_close(client);
        return;
    }
    client->used += (size_t)size;
    client->progress_ms = uv_now(stream->loop);
    if (!client->request && !client->response)
        lines_run(client);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct api_server *server = (struct api_server *)listener->data;
    if (status < 0)
        return;
    struct api_client *client = calloc(1, sizeof *client);
    CHECK(client && uv_pipe_init(listener->loop, &client->pipe, 0) == 0);
    client->server = server;
    client->pipe.data = client;
    client->progress_ms = uv_now(listener->loop);
    client->next = server->clients;
    server->clients = client;
    server->clients_count++;
    server->handles_open++;
    if (uv_accept(listener, (uv_stream_t *)&client->pipe) < 0 ||
        server->clients_count > API_CLIENTS_MAX)
        client_close(client);
    else
        reading_set(client, true);
}

static void on_tick(uv_timer_t *timer)
{
    struct api_server *server = (struct api_server *)timer->data;
    uint64_t now = uv_now(timer->loop);
    struct api_client *next;
    for (struct api_client *client = server->clients; client; client = next) {
        next = client->next;
        uint64_t most = client->response ? API_SECONDS : API_IDLE_SECONDS;
        if (!client->request && now - client->progress_ms > most * 1000)
            client_close(client);
    }
}

static bool somebody_listens(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return false;
    bool alive =
        connect(probe, (struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN;
    close(probe);
    return alive;
}

static int listen_at(struct api_server *server, const char *path)
{
    if (somebody_listens(path))
        return -EADDRINUSE;
    unlink(path);
    mode_t before = umask(0177);
    int error = uv_pipe_bind(&server->pipe, path);
    umask(before);
    return error ? error : uv_listen((uv_stream_t *)&server->pipe, BACKLOG, on_connection);
}

static void on_own_closed(uv_handle_t *handle)
{
    handle_closed((struct api_server *)handle->data);
}

int api_server_open(struct api_server **ret_server, struct plane *plane, const char *path)
{
    struct api_server *server = calloc(1, sizeof *server);
    CHECK(server);
    server->plane = plane;
    CHECK(uv_pipe_init(&plane->loop, &server->pipe, 0) == 0);
    CHECK(uv_timer_init(&plane->loop, &server->timer) == 0);
    server->pipe.data = server->timer.data = server;
    server->handles_open = 2;
    int error = listen_at(server, path);
    if (error) {
        api_server_close(server);
        return error;
    }
    uv_timer_start(&server->timer, on_tick, TICK_MS, TICK_MS);
    *ret_server = server;
    return 0;
}

void api_server_close(struct api_server *server)
{
    while (server->clients)
        client_close(server->clients);
    uv_close((uv_handle_t *)&server->pipe, on_own_closed); // libuv unlinks what it bound
    uv_close((uv_handle_t *)&server->timer, on_own_closed);
}

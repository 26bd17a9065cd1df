// SPDX-License-Identifier: BSD-3-Clause
#include "report/metrics_server.h"

#include "base/addr.h"
#include "base/span.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TICK_MS = 250 }; // how late a time-out may be noticed

struct metrics_server {
    struct MHD_Daemon *daemon;
    uv_poll_t watch;  // of libmicrohttpd's epoll descriptor
    uv_timer_t timer; // time-outs of clients
    metrics_server_write *write;
    void *context;
    uint16_t port;
    int handles_open;
};

static bool address_parse(const char *text, struct sockaddr_storage *ret_address,
                          socklen_t *ret_size)
{
    char host[ADDR_TEXT_SIZE];
    uint64_t port;
    const char *colon = strrchr(text, ':');
    if (!colon || !span_to_u64(span_text(colon + 1), UINT16_MAX, &port))
        return false;
    struct span name = span_of(text, (size_t)(colon - text));
    if (name.size > 2 && name.at[0] == '[')
        name = span_of(name.at + 1, name.size - 2);
    span_to_text(name, host, sizeof host);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    memset(ret_address, 0, sizeof *ret_address);
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(ret_address, &v4, sizeof v4);
        *ret_size = sizeof v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(ret_address, &v6, sizeof v6);
        *ret_size = sizeof v6;
        return true;
    }
    return false;
}

static int listener_open(const char *text, uint16_t *ret_port)
{
    struct sockaddr_storage address;
    socklen_t size;
    if (!address_parse(text, &address, &size))
        return -EINVAL;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int one = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&address, size) < 0 ||
        listen(fd, METRICS_CONNECTIONS_MAX) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    *ret_port =
        ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&address)->sin_port
                                           : ((struct sockaddr_in6 *)(void *)&address)->sin6_port);
    return fd;
}

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned code, void *body,
                               size_t size)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; version=0.0.4");
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED) // RFC 9110, section 15.5.6
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result queued = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request)
{
    struct metrics_server *server = (struct metrics_server *)cls;
    bool allowed = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || // HEAD: the library cuts the body
                   strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (!allowed)
        return respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, strdup("GET only\n"), 9);
    if (strcmp(url, "/metrics") != 0)
        return respond(connection, MHD_HTTP_NOT_FOUND, strdup("see /metrics\n"), 13);
    char *body = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&body, &size);
    if (!out)
        return MHD_NO;
    server->write(server->context, out);
    fclose(out);
    return respond(connection, MHD_HTTP_OK, body, size);
}

static void on_ready(uv_poll_t *watch, int status, int events)
{
    MHD_run(((struct metrics_server *)watch->data)->daemon);
}

static void on_tick(uv_timer_t *timer)
{
    MHD_run(((struct metrics_server *)timer->data)->daemon);
}

int metrics_server_open(struct metrics_server **ret_server, uv_loop_t *loop, const char *address,
                        metrics_server_write *write, void *context)
{
    uint16_t port = 0;
    int listener = listener_open(address, &port);
    if (listener < 0)
        return listener;
    struct metrics_server *server = calloc(1, sizeof *server);
    CHECK(server);
    *server = (struct metrics_server){.write = write, .context = context, .port = port};
    server->daemon =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET,
                         listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned)METRICS_CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)METRICS_SECONDS, MHD_OPTION_END);
    if (!server->daemon) {
        close(listener);
        free(server);
        return -ENOMEM;
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    CHECK(info && uv_poll_init(loop, &server->watch, info->epoll_fd) == 0);
    CHECK(uv_timer_init(loop, &server->timer) == 0);
    server->watch.data = server->timer.data = server;
    server->handles_open = 2;
    uv_poll_start(&server->watch, UV_READABLE, on_ready);
    uv_timer_start(&server->timer, on_tick, TICK_MS, TICK_MS);
    *ret_server = server;
    return 0;
}

uint16_t metrics_server_port(const struct metrics_server *server)
{
    return server->port;
}

static void on_closed(uv_handle_t *handle)
{
    struct metrics_server *server = (struct metrics_server *)handle->data;
    if (--server->handles_open == 0)
        free(server);
}

void metrics_server_close(struct metrics_server *server)
{
    if (!server)
        return;
    uv_close((uv_handle_t *)&server->watch, on_closed);
    uv_close((uv_handle_t *)&server->timer, on_closed);
    MHD_stop_daemon(server->daemon);
}

// SPDX-License-Identifier: BSD-3-Clause
/* The client of imap.lab: so many logins over TLS, some at a time, each a connection of its own
 * with a full handshake: greeting, LOGIN, LOGOUT, the server's end. One thread.
 *
 *   imap_logins ADDRESS PORT LOGINS PARALLEL USER PASSWORD
 *
 * Prints the seconds that all took. Any answer but OK is an error, said on standard error; exit 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { PARALLEL_MAX = 4096, EVENTS = 256, LINE_MAX_BYTES = 4096 };

enum phase { CONNECT, HANDSHAKE, GREETING, LOGIN, LOGOUT, PHASES };

struct client {
    enum phase phase;
    int fd;
    SSL *ssl;
    size_t size; // of line
    char line[LINE_MAX_BYTES];
};

struct load {
    struct sockaddr_in address;
    SSL_CTX *tls;
    int epoll;
    unsigned left, open; // to begin, under way
    char login[512];
    struct client clients[PARALLEL_MAX];
};

static void die(const char *doing, const char *what)
{
    fprintf(stderr, "imap_logins: %s: %s\n", doing, what);
    exit(1);
}

static void watch(struct load *load, struct client *c, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(load->epoll, operation, c->fd, &event) < 0)
        die("epoll_ctl", strerror(errno));
}

static void begin(struct load *load, struct client *c)
{
    load->left--;
    load->open++;
    c->phase = CONNECT;
    c->size = 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket", strerror(errno));
    const struct sockaddr *address = (const struct sockaddr *)&load->address;
    if (connect(c->fd, address, sizeof load->address) < 0 && errno != EINPROGRESS)
        die("connect", strerror(errno));
    c->ssl = SSL_new(load->tls);
    if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
        die("TLS", "no memory");
    SSL_set_connect_state(c->ssl);
    watch(load, c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void end(struct load *load, struct client *c)
{
    SSL_free(c->ssl);
    close(c->fd);
    load->open--;
    if (load->left)
        begin(load, c);
}

static void say(struct client *c, const char *line)
{
    if (SSL_write(c->ssl, line, (int)strlen(line)) <= 0)
        die("write", line);
}

static bool begins(const struct client *c, const char *text)
{
    return strncmp(c->line, text, strlen(text)) == 0;
}

// False: not one that ends a phase.
static bool answered(struct load *load, struct client *c)
{
    static const char *const ends[PHASES] = {
        [GREETING] = "* OK", [LOGIN] = "a OK", [LOGOUT] = "b OK"};
    if (!begins(c, ends[c->phase])) {
        if (!begins(c, "* "))
            die("answer", c->line);
        return false;
    }
    if (c->phase == GREETING)
        say(c, load->login);
    else if (c->phase == LOGIN)
        say(c, "b LOGOUT\r\n");
    c->phase++;
    return true;
}

// All lines that are there; true after the last.
static bool lines(struct load *load, struct client *c)
{
    char *end;
    while ((end = memchr(c->line, '\n', c->size))) {
        *end = '\0';
        size_t size = (size_t)(end + 1 - c->line);
        if (answered(load, c) && c->phase == PHASES)
            return true;
        c->size -= size;
        memmove(c->line, c->line + size, c->size);
    }
    return false;
}

static void shake(struct load *load, struct client *c)
{
    int result = SSL_do_handshake(c->ssl);
    if (result == 1) {
        c->phase = GREETING;
        return;
    }
    int error = SSL_get_error(c->ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        die("handshake", ERR_error_string(ERR_get_error(), NULL));
    watch(load, c, EPOLL_CTL_MOD, error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
}

static void go_on(struct load *load, struct client *c)
{
    if (c->phase == CONNECT) {
        c->phase = HANDSHAKE;
        watch(load, c, EPOLL_CTL_MOD, EPOLLIN);
    }
    if (c->phase == HANDSHAKE)
        shake(load, c);
    while (c->phase >= GREETING) {
        int got = SSL_read(c->ssl, c->line + c->size, (int)(sizeof c->line - c->size));
        if (got <= 0) {
            if (SSL_get_error(c->ssl, got) != SSL_ERROR_WANT_READ)
                die("read", "the server ended before it had answered");
            return;
        }
        c->size += (size_t)got;
        if (lines(load, c)) {
            end(load, c);
            return;
        }
        if (c->size == sizeof c->line)
            die("read", "a line without end");
    }
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static unsigned number(const char *text, unsigned most)
{
    unsigned long value = strtoul(text, NULL, 10);
    if (value < 1 || value > most)
        die("out of range", text);
    return (unsigned)value;
}

int main(int count, char **arguments)
{
    static struct load load;
    if (count != 7)
        die("usage", "imap_logins ADDRESS PORT LOGINS PARALLEL USER PASSWORD");
    load.address = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)number(arguments[2], 65535))};
    if (inet_pton(AF_INET, arguments[1], &load.address.sin_addr) != 1)
        die("no address", arguments[1]);
    load.left = number(arguments[3], 10000000);
    unsigned parallel = number(arguments[4], PARALLEL_MAX);
    snprintf(load.login, sizeof load.login, "a LOGIN %s %s\r\n", arguments[5], arguments[6]);
    load.tls = SSL_CTX_new(TLS_client_method());
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!load.tls || load.epoll < 0)
        die("start", "no memory");

    double begun = now();
    for (unsigned i = 0; i < parallel && load.left; i++)
        begin(&load, &load.clients[i]);
    while (load.open) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(load.epoll, events, EVENTS, 30000);
        if (ready <= 0)
            die("waiting", "nothing came for 30 s");
        for (int i = 0; i < ready; i++)
            go_on(&load, events[i].data.ptr);
    }
    printf("%.3f\n", now() - begun);
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause

/* A mail server of no mail, for many sessions (it is four processes): SMTP that takes every mail
 * and keeps none, or IMAP that takes every login and has the same 64 messages of 64 KB for all.
 *
 * Usage: mail_sink PORT smtp|imap
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    SESSIONS_MAX = 1 << 17,
    EVENTS = 256,
    MESSAGE = 65536,
    MESSAGES = 64,
    BACKLOG = 4096,
    PROCESSES = 4
};

struct session {   // by its descriptor
    unsigned left; // bytes of FETCH responses still to send
    unsigned char size;
    bool data;    // in a message
    bool literal; // in a command
    char tag[16]; // of the command
    char line[200];
};

static struct session sessions[SESSIONS_MAX];
static bool is_imap;
static int epoll;
static char response[MESSAGE + 128];
static unsigned response_size;

static void die(const char *doing)
{
    fprintf(stderr, "mail_sink: %s: %s\n", doing, strerror(errno));
    exit(1);
}

static void say(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        shutdown(fd, SHUT_RDWR);
}

static void fetch_on(int fd)
{
    struct session *s = &sessions[fd];
    while (s->left > 0) {
        unsigned into = (MESSAGES * response_size - s->left) % response_size;
        ssize_t sent = write(fd, response + into, response_size - into);
        if (sent <= 0)
            return;
        s->left -= (unsigned)sent;
        if (s->left == 0)
            say(fd, "b OK Fetched\r\n");
    }
}

static void imap_line(int fd)
{
    struct session *s = &sessions[fd];
    char verb[16] = "", reply[64];
    if (!s->literal && sscanf(s->line, "%15s %15s", s->tag, verb) < 2) {
        say(fd, "* BAD no command\r\n");
        return;
    }
    s->literal = strstr(s->line, "}\r\n") != NULL; // its text is taken for one line
    if (s->literal) {
        say(fd, "+ go ahead\r\n");
        return;
    }
    if (strcasecmp(verb, "UID") == 0) {
        s->left = MESSAGES * response_size;
        fetch_on(fd);
        return;
    }
    if (strcasecmp(verb, "CAPABILITY") == 0)
        say(fd, "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN IDLE\r\n");
    snprintf(reply, sizeof reply, "%s OK done\r\n", s->tag);
    say(fd, reply);
}

static void smtp_line(int fd)
{
    struct session *s = &sessions[fd];
    if (s->data && strcmp(s->line, ".\r\n") != 0)
        return;
    if (strncasecmp(s->line, "EHLO", 4) == 0) {
        say(fd, "250-sink\r\n250-PIPELINING\r\n250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n"
                "250 8BITMIME\r\n");
    } else if (strncasecmp(s->line, "DATA", 4) == 0) {
        s->data = true;
        say(fd, "354 go ahead\r\n");
    } else if (strncasecmp(s->line, "XCLIENT", 7) == 0) {
        say(fd, "220 sink ESMTP\r\n");
    } else {
        s->data = false;
        say(fd, "250 2.0.0 Ok\r\n");
    }
}

static void hear(int fd, const char *text, size_t size)
{
    struct session *s = &sessions[fd];
    for (size_t i = 0; i < size; i++) {
        if (s->size < sizeof s->line - 1)
            s->line[s->size++] = text[i];
        if (text[i] != '\n')
            continue;
        s->line[s->size] = '\0';
        s->size = 0;
        (is_imap ? imap_line : smtp_line)(fd);
    }
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (fd >= SESSIONS_MAX) {
            close(fd);
            continue;
        }
        sessions[fd] = (struct session){0};
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            die("epoll_ctl");
        say(fd, is_imap ? "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN IDLE] sink\r\n"
                        : "220 sink ESMTP\r\n");
    }
}

static void go_on(int fd)
{
    static char text[1 << 16];
    ssize_t got;
    while ((got = read(fd, text, sizeof text)) > 0)
        hear(fd, text, (size_t)got);
    if (got == 0 || errno != EAGAIN)
        close(fd);
    else
        fetch_on(fd);
}

static void response_make(void)
{
    response_size =
        (unsigned)snprintf(response, sizeof response, "* 1 FETCH (UID 1 BODY[] {%d}\r\n", MESSAGE);
    for (int i = 0; i < MESSAGE; i++)
        response[response_size++] = i % 76 == 74 ? '\r' : i % 76 == 75 ? '\n' : 'x';
    memcpy(response + response_size, ")\r\n", 3);
    response_size += 3;
}

int main(int count, char **arguments)
{
    struct rlimit files;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (count != 3) {
        fprintf(stderr, "usage: mail_sink PORT smtp|imap\n");
        return 2;
    }
    address.sin_port = htons((unsigned short)strtoul(arguments[1], NULL, 10));
    is_imap = strcmp(arguments[2], "imap") == 0;
    response_make();
    for (int i = 1; i < PROCESSES && fork() > 0; i++) // each of the others leaves the loop
        ;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, BACKLOG) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        die("listen");
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                accept_all(listener);
            else
                go_on(events[i].data.fd);
        }
    }
}

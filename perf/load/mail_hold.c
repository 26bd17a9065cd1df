// SPDX-License-Identifier: BSD-3-Clause

/* Mail clients that come and stay: sessions that are greeted or logged in, and idle from then on.
 *
 * Usage: mail_hold ADDRESS PORT smtp|imap off|starttls|implicit
 *
 * Reads orders, a line each, and answers each with "done" once it is carried out:
 *     open N     there are N sessions: EHLO was answered, or LOGIN
 *     mail       each has sent a mail of 4 KB
 *     fetch N    each has fetched all mails N times
 * The end of the orders ends the sessions. Whatever does not go as it should is said, exit 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CLIENTS_MAX = 100000, AT_A_TIME = 64, EVENTS = 256, MAIL_BYTES = 4096, PATIENCE_MS = 60000 };

enum { EHLO = 1, STARTTLS, LOGIN, FETCH, MAIL }; // steps, and from MAIL on those of mail[]

static const char *const mail_steps[] = {"MAIL FROM:<someone@good.example.org>\r\n",
                                         "RCPT TO:<alice@example.net>\r\n", "DATA\r\n", NULL};
enum { MAIL_STEPS = sizeof mail_steps / sizeof *mail_steps };

struct client {
    int fd;
    SSL *ssl; // NULL: in the clear
    bool shaken;
    unsigned char step; // whose answer is awaited; 0: the greeting's
    unsigned char size; // of line
    unsigned left;      // fetches
    char line[120];     // the beginning of one
};

static struct {
    struct sockaddr_in address;
    bool imap, starttls, implicit;
    SSL_CTX *tls;
    int epoll;
    unsigned opened, busy;
    struct client clients[CLIENTS_MAX];
} hold;

static char mail[MAIL_BYTES + 1];

static void die(const char *doing, const char *what)
{
    fprintf(stderr, "mail_hold: %s: %s\n", doing, what);
    exit(1);
}

static void say(struct client *c, const char *text)
{
    size_t size = strlen(text);
    ssize_t sent = c->ssl ? SSL_write(c->ssl, text, (int)size) : write(c->fd, text, size);
    if (sent != (ssize_t)size)
        die("write", text);
}

static void rest(void)
{
    hold.busy--;
}

static void secure(struct client *c)
{
    c->ssl = SSL_new(hold.tls);
    if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
        die("TLS", "no memory");
    SSL_set_connect_state(c->ssl);
}

static void imap_answered(struct client *c)
{
    if (c->step == 0 && strncmp(c->line, "* OK", 4) == 0) {
        c->step = LOGIN;
        say(c, "a LOGIN alice@example.net wonderland\r\n");
    } else if (c->step == LOGIN && strncmp(c->line, "a OK", 4) == 0) {
        rest();
    } else if (c->step == FETCH && strncmp(c->line, "b OK", 4) == 0) {
        if (--c->left)
            say(c, "b UID FETCH 1:* BODY.PEEK[]\r\n");
        else
            rest();
    } else if (c->step != FETCH && strncmp(c->line, "* ", 2) != 0) {
        die("answer", c->line);
    }
}

static void mail_step(struct client *c)
{
    unsigned sent = c->step - MAIL;
    if (sent == MAIL_STEPS) {
        rest();
        return;
    }
    c->step++;
    say(c, mail_steps[sent] ? mail_steps[sent] : mail);
}

static void smtp_answered(struct client *c)
{
    if (c->line[0] != '2' && c->line[0] != '3')
        die("answer", c->line);
    if (c->line[3] == '-')
        return;
    if (c->step >= MAIL) {
        mail_step(c);
    } else if (c->step == 0) {
        c->step = EHLO;
        say(c, "EHLO client.good.example.org\r\n");
    } else if (c->step == STARTTLS) {
        secure(c);
    } else if (hold.starttls && !c->ssl) {
        c->step = STARTTLS;
        say(c, "STARTTLS\r\n");
    } else {
        rest();
    }
}

static void hear(struct client *c, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        const char *end = memchr(text + i, '\n', size - i);
        size_t piece = (end ? (size_t)(end - text) + 1 : size) - i;
        size_t room = sizeof c->line - 1 - c->size;
        memcpy(c->line + c->size, text + i, piece < room ? piece : room);
        c->size = (unsigned char)(c->size + (piece < room ? piece : room));
        i += piece;
        if (!end)
            return;
        c->line[c->size] = '\0';
        c->size = 0;
        (hold.imap ? imap_answered : smtp_answered)(c);
    }
}

// False: nothing to read until the next event.
static bool shake(struct client *c)
{
    int result = SSL_do_handshake(c->ssl);
    if (result != 1) {
        if (SSL_get_error(c->ssl, result) != SSL_ERROR_WANT_READ)
            die("handshake", ERR_error_string(ERR_get_error(), NULL));
        return false;
    }
    c->shaken = true;
    if (c->step == STARTTLS) {
        c->step = EHLO;
        say(c, "EHLO client.good.example.org\r\n");
    }
    return true;
}

static void go_on(struct client *c)
{
    static char text[1 << 16];
    for (;;) {
        if (c->ssl && !c->shaken && !shake(c))
            return;
        ssize_t got = c->ssl ? SSL_read(c->ssl, text, sizeof text) : read(c->fd, text, sizeof text);
        if (got <= 0) {
            bool later = c->ssl ? SSL_get_error(c->ssl, (int)got) == SSL_ERROR_WANT_READ
                                : got < 0 && errno == EAGAIN;
            if (!later)
                die("read", "the server has ended a session");
            return;
        }
        hear(c, text, (size_t)got);
    }
}

static void begin(struct client *c)
{
    hold.busy++;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket", strerror(errno));
    if (connect(c->fd, (const struct sockaddr *)&hold.address, sizeof hold.address) < 0)
        die("connect", strerror(errno));
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = c};
    if (epoll_ctl(hold.epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll_ctl", strerror(errno));
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0) // only now: connect was to wait
        die("fcntl", strerror(errno));
    if (hold.implicit) {
        secure(c);
        go_on(c);
    }
}

static void wait_for(unsigned busy_most)
{
    while (hold.busy > busy_most) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(hold.epoll, events, EVENTS, PATIENCE_MS);
        if (ready <= 0)
            die("waiting", "nothing came");
        for (int i = 0; i < ready; i++)
            go_on(events[i].data.ptr);
    }
}

static void open_all(unsigned count)
{
    while (hold.opened < count) {
        begin(&hold.clients[hold.opened++]);
        wait_for(AT_A_TIME - 1);
    }
    wait_for(0);
}

static void mail_all(void)
{
    for (unsigned i = 0; i < hold.opened; i++) {
        hold.clients[i].step = MAIL;
        hold.busy++;
        mail_step(&hold.clients[i]);
        wait_for(AT_A_TIME - 1);
    }
    wait_for(0);
}

static void fetch_all(unsigned times)
{
    for (unsigned i = 0; i < hold.opened; i++) {
        hold.clients[i].step = FETCH;
        hold.clients[i].left = times;
        hold.busy++;
        say(&hold.clients[i], "b UID FETCH 1:* BODY.PEEK[]\r\n");
    }
    wait_for(0);
}

static void obey(const char *order)
{
    unsigned count = 0;
    if (sscanf(order, "open %u", &count) == 1 && count <= CLIENTS_MAX)
        open_all(count);
    else if (sscanf(order, "fetch %u", &count) == 1 && count > 0)
        fetch_all(count);
    else if (strcmp(order, "mail\n") == 0)
        mail_all();
    else
        die("no such order", order);
    puts("done");
    fflush(stdout);
}

static void mail_make(void)
{
    size_t size = (size_t)snprintf(mail, sizeof mail, "Subject: bench\r\n\r\n");
    for (; size < MAIL_BYTES - 5; size++)
        mail[size] = size % 72 == 70 ? '\r' : size % 72 == 71 ? '\n' : 'x';
    memcpy(mail + size, "\r\n.\r\n", 6);
}

int main(int count, char **arguments)
{
    struct rlimit files;
    char order[64];
    if (count != 5)
        die("usage", "mail_hold ADDRESS PORT smtp|imap off|starttls|implicit");
    hold.address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((unsigned short)strtoul(arguments[2], NULL, 10))};
    if (inet_pton(AF_INET, arguments[1], &hold.address.sin_addr) != 1)
        die("no address", arguments[1]);
    hold.imap = strcmp(arguments[3], "imap") == 0;
    hold.starttls = strcmp(arguments[4], "starttls") == 0;
    hold.implicit = strcmp(arguments[4], "implicit") == 0;
    hold.tls = SSL_CTX_new(TLS_client_method());
    hold.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!hold.tls || hold.epoll < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        die("start", "no memory");
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    SSL_CTX_set_mode(hold.tls, SSL_MODE_RELEASE_BUFFERS);
    mail_make();
    while (fgets(order, sizeof order, stdin))
        obey(order);
    return 0;
}

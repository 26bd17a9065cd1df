// SPDX-License-Identifier: BSD-3-Clause

/* Asks for SPF results as a worker does: through its channel, of a real dns child with its sandbox
 * closed, which asks a fake name server by UDP and TCP. For the scripts beside, which give orders
 * on standard input, a line each, texts in hex ("-": empty):
 *
 *   record NAME TYPE DATA      a record for the name server, its data as on the wire
 *   silent NAME                questions that have no record there are not answered
 *   failing NAME               they are answered SERVFAIL
 *   ask ADDRESS HELO SENDER    what a client claims
 *   forget                     new zone, and a new child, which remembers nothing
 *
 * The results come on standard output, a line for each ask, in order.
 */

#include "contract/attach.h"
#include "lookup/lookup.h"
#include "lookup/lookup_wait.h"
#include "plane_fake.h"
#include "support/dns_fake.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ASKED_MAX = 256, // at a time, all workers
    TIMEOUT_MS = 2000,
    ANSWER_MS = 20000, // for an answer of any kind; then it is broken
    WORDS_MAX = 4,
};

static struct dns_fake dns;
static struct plane_fake plane;
static bool child_runs;
static unsigned asked;                     // since the last answers were awaited
static enum spf_result results[ASKED_MAX]; // by handle
static bool answered[ASKED_MAX];

static const char *const result_names[SPF_RESULT_COUNT] = {
    "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror",
};

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "spf_live: %s: %s\n", what, which);
    exit(1);
}

static int run(int socket, const void *config)
{
    struct lookup_area area = {.dns = *(const struct dns_child_config *)config};
    return dns_child_run(socket, &area);
}

static void child_start(void)
{
    struct dns_child_config config = {
        .servers_count = 1,
        .timeout_ms = TIMEOUT_MS,
        .user = "nobody",
        .host_name = "receiver.example",
        .parent = getpid(),
    };
    dns_fake_server(&dns, config.servers[0], sizeof config.servers[0]);
    fflush(stdout); // the child has a copy of what is not out yet
    if (!plane_fake_open(&plane, ROLE_DNS, run, &config))
        fail("no child", "dns");
    child_runs = true;
}

static void child_stop(void)
{
    if (child_runs && plane_fake_close(&plane) != 0)
        fail("child ended badly", "dns");
    child_runs = false;
}

static void answer_take(unsigned worker)
{
    struct message answer;
    while (spsc_take(&plane.channels[worker].in, &answer)) {
        if (!message_is_sound(&answer) || answer.kind != MESSAGE_SPF ||
            answer.status != STATUS_OK || answer.handle >= asked || answered[answer.handle])
            fail("answer is not one", "SPF");
        answered[answer.handle] = true;
        results[answer.handle] = (enum spf_result)answer.spf_answer.result;
    }
}

// Answers go out in the order of the questions.
static void answers_await(void)
{
    uint64_t until_ms = lookup_now_ms() + ANSWER_MS;
    for (unsigned done = 0; done < asked;) {
        struct pollfd fds[] = {{.fd = dns.udp, .events = POLLIN},
                               {.fd = dns.tcp, .events = POLLIN}};
        poll(fds, 2, 1);
        dns_fake_turn(&dns);
        for (unsigned i = 0; i < PLANE_WORKERS; i++)
            answer_take(i);
        for (; done < asked && answered[done]; done++)
            puts(result_names[results[done]]);
        if (lookup_now_ms() > until_ms)
            fail("no answer", "SPF");
    }
    asked = 0;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// A NUL follows.
static size_t bytes_of(const char *hex, void *to, size_t size_max)
{
    uint8_t *bytes = to;
    size_t size = 0;
    for (; strcmp(hex, "-") != 0 && hex[0]; hex += 2) {
        int high = digit(hex[0]), low = high < 0 ? -1 : digit(hex[1]);
        if (low < 0 || size + 1 >= size_max)
            fail("malformed or too long", hex);
        bytes[size++] = (uint8_t)(high << 4 | low);
    }
    bytes[size] = 0;
    return size;
}

static void take_record(char **words)
{
    char name[256];
    uint8_t data[4097];
    bytes_of(words[1], name, sizeof name);
    size_t size = bytes_of(words[3], data, sizeof data);
    dns_fake_add_data(&dns, name, (uint16_t)strtoul(words[2], NULL, 10), data, size);
}

static void take_silent(char **words)
{
    char name[256];
    bytes_of(words[1], name, sizeof name);
    dns_fake_add_manner(&dns, name, DNS_FAKE_SILENT);
}

static void take_failing(char **words)
{
    char name[256];
    bytes_of(words[1], name, sizeof name);
    dns_fake_add_manner(&dns, name, DNS_FAKE_SERVFAIL);
}

/* As SMTP asks: of an address literal what is between the brackets. What no HELO may be is refused
 * there; here it is claimed to be nothing, so that the sender's result is known still. */
static void helo_set(struct spf_question *question, struct span helo)
{
    if (helo.size > 1 && helo.at[0] == '[' && helo.at[helo.size - 1] == ']')
        helo = span_skip(span_head(helo, helo.size - 1), 1);
    if (!message_name_set(&question->helo, helo))
        question->helo.size = 0;
}

static void take_ask(char **words)
{
    if (!child_runs)
        child_start();
    struct message question = message_make(MESSAGE_SPF, STATUS_ASKED, asked);
    struct spf_question *spf = &question.spf_question;
    char sender[MAIL_ADDRESS_MAX + 1], helo[1024];
    if (!addr_parse(words[1], &spf->addr))
        fail("no address", words[1]);
    size_t helo_size = bytes_of(words[2], helo, sizeof helo);
    helo_set(spf, span_of(helo, helo_size));
    spf->mail_from_size = (uint16_t)bytes_of(words[3], sender, sizeof sender);
    memcpy(spf->mail_from, sender, spf->mail_from_size);
    if (!message_is_sound(&question))
        fail("not to be asked", words[3]);
    answered[asked] = false;
    if (!plane_fake_ask(&plane, asked++ % PLANE_WORKERS, &question))
        fail("no room", "questions");
    if (asked == ASKED_MAX)
        answers_await();
}

static void take_forget(char **words)
{
    answers_await();
    child_stop();
    dns_fake_forget(&dns);
}

static const struct {
    const char *verb;
    unsigned words;
    void (*take)(char **words);
} orders[] = {
    {"record", 4, take_record}, {"silent", 2, take_silent}, {"failing", 2, take_failing},
    {"ask", 4, take_ask},       {"forget", 1, take_forget},
};

static void line_take(char *line)
{
    char *words[WORDS_MAX + 1], *rest = line;
    unsigned count = 0;
    line[strcspn(line, "\n")] = '\0';
    while (count <= WORDS_MAX && (words[count] = strsep(&rest, " ")) != NULL)
        count++;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        if (strcmp(words[0], orders[i].verb) == 0 && count == orders[i].words)
            return orders[i].take(words);
    fail("no such order", line);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    if (!dns_fake_open(&dns))
        fail("no port", "name server");
    while (getline(&line, &size, stdin) > 0)
        line_take(line);
    answers_await();
    child_stop();
    dns_fake_close(&dns);
    free(line);
    return fflush(stdout) == 0 ? 0 : 1;
}

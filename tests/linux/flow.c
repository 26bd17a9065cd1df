// SPDX-License-Identifier: BSD-3-Clause
#include "linux/flow.h"

#include "linux/words.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { APART = 100003 }; // bytes between the beginnings of flows in the file

struct flow flows[FLOWS_MAX];
unsigned flow_count;
static struct span pattern;

void flow_pattern(const char *path)
{
    struct stat facts;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &facts) < 0 || facts.st_size == 0) {
        perror(path);
        exit(1);
    }
    pattern.size = (size_t)facts.st_size;
    pattern.at = mmap(NULL, pattern.size, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(pattern.at != MAP_FAILED);
    close(fd);
}

// The bytes from an offset of a direction on, up to the file's end.
static struct span bytes_from(const struct flow *f, bool of_connector, uint64_t offset)
{
    uint64_t at = (f->number * 2 + of_connector) * APART + offset;
    return span_skip(pattern, at % pattern.size);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void flow_open(struct words *words)
{
    CHECK(flow_count < FLOWS_MAX);
    struct flow *f = &flows[flow_count++];
    *f = (struct flow){.abort_at = UINT64_MAX, .leave_at = UINT64_MAX, .wrong_at = -1};
    uint64_t port = 0;
    const char *addr = "";
    bool listens = false;
    while (words_next(words))
        if (!words_number(words, "number", &f->number) && !words_text(words, "address", &addr) &&
            !words_flag(words, "connect", &f->connects) && !words_flag(words, "listen", &listens) &&
            !words_number(words, "port", &port) && !words_number(words, "send", &f->to_send) &&
            !words_number(words, "turn", &f->turn) && !words_flag(words, "lead", &f->lead) &&
            !words_flag(words, "wait", &f->wait) && !words_number(words, "abort", &f->abort_at) &&
            !words_number(words, "leave", &f->leave_at))
            words_refuse(words);
    CHECK(addr_parse(addr, &f->addr) && port && f->connects != listens);
    f->port = (uint16_t)port;
    f->open = true;
    stack_open(f);
}

bool flow_command(char *line)
{
    struct words words = words_of(line);
    bool is = false;
    if (!words_next(&words))
        return true;
    if (words_flag(&words, "open", &is))
        flow_open(&words);
    else if (words_flag(&words, "forget", &is))
        flow_count = 0;
    return is;
}

void flow_up(struct flow *f)
{
    f->up = true;
    f->up_us = f->last_us = now_us();
}

static void compare(struct flow *f, struct span bytes)
{
    while (bytes.size) {
        struct span right = span_head(bytes_from(f, !f->connects, f->received), bytes.size);
        if (f->wrong_at < 0 && memcmp(right.at, bytes.at, right.size) != 0)
            for (size_t i = 0; f->wrong_at < 0; i++)
                if (right.at[i] != bytes.at[i])
                    f->wrong_at = (int64_t)(f->received + i);
        f->received += right.size;
        bytes = span_skip(bytes, right.size);
    }
}

size_t flow_take(struct flow *f, struct span bytes)
{
    uint64_t most = f->leave_at < f->abort_at ? f->leave_at : f->abort_at;
    struct span taken = span_head(bytes, most - f->received);
    compare(f, taken);
    f->last_us = now_us();
    if (f->received >= f->abort_at)
        stack_abort(f);
    else if (taken.size < bytes.size)
        stack_leave(f);
    return taken.size;
}

void flow_fin(struct flow *f)
{
    f->fin_came = true;
    f->last_us = now_us();
}

static uint64_t may_send(const struct flow *f)
{
    if (f->wait && !f->fin_came)
        return 0;
    uint64_t turns = f->turn ? f->received / f->turn + f->lead : 0;
    return !f->turn || f->to_send / f->turn < turns ? f->to_send : turns * f->turn;
}

bool flow_push(struct flow *f)
{
    if (!f->open || !f->up || f->fin_sent)
        return false;
    for (uint64_t may = may_send(f); f->sent < may;) {
        struct span bytes = span_head(bytes_from(f, f->connects, f->sent), may - f->sent);
        size_t taken = stack_send(f, bytes);
        f->sent += taken;
        if (taken < bytes.size)
            return true;
    }
    if (f->sent == f->to_send && !(f->wait && !f->fin_came)) {
        f->fin_sent = true;
        stack_finish(f);
    }
    return false;
}

bool flow_done(const struct flow *f)
{
    return f->fin_sent && f->fin_came;
}

void flow_over(struct flow *f, const char *how, uint64_t repeated, const char *options)
{
    f->open = false;
    printf("{\"number\": %" PRIu64 ", \"end\": \"%s\", \"sent\": %" PRIu64
           ", \"received\": %" PRIu64 ", \"wrong_at\": %" PRId64 ", \"us\": %" PRIu64
           ", \"repeated\": %" PRIu64 ", \"options\": \"%s\"}\n",
           f->number, how, f->sent, f->received, f->wrong_at, f->last_us - f->up_us, repeated,
           options);
    fflush(stdout);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "report/session_log.h"

#include "base/log.h"
#include "contract/reason.h"
#include "report/session_json.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

static int file_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    return fd < 0 ? -errno : fd;
}

int session_log_open(struct session_log *log, const char *path)
{
    *log = (struct session_log){.fd = -1};
    snprintf(log->path, sizeof log->path, "%s", path);
    if (!path[0])
        return 0;
    int fd = file_open(path);
    if (fd < 0)
        return fd;
    log->fd = fd;
    return 0;
}

int session_log_reopen(struct session_log *log)
{
    if (!log->path[0])
        return 0;
    session_log_flush(log);
    int fd = file_open(log->path);
    if (fd < 0)
        return fd;
    if (log->fd >= 0)
        close(log->fd);
    log->fd = fd;
    log->torn = false;
    return 0;
}

void session_log_close(struct session_log *log)
{
    session_log_flush(log);
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
}

void session_log_add(struct session_log *log, const struct report *report,
                     const struct policy *policy)
{
    if (log->fd < 0)
        return;
    json_t *object = session_json_report(report, policy);
    size_t room = sizeof log->buffer - log->used;
    size_t size = json_dumpb(object, log->buffer + log->used, room, JSON_COMPACT);
    if (size + 1 > room) {
        session_log_flush(log);
        size = json_dumpb(object, log->buffer, sizeof log->buffer, JSON_COMPACT);
    }
    CHECK(size > 0 && size + 1 <= sizeof log->buffer);
    json_decref(object);
    log->buffer[log->used + size] = '\n';
    log->used += size + 1;
    log->gathered++;
}

static bool write_all(struct session_log *log)
{
    if (log->torn && write(log->fd, "\n", 1) == 1)
        log->torn = false;
    size_t done = 0;
    while (done < log->used) {
        ssize_t written = write(log->fd, log->buffer + done, log->used - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            break;
        done += (size_t)written;
    }
    log->torn = log->torn || (done > 0 && done < log->used);
    return done == log->used;
}

void session_log_flush(struct session_log *log)
{
    if (log->used == 0)
        return;
    bool written = write_all(log);
    if (written)
        log->lines += log->gathered;
    else
        log->lines_lost += log->gathered;
    if (!written && !log->failing)
        log_error("what=\"session log cannot be written\" file=%s error=\"%s\"", log->path,
                  strerror(errno));
    log->failing = !written;
    log->used = 0;
    log->gathered = 0;
}

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The session log: one JSON object a line for each session that ended, appended to a file.
 *
 * Lines are gathered while a batch of reports is taken and written together. A write that fails is
 * logged once (again after it worked in between) and every line lost is counted; the log never
 * holds up the loop for longer than one write(2). SIGHUP opens the file anew, for logrotate.
 * Foreign text is cleaned to UTF-8 and escaped by JSON. No passwords, no message content.
 */

#include "contract/message.h"
#include "contract/policy.h"

struct session_log {
    char path[PATH_NAME_MAX + 1]; // "": none
    int fd;                       // -1: closed
    bool failing;                 // the last write failed
    bool torn;                    // the file's last line has no end
    uint64_t lines;               // written
    uint64_t lines_lost;
    size_t used; // bytes of buffer
    unsigned gathered;
    char buffer[1 << 16];
};

// 0 or -errno; "" opens nothing and succeeds.
int session_log_open(struct session_log *log, const char *path) MUST_CHECK;
int session_log_reopen(struct session_log *log) MUST_CHECK; // the old file goes on when it fails
void session_log_close(struct session_log *log);

// `policy` names services and backends.
void session_log_add(struct session_log *log, const struct report *report,
                     const struct policy *policy);
void session_log_flush(struct session_log *log);

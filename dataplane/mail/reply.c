// SPDX-License-Identifier: BSD-3-Clause
#include "mail/reply.h"

#include <stdarg.h>
#include <stdio.h>

void reply_line(struct mail_host *host, enum mail_side side, const char *format, ...)
{
    char text[REPLY_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text - 2, format, arguments);
    va_end(arguments);
    CHECK(size >= 0 && size < (int)sizeof text - 2);
    memcpy(text + size, "\r\n", 2);
    host->ops->send(host, side, span_of(text, (size_t)size + 2));
    explicit_bzero(text, (size_t)size); // towards a backend it may be a password
}

void reply_refused(struct mail_host *host, enum reason reason)
{
    host->ops->count(host, reason);
    host->report.refusal = (uint16_t)reason;
    if (host->report.refusals < UINT16_MAX)
        host->report.refusals++;
}

void reply_state(struct mail_host *host, const char *name)
{
    span_to_text(span_text(name), host->state, sizeof host->state);
}

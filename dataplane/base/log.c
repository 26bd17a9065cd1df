// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *program_name = "weir";
static enum log_level least_level = LOG_INFO;

void log_open(const char *program, enum log_level least)
{
    program_name = program;
    least_level = least;
}

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    if (level > least_level)
        return;

    char line[1024];
    int head = snprintf(line, sizeof line, "%s: level=%s ", program_name, names[level]);
    va_list arguments;
    va_start(arguments, format);
    int body = vsnprintf(line + head, sizeof line - (size_t)head - 1, format, arguments);
    va_end(arguments);
    if (body < 0)
        return;

    size_t size = (size_t)head + (size_t)body;
    if (size > sizeof line - 2)
        size = sizeof line - 2;
    line[size++] = '\n';
    if (write(STDERR_FILENO, line, size) < 0)
        return; // nowhere left to say so
}

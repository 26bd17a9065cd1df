// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One line an event on standard error: `weir-dataplane: level=error what="…" key=value …`.
 * Not for the packet path, which counts and traces only. Foreign text goes through span_to_text
 * first. Thread-safe: one write(2) a line.
 */

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_open(const char *program, enum log_level least);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)

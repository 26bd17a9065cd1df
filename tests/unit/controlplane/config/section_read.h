// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One section of the configuration, read alone from text. The configuration and the errors of the
 * text read last stay until the next one. */

#include "config/config.h"
#include "config/config_field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct config_errors errors;
static struct config *config;

// The section's value goes to that offset of the configuration. False: refused, with text in
// errors.
static inline bool section_reads(const struct config_key *root, size_t at, const char *text)
{
    char file[] = "/tmp/weir-section-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    errors = (struct config_errors){0};
    config_free(config);
    config = config_new();
    int error = config_schema_load(file, root, (char *)config + at, config, &errors);
    unlink(file);
    return error == 0;
}

static inline void section_assert_said(const char *want)
{
    if (!strstr(errors.text, want))
        fail_msg("%s\n    not: %s", errors.text, want);
}

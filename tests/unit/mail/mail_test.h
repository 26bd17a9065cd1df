// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A host without a machine: the test calls what a machine would. */

#include "support/mail_host_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct mail_host_fake *fake;

static inline void nothing_done(void *state)
{
}

static const struct mail_protocol no_machine = {
    .name = "none", .state_size = 1, .done = nothing_done};

static inline int open_fake(void **state)
{
    fake = mail_host_fake_open(&no_machine, "pop3s");
    fake->pipes[SIDE_CLIENT].room = REPLY_MAX;
    return 0;
}

static inline int close_fake(void **state)
{
    mail_host_fake_close(fake);
    return 0;
}

#define FAKE_TEST(name) cmocka_unit_test_setup_teardown(name, open_fake, close_fake)

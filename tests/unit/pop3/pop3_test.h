// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Pieces of scripts (support/mail_script.h) that many POP3 tests begin with. */

#include "support/mail_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

extern struct mail_host_fake *fake;
int pop3_open_plain(void **state); // service pop3, in the clear, not started
int pop3_open_tls(void **state);   // service pop3s, not started
int pop3_close(void **state);
void play(const char *script); // starts the session, then the script

#define GREETING "S:+OK mail.example.net ready\n"
#define RIGHT                                                                                      \
    "C:USER alice\nS:+OK Now the password\nC:PASS wonderland\n"                                    \
    "E:state asking\nE:auth right alice@example.net\nE:state backend\n"
#define GREETED_BACKEND "E:connecting 2\nE:connect\nB:+OK [XCLIENT] Dovecot ready.\n"
#define IDENTIFIED      "P:XCLIENT ADDR=198.51.100.10 PORT=40000\nB:+OK Updated\n"
#define USER_SENT       "P:USER alice@example.net\n"
#define PASS_SENT       USER_SENT "B:+OK\nP:PASS wonderland\n"
#define LOGGED_IN                                                                                  \
    GREETING RIGHT GREETED_BACKEND IDENTIFIED PASS_SENT "B:+OK Logged in.\nS:+OK Logged in\n"      \
                                                        "E:state open\n"

#define PLAIN_TEST(name) cmocka_unit_test_setup_teardown(name, pop3_open_plain, pop3_close)
#define TLS_TEST(name)   cmocka_unit_test_setup_teardown(name, pop3_open_tls, pop3_close)

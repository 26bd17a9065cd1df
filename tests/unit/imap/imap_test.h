// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Pieces of scripts (support/mail_script.h) that many IMAP tests begin with. */

#include "support/mail_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

extern struct mail_host_fake *fake;
int imap_open_plain(void **state); // service imap, in the clear, not started
int imap_open_tls(void **state);   // service imaps, not started
int imap_close(void **state);
void play(const char *script); // starts the session, then the script

#define CLEAR_GREETING                                                                             \
    "S:* OK [CAPABILITY IMAP4rev1 LITERAL- ID STARTTLS LOGINDISABLED] mail.example.net ready\n"
#define TLS_GREETING                                                                               \
    "S:* OK [CAPABILITY IMAP4rev1 LITERAL- ID SASL-IR AUTH=PLAIN AUTH=LOGIN] mail.example.net "    \
    "ready\n"
#define GREETED_BACKEND                                                                            \
    "E:connecting 1\n"                                                                             \
    "E:connect\n"                                                                                  \
    "B:* OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN] Dovecot ready.\n"
#define IDENTIFIED                                                                                 \
    "P:W ID (\"x-originating-ip\" \"198.51.100.10\" \"x-originating-port\" \"40000\" "             \
    "\"x-connected-ip\" \"198.51.100.1\" \"x-connected-port\" \"993\")\n"                          \
    "B:* ID (\"name\" \"Dovecot\")\n"                                                              \
    "B:W OK ID completed.\n"
#define RIGHT                                                                                      \
    "C:a LOGIN alice wonderland\n"                                                                 \
    "E:state asking\n"                                                                             \
    "E:auth right alice@example.net\n"                                                             \
    "E:state backend\n"
// PLAIN of alice@example.net and wonderland.
#define PLAIN_SENT "P:W AUTHENTICATE PLAIN AGFsaWNlQGV4YW1wbGUubmV0AHdvbmRlcmxhbmQ=\n"
#define LOGGED_IN                                                                                  \
    TLS_GREETING RIGHT GREETED_BACKEND IDENTIFIED PLAIN_SENT "B:W OK Logged in\n"                  \
                                                             "S:a OK Logged in\n"                  \
                                                             "E:state open\n"

#define PLAIN_TEST(name) cmocka_unit_test_setup_teardown(name, imap_open_plain, imap_close)
#define TLS_TEST(name)   cmocka_unit_test_setup_teardown(name, imap_open_tls, imap_close)

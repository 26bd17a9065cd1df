// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The way of an SMTP session, one piece of script (support/mail_script.h) for each of its states.
 */

#include "support/mail_script.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BANNER  "S:220 mail.example.net ESMTP\n"
#define GREETED "E:rdns confirmed client.example\n" BANNER

#define OFFERS_HEAD                                                                                \
    "S:250-mail.example.net\n"                                                                     \
    "S:250-PIPELINING\n"                                                                           \
    "S:250-SIZE 52428800\n"                                                                        \
    "S:250-8BITMIME\n"
#define OFFERS_TAIL                                                                                \
    "S:250-SMTPUTF8\n"                                                                             \
    "S:250-CHUNKING\n"                                                                             \
    "S:250 ENHANCEDSTATUSCODES\n"

#define EHLO       "C:EHLO client.example\n" OFFERS_HEAD "S:250-STARTTLS\n" OFFERS_TAIL
#define EHLO_LOGIN "C:EHLO client.example\n" OFFERS_HEAD "S:250-AUTH PLAIN LOGIN\n" OFFERS_TAIL
#define EHLO_TLS   "C:EHLO client.example\n" OFFERS_HEAD OFFERS_TAIL

#define HELLO GREETED EHLO

#define STARTTLS                                                                                   \
    "C:STARTTLS\n"                                                                                 \
    "S:220 2.0.0 Ready to start TLS\n"                                                             \
    "E:tls\n"

// On submissions (465).
#define LOGGED_IN                                                                                  \
    BANNER EHLO_LOGIN "C:AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n"                                    \
                      "E:auth right alice@example.net\n"                                           \
                      "S:235 2.7.0 Authentication successful\n"

#define MAIL                                                                                       \
    "C:MAIL FROM:<joe@good.example.org>\n"                                                         \
    "E:spf pass\n"                                                                                 \
    "S:250 2.1.0 Ok\n"
#define SENDER HELLO MAIL

// MAIL is taken, whatever was found: who is refused shows with a recipient.
#define MAIL_TO_ALICE                                                                              \
    "S:250 2.1.0 Ok\n"                                                                             \
    "C:RCPT TO:<alice@example.net>\n"

#define CONNECT                                                                                    \
    "E:connecting 0\n"                                                                             \
    "E:connect\n"                                                                                  \
    "B:220 postfix ESMTP\n"                                                                        \
    "P:EHLO mail.example.net\n"

#define XCLIENT_OFFER "B:250-XCLIENT NAME ADDR PROTO HELO LOGIN PORT DESTADDR DESTPORT\n"

#define IDENTITY                                                                                   \
    "B:250-postfix\n" XCLIENT_OFFER "B:250 8BITMIME\n"                                             \
    "P:XCLIENT NAME=client.example PORT=40000 PROTO=ESMTP HELO=client.example "                    \
    "DESTADDR=198.51.100.1 DESTPORT=25 ADDR=198.51.100.10 LOGIN=[UNAVAILABLE]\n"                   \
    "B:220 postfix ESMTP\n"                                                                        \
    "P:EHLO client.example\n"                                                                      \
    "B:250-postfix\n"                                                                              \
    "B:250-SIZE 100000000\n"                                                                       \
    "B:250-SMTPUTF8\n"                                                                             \
    "B:250 8BITMIME\n"

#define BACKEND_MAIL                                                                               \
    "P:MAIL FROM:<joe@good.example.org>\n"                                                         \
    "B:250 2.1.0 Ok\n"

#define ALICE                                                                                      \
    "P:RCPT TO:<alice@example.net>\n"                                                              \
    "B:250 2.1.5 Ok\n"                                                                             \
    "S:250 2.1.5 Ok\n"

#define RECIPIENT SENDER "C:RCPT TO:<alice@example.net>\n" CONNECT IDENTITY BACKEND_MAIL ALICE

#define GO_AHEAD                                                                                   \
    "C:DATA\n"                                                                                     \
    "P:DATA\n"                                                                                     \
    "B:354 go ahead\n"                                                                             \
    "S:354 End data with <CR><LF>.<CR><LF>\n"

#define HEADERS                                                                                    \
    "P:Authentication-Results: mail.example.net;\n"                                                \
    "P:\tspf=pass smtp.mailfrom=good.example.org;\n"                                               \
    "P:\tiprev=pass policy.iprev=198.51.100.10\n"                                                  \
    "P:Received-SPF: pass receiver=mail.example.net; identity=mailfrom;\n"                         \
    "P:\tclient-ip=198.51.100.10; helo=client.example;\n"                                          \
    "P:\tenvelope-from=\"joe@good.example.org\"\n"                                                 \
    "P:Received: from client.example (client.example [198.51.100.10])\n"                           \
    "P:\tby mail.example.net (Weir) with ESMTP id abcd;\n"                                         \
    "P:\tTue, 14 Nov 2023 22:13:21 +0000\n"

#define DATA RECIPIENT GO_AHEAD HEADERS

#define MESSAGE                                                                                    \
    "C:Subject: hello\n"                                                                           \
    "P:Subject: hello\n"                                                                           \
    "C:\n"                                                                                         \
    "P:\n"                                                                                         \
    "C:How are you?\n"                                                                             \
    "P:How are you?\n"

#define FINAL                                                                                      \
    DATA MESSAGE "C:.\n"                                                                           \
                 "P:.\n"

#define MAIL_TAKEN                                                                                 \
    FINAL "B:250 2.0.0 Ok: queued as ABC\n"                                                        \
          "S:250 2.0.0 Ok: queued as ABC\n"

#define QUIT                                                                                       \
    "C:QUIT\n"                                                                                     \
    "S:221 2.0.0 Bye\n"                                                                            \
    "E:finish mail_quit\n"

// A message by BDAT, one chunk of a byte so far.
#define CHUNKS                                                                                     \
    RECIPIENT "C:BDAT 1\n"                                                                         \
              "P:DATA\n"                                                                           \
              "B:354 go ahead\n" HEADERS "RC:x\n"                                                  \
              "P:x\n"                                                                              \
              "S:250 2.0.0 1 octets received\n"

static inline struct mail_host_fake *smtp_play_open(const char *service, const char *script)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, service);
    mail_host_fake_start(fake);
    mail_script_play(fake, script);
    return fake;
}

// By a client that need not keep to CR LF.
static inline void smtp_play_lenient(const char *script)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->policy.policy.lenient_networks.count = 1;
    mail_host_fake_start(fake);
    mail_script_play(fake, script);
    mail_host_fake_close(fake);
}

static inline void smtp_play(const char *service, const char *script)
{
    mail_host_fake_close(smtp_play_open(service, script));
}

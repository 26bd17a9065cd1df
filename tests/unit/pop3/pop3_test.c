// SPDX-License-Identifier: BSD-3-Clause
#include "pop3_test.h"

struct mail_host_fake *fake;

int pop3_open_plain(void **state)
{
    fake = mail_host_fake_open(&pop3_protocol, "pop3");
    return 0;
}

int pop3_open_tls(void **state)
{
    fake = mail_host_fake_open(&pop3_protocol, "pop3s");
    return 0;
}

int pop3_close(void **state)
{
    mail_host_fake_close(fake);
    return 0;
}

void play(const char *script)
{
    mail_host_fake_start(fake);
    mail_script_play(fake, script);
}

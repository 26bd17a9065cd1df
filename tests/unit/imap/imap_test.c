// SPDX-License-Identifier: BSD-3-Clause
#include "imap_test.h"

struct mail_host_fake *fake;

int imap_open_plain(void **state)
{
    fake = mail_host_fake_open(&imap_protocol, "imap");
    return 0;
}

int imap_open_tls(void **state)
{
    fake = mail_host_fake_open(&imap_protocol, "imaps");
    return 0;
}

int imap_close(void **state)
{
    mail_host_fake_close(fake);
    return 0;
}

void play(const char *script)
{
    mail_host_fake_start(fake);
    mail_script_play(fake, script);
}

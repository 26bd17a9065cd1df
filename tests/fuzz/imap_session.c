// SPDX-License-Identifier: BSD-3-Clause
#include "fuzz/fuzz.h"
#include "fuzz/mail_session.h"

static void login(struct mail_host_fake *fake)
{
    mail_host_fake_client(fake, "a LOGIN alice wonderland\r\n");
    mail_host_fake_answer_auth(fake, AUTH_RIGHT, "alice@example.net");
    mail_host_fake_event(fake, BACKEND_CONNECTED);
    mail_host_fake_backend(fake, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] Hi\r\n");
    mail_host_fake_backend(fake, "W OK\r\n");
    mail_host_fake_backend(fake, "W OK [CAPABILITY IMAP4rev1] Hi\r\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return mail_session_fuzz(&imap_protocol, "imap", "imaps", login, data, size);
}

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Whole sessions of a mail protocol as fuzz input: a list of records, each a byte that says what
 * happens and, where it is bytes from a side, a byte for how many and the bytes. Implausible events
 * (an answer to no question) are left out. What must hold is checked by the fake host.
 */

#include "contract/mechanism.h"
#include "support/mail_host_fake.h"

enum { FUZZ_EVENTS_MAX = 512, FUZZ_ROOM_STEP = 64 };

static inline void fuzz_answer(struct mail_host_fake *fake, uint8_t how)
{
    if (fake->pending[MESSAGE_SASL]) {
        if (how % 4 == 3)
            mail_host_fake_unavailable(fake, MESSAGE_SASL);
        else
            mail_host_fake_answer_sasl(fake, (enum auth_verdict)(how % 4), "alice@example.net",
                                       how & 4 ? "challenge" : "");
        return;
    }
    if (!fake->pending[MESSAGE_AUTH])
        return;
    if (how % 4 == 3)
        mail_host_fake_unavailable(fake, MESSAGE_AUTH);
    else
        mail_host_fake_answer_auth(fake, (enum auth_verdict)(how % 4), "alice@example.net");
}

static inline void fuzz_event(struct mail_host_fake *fake, uint8_t what, struct reader *input)
{
    enum mail_side side = what & 1 ? SIDE_BACKEND : SIDE_CLIENT;
    switch (what >> 1 & 7) {
    case 0:
    case 1:
    case 2: {
        uint8_t size = reader_u8(input);
        struct span bytes = reader_bytes(input, size < input->left.size ? size : input->left.size);
        bool open = side == SIDE_CLIENT ? !fake->tls_wanted : fake->connected;
        if (open && bytes.size <= INPUT_BUFFER_SIZE - fake->pipes[side].in_size)
            mail_host_fake_input(fake, side, bytes);
        break;
    }
    case 3:
        fuzz_answer(fake, what >> 4);
        break;
    case 4:
        if (fake->connecting)
            mail_host_fake_event(fake, what & 16 ? BACKEND_FAILED : BACKEND_CONNECTED);
        break;
    case 5:
        if (fake->tls_wanted)
            mail_host_fake_tls(fake);
        break;
    case 6:
        fake->pipes[side].room_call =
            (size_t)REPLY_MAX + LINE_BYTES_MAX + (size_t)(what >> 4) * FUZZ_ROOM_STEP;
        break;
    case 7:
        if (what == 0xff && fake->connected)
            mail_host_fake_event(fake, BACKEND_CLOSED);
        else if (what == 0xfe)
            mail_host_fake_client_eof(fake);
        else
            mail_host_fake_wait(fake, (uint64_t)what * 1000000);
        break;
    }
}

// Bit 0 of the first byte: implicit TLS; bit 1: `login` has logged in, for deeper ways; bit 2: with
// master users.
static inline int mail_session_fuzz(const struct mail_protocol *protocol, const char *clear,
                                    const char *tls, void (*login)(struct mail_host_fake *fake),
                                    const uint8_t *data, size_t size)
{
    struct reader input = reader_of(span_of(data, size));
    uint8_t first = reader_u8(&input);
    struct mail_host_fake *fake = mail_host_fake_open(protocol, first & 3 ? tls : clear);
    fake->mechanisms = MECHANISMS_SCRAM | MECHANISMS_TOKEN;
    for (int i = 0; first & 4 && i < BACKENDS_MAX; i++)
        fake->policy.policy.backends[i].master_file[0] = '/';
    mail_host_fake_start(fake);
    if (first & 2)
        login(fake);
    for (int i = 0; i < FUZZ_EVENTS_MAX && input.left.size && !fake->finished; i++) {
        fuzz_event(fake, reader_u8(&input), &input);
        mail_host_fake_forget(fake);
    }
    mail_host_fake_close(fake);
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "tls_rate.h"

#include "tcp_pair.h"
#include "tls_bare.h"

enum { TURNS = 5, SESSIONS = 1000, SESSIONS_SMOKE = 100 };

static void line(struct mail_rig *rig, struct mail_rig_peer *peer, const char *line)
{
}

static void answer(const struct message *question, struct message *answer)
{
}

const struct mail_rig_play tls_rate_handshake = {.protocol = PROTOCOL_IMAP,
                                                 .tls = TLS_IMPLICIT,
                                                 .connected = mail_rig_leave,
                                                 .client = line,
                                                 .answer = answer};

void tls_rate(const char *bench, const char *name, const struct mail_rig_play *play, bool is_smoke)
{
    uint64_t sessions = is_smoke ? SESSIONS_SMOKE : SESSIONS;
    struct mail_rig *rig = mail_rig_open(play);
    struct tls_bare *bare = tls_bare_open(play->resumes);
    uint64_t shield_ns = UINT64_MAX, bare_ns = UINT64_MAX;
    for (int turn = 0; turn < (is_smoke ? 1 : TURNS); turn++) {
        uint64_t took_ns = mail_rig_run(rig, sessions);
        shield_ns = took_ns < shield_ns ? took_ns : shield_ns;
        took_ns = tls_bare_run(bare, sessions);
        bare_ns = took_ns < bare_ns ? took_ns : bare_ns;
    }
    mail_rig_shut(rig);
    tls_bare_shut(bare);
    double rate = (double)sessions * 1e9 / (double)shield_ns;
    double bare_rate = (double)sessions * 1e9 / (double)bare_ns;
    printf("{\"bench\":\"%s\",\"case\":\"%s\",\"value\":%.0f,\"unit\":\"1/s\",\"peer\":\"OpenSSL\","
           "\"peer_value\":%.0f,\"ratio\":%.3f}\n",
           bench, name, rate, bare_rate, rate / bare_rate);
}

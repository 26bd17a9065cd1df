// SPDX-License-Identifier: BSD-3-Clause

/* imap.login: whole IMAP logins a second on one core: a client connects to the shield's imaps,
 * resumes by ticket (TLS 1.3), logs in and logs out, through to a backend that is connected and
 * logged in for it; only the shield's time counts, that of the control plane's answer does not.
 * Peer: a bare OpenSSL server in memory, resumed handshakes alone.
 *
 * Usage: bench_imap_login [--smoke]
 */

#include "imap_play.h"
#include "tcp_pair.h"
#include "tls_rate.h"

static void client_line(struct mail_rig *rig, struct mail_rig_peer *client, const char *line)
{
    switch (line[0]) {
    case '*': // greeting, capabilities, BYE
        if (client->step++ == 0)
            mail_rig_say(rig, client, span_text(IMAP_PLAY_LOGIN));
        return;
    case 'a':
        CHECK(strncmp(line, "a OK ", 5) == 0);
        mail_rig_say(rig, client, span_text("z LOGOUT\r\n"));
        return;
    default:
        CHECK(strncmp(line, "z OK ", 5) == 0);
        mail_rig_leave(rig, client);
    }
}

static void backend_line(struct mail_rig *rig, struct mail_rig_peer *backend, const char *line)
{
    CHECK(imap_play_backend(rig, backend, line));
}

int main(int argc, char **argv)
{
    bool is_smoke = tcp_pair_main(argc, argv);
    const struct mail_rig_play play = {.protocol = PROTOCOL_IMAP,
                                       .tls = TLS_IMPLICIT,
                                       .resumes = true,
                                       .greeting = IMAP_PLAY_GREETING,
                                       .client = client_line,
                                       .backend = backend_line,
                                       .answer = imap_play_answer};
    tls_rate("imap.login", "tls1.3 p-256 resumed", &play, is_smoke);
    return 0;
}

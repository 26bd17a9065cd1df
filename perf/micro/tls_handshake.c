// SPDX-License-Identifier: BSD-3-Clause

/* tls.handshake: TLS 1.3 handshakes, full, a second on one core: a client connects to the shield's
 * imaps (cookie, connection, session, handshake), is greeted and hangs up; only the shield's time
 * counts. Peer: a bare OpenSSL server in memory, handshakes alone.
 *
 * Usage: bench_tls_handshake [--smoke]
 */

#include "tcp_pair.h"
#include "tls_rate.h"

int main(int argc, char **argv)
{
    bool is_smoke = tcp_pair_main(argc, argv);
    struct mail_rig_play play = tls_rate_handshake;
    tls_rate("tls.handshake", "tls1.3 p-256 full", &play, is_smoke);
    return 0;
}

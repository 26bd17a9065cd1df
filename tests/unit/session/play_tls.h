// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* TLS between the shield and the rig's backends: a certificate, its server's end in the hands of
 * the test, and what a client must know to trust it.
 */

#include "support/session_rig.h"
#include "tls/tls_client.h"

struct play_tls { // a server's end of one connection
    struct rig *rig;
    struct rig_peer *peer;
    struct tls *tls;
    size_t fed;       // bytes of peer->text that TLS has taken
    size_t expected;  // bytes of text that play_tls_expect has passed
    char text[65536]; // everything received, decrypted
    size_t size;
};

int play_tls_setup(void **state); // play_setup; backend 0 has TLS and trusts the certificate
int play_tls_teardown(void **state);
struct tls_clients *play_tls_clients(void); // the rig's own

// What the peer has sent so far was in the clear; behind it TLS begins.
struct play_tls *play_tls_open(struct rig *rig, struct rig_peer *peer);
void play_tls_close(struct play_tls *server);
void play_tls_pump(struct play_tls *server); // what has come is taken and answered
void play_tls_say(struct play_tls *server, const char *text);
void play_tls_expect(struct play_tls *server, const char *text);

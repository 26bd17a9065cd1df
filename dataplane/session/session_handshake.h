// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A turn has time for few steps of TLS handshakes, with clients and with backends' servers alike.
 * Who asks for one when none is left waits, first come, first served, and is run in a later turn.
 */

#include <stdbool.h>

struct sessions;

struct handshake { // that of a session or of a dial, by whose name it waits
    struct handshake *next, *prev;
    bool waits;
    bool of_dial;
};

// False: it waits, and its owner will be run.
bool session_handshake_may_step(struct sessions *all, struct handshake *handshake);
void session_handshake_forget(struct sessions *all, struct handshake *handshake); // waits no longer
void session_handshake_advance(struct sessions *all); // a new turn; runs who waits, the first first

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* How a connection to a backend's server begins, whoever uses it: greeting, capabilities, STARTTLS
 * where it is wanted and then the capabilities again, since those in the clear count for nothing
 * (RFC 3207, section 4.2; RFC 9051, section 6.2.1; RFC 2595, section 4).
 *
 * Pure: lines in, text out. What a server says is attacker input: a line over LINE_BYTES_MAX, a
 * reply that never ends and what the protocol does not allow end the opening.
 */

#include "mail/mail.h"

enum { OPENING_SAY_SIZE = HOST_NAME_MAX_DNS + 16, OPENING_LINES_MAX = 100 };

enum opening_step {
    OPENING_GREETING,     // must come
    OPENING_CAPABILITIES, // were asked for
    OPENING_STARTTLS,     // was said
    OPENING_HANDSHAKE,    // opening_secured must come
    OPENING_DONE,
};

enum opening_result {
    OPENING_WAIT,    // for more input
    OPENING_TLS,     // now the handshake; input that waits was sent by nobody who should
    OPENING_READY,   // the connection may be used
    OPENING_REFUSED, // the server does not want us now: 4xx, 5xx, BYE, -ERR
    OPENING_BAD,     // it does not speak the protocol
};

struct opening {
    void (*note_offer)(struct mail_offer *offer, struct span line); // NULL: nothing is offered
    uint8_t protocol;                                               // enum protocol
    uint8_t step;                                                   // enum opening_step
    bool starttls;                                                  // still to be done
    uint8_t lines;                                                  // of the reply under way
    uint16_t code; // SMTP: of the lines before; 0: none
    struct mail_offer offer;
};

void opening_start(struct opening *opening, const struct mail_protocol *protocol, bool starttls);

// Takes at most one line, *ret_taken bytes. `say` is what must be sent, or empty.
enum opening_result opening_input(struct opening *opening, struct span input, const char *host_name,
                                  size_t *ret_taken, char say[OPENING_SAY_SIZE]);
// The handshake is done.
enum opening_result opening_secured(struct opening *opening, const char *host_name,
                                    char say[OPENING_SAY_SIZE]);

const char *opening_farewell(const struct opening *opening); // what ends such a connection politely

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What the three mail protocols have in common: the face that smtp/, imap/ and pop3/ show to the
 * session that carries them, and the one that the session shows to them.
 *
 * A protocol is a state machine over plaintext bytes: no sockets, TLS, clock, rings or allocation.
 * The session calls it with what happened (struct mail_protocol) and it answers by asking the
 * session to do things (struct mail_host). Tests play the session.
 *
 * Input: client_input and backend_input get all plaintext that waits, in one span, and return how
 * much they took; what they left is given again, with more behind it, after anything else happened
 * (an answer, room, a backend event). A machine that waits for an answer or a backend reply returns
 * 0. A span never exceeds INPUT_BUFFER_SIZE, and an unfinished line that fills LINE_BYTES_MAX must
 * be refused by the machine.
 *
 * Output: mail_host.room says how many bytes `send` takes on a side now; send must not be given
 * more. Before every call the session guarantees REPLY_MAX of room towards the client, and before
 * client_input, once the backend is connected, LINE_BYTES_MAX + REPLY_MAX towards it; a command
 * that another call sends to a backend without room waits in the session. Bulk data (message text,
 * literals, spliced sessions) asks room first and takes no more input than it can send.
 *
 * After finish() or when the session ends it, `done` is called, once, and nothing after it.
 */

#include "base/packet.h"
#include "base/span.h"
#include "contract/charge.h"
#include "contract/message.h"
#include "contract/policy.h"
#include "contract/reason.h"

enum mail_side { SIDE_CLIENT, SIDE_BACKEND };

struct mail_host;

struct mail_master { // a user of a backend that may log in as any other
    uint8_t name_size, password_size;
    char name[USER_NAME_MAX];
    char password[PASSWORD_MAX];
};

// What a backend's servers offer.
enum mail_offer_bit {
    OFFER_8BITMIME = 1,
    OFFER_SMTPUTF8 = 2,
    OFFER_DSN = 4,
    OFFER_SIZE = 8,
    OFFER_PIPELINING = 128, // SMTP
    OFFER_AUTH_PLAIN = 16,  // IMAP, from here on
    OFFER_SASL_IR = 32,
    OFFER_LOGIN_DISABLED = 64,
};

struct mail_offer {
    uint64_t size;   // SMTP: most bytes of a message; 0: no limit is known
    uint16_t bits;   // of enum mail_offer_bit
    uint8_t xclient; // SMTP: bits of enum smtp_xclient_attribute
    bool known;      // it was asked
};

struct mail_host_ops {
    size_t (*room)(struct mail_host *host, enum mail_side side); // bytes
    void (*send)(struct mail_host *host, enum mail_side side, struct span data);
    // Everything sent before goes out in the clear, plaintext that waits is discarded (and
    // counted), then the handshake; tls_started follows, or the session ends.
    void (*start_tls)(struct mail_host *host);
    // Puts a question; exactly one answer() follows, in another call, status UNAVAILABLE when there
    // is none in time. The message's handle is the session's business. One question of a kind at a
    // time. The question is copied; secrets in it are the caller's to wipe.
    void (*ask)(struct mail_host *host, const struct message *question);
    // Puts a message that goes before a question of its kind and has no answer. False: no room.
    bool (*tell)(struct mail_host *host, const struct message *message);
    // The channel's tls-exporter (RFC 9266) into out[SASL_BINDING], NULL: only look. False: it has
    // none.
    bool (*binding)(const struct mail_host *host, uint8_t *out);
    // Opens the session's backend connection (lazily), at whichever of its servers can be had:
    // connected, under TLS where that is configured, greeted and asked for its capabilities.
    // backend_event follows. One at a time: a second call closes the first connection and, without
    // event for it, opens another.
    void (*connect)(struct mail_host *host, unsigned backend);
    void (*disconnect)(struct mail_host *host); // closes the backend connection in an orderly way
    // What may be offered to the client: that which every server that is up offers, of all backends
    // that the service's mail may go to. Not known: nothing is.
    void (*offer)(struct mail_host *host, struct mail_offer *ret_offer);
    // Content rules: one scan a transaction. Feed returns true once a rule demands action;
    // *ret_rule is its index in the policy.
    void (*scan_start)(struct mail_host *host);
    bool (*scan_feed)(struct mail_host *host, enum rule_part part, struct span data,
                      uint32_t *ret_rule);
    void (*deadline)(struct mail_host *host, uint64_t at_us); // timeout() then; UINT64_MAX: none
    // The session ends after what was sent has gone out. The reason is counted and logged.
    void (*finish)(struct mail_host *host, enum reason reason);
    // Before the client, or its user unless that is empty, does what has a rate; NONE: it may.
    enum reason (*charge)(struct mail_host *host, enum charge charge, struct span user);
    // The client has proven to be that user: NONE: the session counts as one of the user's until
    // it ends or logs out. Anything else: there are too many, or they come too fast.
    enum reason (*login)(struct mail_host *host, struct span user);
    void (*logout)(struct mail_host *host);
    // A limit of all classes is passed. True: it holds, refuse. False: it is off, or in shadow,
    // and then counted: each time, or once a session where refusing `ends` it.
    bool (*enforce)(struct mail_host *host, enum limit limit, bool ends);
    void (*hold)(struct mail_host *host, uint64_t us);         // no input of the client for so long
    void (*count)(struct mail_host *host, enum reason reason); // a refusal that ends nothing
    void (*shadow)(struct mail_host *host, enum reason reason); // one that would have been
    // The client's sessions were good lately, or it is on the allow list.
    bool (*is_known)(const struct mail_host *host);
};

struct mail_host { // embedded in the session; read by the machine
    const struct mail_host_ops *ops;
    const struct policy *policy; // fixed for this session's whole life, but
    const uint64_t *limits;      // those of the client's class in force now, by enum limit, and
    const uint8_t *modes;        // enum limit_mode of each
    const struct mail_master *masters; // by backend
    const uint32_t *mechanisms; // that the auth child's back end has now: bits of enum mechanism
    uint8_t service;            // index in the policy
    bool tls;                   // the client's side is under TLS now
    uint8_t tls_version;        // 2 or 3, once it is
    char tls_cipher[48];
    struct addr client;
    struct addr local; // the address that the client came to
    uint16_t client_port, local_port;
    uint64_t id;   // of the session, in logs and Received
    bool leaving;  // Weir, or the backend's server, is drained
    bool waits[2]; // by side: the machine has left input, and takes it by its deadline
    // Since client_input was called last, the client's input waits for the backend to take what it
    // has: the time that passes is not the client's fault. It ends by input, or BACKEND_CLOSED.
    bool stalled;
    struct mail_offer offered;     // by the backend's server, once connected
    const int64_t *unix_us_offset; // unix time in µs = now_us + this, as it is now
    struct report_facts report;    // the machine notes what it learns
    char state[16];                // the protocol's state by name, for weirctl
};

enum mail_backend_event {
    BACKEND_CONNECTED,
    BACKEND_FAILED, // no server of it could be had; why is counted
    BACKEND_CLOSED, // FIN or RST; input that came before it has been offered
};

struct mail_protocol {
    const char *name;
    enum protocol protocol;
    // Notes what a line of a server's reply to EHLO or CAPABILITY, or its greeting, says that it
    // offers; NULL: nothing is ever offered.
    void (*note_offer)(struct mail_offer *offer, struct span line);
    size_t state_size; // bytes of the machine's state, zeroed before start
    // Of a machine that rests only the first rest_size bytes of its state are kept; the others are
    // zero when it is called next, and the state may lie elsewhere then. NULL: it never rests.
    bool (*rests)(const void *state);
    size_t rest_size;
    void (*start)(void *state, struct mail_host *host, uint64_t now_us);
    size_t (*client_input)(void *state, struct span input, uint64_t now_us);
    size_t (*backend_input)(void *state, struct span input, uint64_t now_us);
    void (*client_closed)(void *state, uint64_t now_us); // FIN: nothing more will come
    void (*backend_event)(void *state, enum mail_backend_event event, uint64_t now_us);
    void (*tls_started)(void *state, uint64_t now_us);
    void (*answer)(void *state, const struct message *answer, uint64_t now_us);
    void (*timeout)(void *state, uint64_t now_us);
    // host->leaving was set: the session is to end as soon as nothing is cut by that, `now`: in any
    // case.
    void (*drain)(void *state, bool now, uint64_t now_us);
    // Texts of the report from RDNS_NAME on, at the session's end; NULL: it has none.
    void (*report)(const void *state, struct report *report);
    void (*done)(void *state); // wipes secrets
};

extern const struct mail_protocol smtp_protocol; // smtp/smtp.c
extern const struct mail_protocol imap_protocol; // imap/imap.c
extern const struct mail_protocol pop3_protocol; // pop3/pop3.c

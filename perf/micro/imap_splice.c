// SPDX-License-Identifier: BSD-3-Clause

/* For imap.splice (load/imap_splice.py): what one core carries of FETCH responses, with the parser
 * on, in bits of messages a second of the shield's time: clients in plaintext or under TLS 1.3
 * (AES-256-GCM), backends in plaintext, messages of 64 KB in literals, twenty sessions at a time.
 * Nobody can log in in plaintext: there the sessions are told that they are under TLS.
 *
 * Usage: imap_splice [--smoke]
 */

#include "imap_play.h"
#include "session/session_internal.h"
#include "tcp_pair.h"

enum {
    MESSAGE = 65536,
    MESSAGES = 64, // of a mailbox
    PARALLEL = 20,
    SESSIONS = 400,
    SESSIONS_SMOKE = 40,
    RESPONSE_MOST = MESSAGE + 128,
};

static char response[RESPONSE_MOST]; // one message
static size_t response_size;
static uint64_t fetched;

static void pretend_tls(struct sessions *all)
{
    for (uint32_t i = 0; i < all->pool.count; i++) {
        struct session *s = pool_get(&all->pool, pool_at(&all->pool, i));
        if (s && s->phase == SESSION_TALK)
            s->host.tls = true;
    }
}

static void client_line(struct mail_rig *rig, struct mail_rig_peer *client, const char *line)
{
    if (line[0] == '*' && client->step++ == 0) {
        pretend_tls(mail_rig_sessions(rig));
        mail_rig_say(rig, client, span_text(IMAP_PLAY_LOGIN));
    } else if (line[0] == 'a') {
        CHECK(strncmp(line, "a OK ", 5) == 0);
        mail_rig_say(rig, client, span_text("b UID FETCH 1:* BODY.PEEK[]\r\n"));
        client->raw = true;
        client->left = MESSAGES * response_size;
    } else if (line[0] == 'b') {
        CHECK(strncmp(line, "b OK ", 5) == 0);
        mail_rig_say(rig, client, span_text("z LOGOUT\r\n"));
    } else if (line[0] == 'z') {
        mail_rig_leave(rig, client);
    }
}

static size_t client_messages(struct mail_rig *rig, struct mail_rig_peer *client, struct span text)
{
    size_t taken = text.size < client->left ? text.size : client->left;
    client->left -= taken;
    fetched += taken;
    client->raw = client->left > 0;
    return taken;
}

static void backend_room(struct mail_rig *rig, struct mail_rig_peer *backend)
{
    while (backend->left > 0) {
        size_t into = (MESSAGES * response_size - backend->left) % response_size;
        struct span rest = span_of(response + into, response_size - into);
        size_t sent = mail_rig_send(rig, backend, rest);
        backend->left -= sent;
        if (backend->left == 0)
            mail_rig_say(rig, backend, span_text("b OK Fetched\r\n"));
        else if (sent < rest.size)
            return;
    }
}

static void backend_line(struct mail_rig *rig, struct mail_rig_peer *backend, const char *line)
{
    if (imap_play_backend(rig, backend, line))
        return;
    CHECK(strncmp(line, "b UID FETCH ", 12) == 0);
    backend->left = MESSAGES * response_size;
    backend_room(rig, backend);
}

static void response_make(void)
{
    int head = snprintf(response, sizeof response, "* 1 FETCH (UID 1 BODY[] {%d}\r\n", MESSAGE);
    response_size = (size_t)head;
    for (int i = 0; i < MESSAGE; i++)
        response[response_size++] = i % 76 == 74 ? '\r' : i % 76 == 75 ? '\n' : 'x';
    memcpy(response + response_size, ")\r\n", 3);
    response_size += 3;
}

static void measure(enum tls_mode tls, const char *name, uint64_t sessions)
{
    const struct mail_rig_play play = {.protocol = PROTOCOL_IMAP,
                                       .tls = (uint8_t)tls,
                                       .parallel = PARALLEL,
                                       .greeting = IMAP_PLAY_GREETING,
                                       .client = client_line,
                                       .backend = backend_line,
                                       .room = backend_room,
                                       .raw = client_messages,
                                       .answer = imap_play_answer};
    struct mail_rig *rig = mail_rig_open(&play);
    fetched = 0;
    uint64_t shield_ns = mail_rig_run(rig, sessions);
    mail_rig_shut(rig);
    uint64_t bytes = sessions * MESSAGES * MESSAGE;
    CHECK(fetched == sessions * MESSAGES * response_size);
    tcp_pair_report("imap.splice", name, (double)bytes * 8 / (double)shield_ns, "Gbit/s");
}

int main(int argc, char **argv)
{
    uint64_t sessions = tcp_pair_main(argc, argv) ? SESSIONS_SMOKE : SESSIONS;
    response_make();
    measure(TLS_OFF, "plaintext", sessions);
    measure(TLS_IMPLICIT, "tls1.3", sessions);
    return 0;
}

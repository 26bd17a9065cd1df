// SPDX-License-Identifier: BSD-3-Clause
#include "play_tls.h"

#include "../tls/tls_peer.h"
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tls_tickets *tickets;
static struct tls_context *context;
static struct tls_clients *clients;

int play_tls_setup(void **state)
{
    static struct policy server;
    char text[256];
    const char *what;
    if (play_setup(state) < 0)
        return -1;
    server = (struct policy){0};
    peer_init();
    peer_certificate(&server, "mx", PEER_EC, "mx.example.net");
    tickets = tls_tickets_open(0);
    context = tls_context_build(&server, tickets, text, sizeof text, &what);
    struct policy_backend *backend = &rig_policy(*state)->backends[0];
    backend->tls = TLS_IMPLICIT;
    backend->tls_verify = true;
    snprintf(backend->tls_name, sizeof backend->tls_name, "mx.example.net");
    memcpy(backend->tls_ca_file, server.certificates[0].certificate_file,
           sizeof backend->tls_ca_file);
    clients = tls_clients_build(rig_policy(*state), text, sizeof text, &what);
    peer_done();
    rig_dial_tls(*state, clients);
    return context && clients ? 0 : -1;
}

int play_tls_teardown(void **state)
{
    int error = play_teardown(state);
    tls_context_free(context);
    tls_tickets_shut(tickets);
    return error;
}

struct tls_clients *play_tls_clients(void)
{
    return clients;
}

struct play_tls *play_tls_open(struct rig *rig, struct rig_peer *peer)
{
    struct play_tls *server = calloc(1, sizeof *server);
    assert_non_null(server);
    *server = (struct play_tls){
        .rig = rig, .peer = peer, .tls = tls_open(context, PROTOCOL_SMTP), .fed = peer->size};
    assert_non_null(server->tls);
    return server;
}

void play_tls_close(struct play_tls *server)
{
    tls_close(server->tls);
    free(server);
}

static void send_output(struct play_tls *server)
{
    struct span output = tls_output(server->tls);
    rig_send(server->rig, server->peer, output);
    tls_output_sent(server->tls, output.size);
}

void play_tls_pump(struct play_tls *server)
{
    struct rig_peer *peer = server->peer;
    enum tls_state now;
    server->fed +=
        tls_feed(server->tls, span_of(peer->text + server->fed, peer->size - server->fed));
    tls_step(server->tls);
    server->size += tls_read(server->tls, (uint8_t *)server->text + server->size,
                             sizeof server->text - server->size, &now);
    send_output(server);
}

void play_tls_say(struct play_tls *server, const char *text)
{
    assert_int_equal(tls_write(server->tls, span_text(text)), strlen(text));
    send_output(server);
}

void play_tls_expect(struct play_tls *server, const char *text)
{
    for (int i = 0; i < 1000; i++) {
        rig_run(server->rig, 1000);
        play_tls_pump(server);
        const char *hit = memmem(server->text + server->expected, server->size - server->expected,
                                 text, strlen(text));
        if (hit) {
            server->expected = (size_t)(hit - server->text) + strlen(text);
            return;
        }
    }
    fail_msg("\"%s\" did not come under TLS", text);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "tls_bare.h"

#include "tcp_pair.h"
#include "tls_peer.h"

#include <stdlib.h>

struct tls_bare {
    SSL_CTX *server, *client;
    SSL_SESSION *ticket; // NULL: full handshakes
    bool resumes;
};

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct tls_bare *bare = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (!bare->resumes || bare->ticket)
        return 0;
    bare->ticket = session;
    // Or OpenSSL would spoil it when it was used once (RFC 8446, appendix C.4).
    SSL_CTX_set_session_cache_mode(SSL_get_SSL_CTX(ssl), SSL_SESS_CACHE_OFF);
    return 1; // the reference is ours
}

static void join(SSL *client, SSL *server)
{
    BIO *one, *other;
    CHECK(BIO_new_bio_pair(&one, 1 << 16, &other, 1 << 16) == 1);
    SSL_set_bio(client, one, one);
    SSL_set_bio(server, other, other);
}

static uint64_t handshake(struct tls_bare *bare)
{
    SSL *client = SSL_new(bare->client);
    uint64_t start_ns = tcp_pair_clock_ns();
    SSL *server = SSL_new(bare->server);
    uint64_t server_ns = tcp_pair_clock_ns() - start_ns;
    CHECK(client && server);
    join(client, server);
    if (bare->ticket)
        CHECK(SSL_set_session(client, bare->ticket) == 1);
    bool expects_resumed = bare->ticket != NULL;
    for (int done = 0; done != 1;) {
        SSL_connect(client);
        start_ns = tcp_pair_clock_ns();
        done = SSL_accept(server);
        server_ns += tcp_pair_clock_ns() - start_ns;
    }
    char byte;
    SSL_read(client, &byte, 1); // the ticket
    CHECK(SSL_session_reused(server) == expects_resumed);
    SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); // or the ticket is spoilt
    SSL_free(client);
    start_ns = tcp_pair_clock_ns();
    SSL_free(server);
    return server_ns + tcp_pair_clock_ns() - start_ns;
}

struct tls_bare *tls_bare_open(bool resumes)
{
    struct tls_bare *bare = calloc(1, sizeof *bare);
    struct policy *files = calloc(1, sizeof *files);
    CHECK(bare && files);
    peer_init();
    peer_certificate(files, "mail", PEER_EC, "mail.example.net");
    bare->resumes = resumes;
    bare->server = SSL_CTX_new(TLS_server_method());
    bare->client = SSL_CTX_new(TLS_client_method());
    CHECK(bare->server && bare->client);
    CHECK(SSL_CTX_use_certificate_file(bare->server, files->certificates[0].certificate_file,
                                       SSL_FILETYPE_PEM) == 1);
    CHECK(SSL_CTX_use_PrivateKey_file(bare->server, files->certificates[0].key_file,
                                      SSL_FILETYPE_PEM) == 1);
    CHECK(SSL_CTX_set_num_tickets(bare->server, 1) == 1);
    SSL_CTX_set_session_cache_mode(bare->server, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_app_data(bare->client, bare);
    SSL_CTX_set_session_cache_mode(bare->client, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(bare->client, keep_ticket);
    peer_done();
    free(files);
    if (resumes)
        handshake(bare);
    return bare;
}

void tls_bare_shut(struct tls_bare *bare)
{
    SSL_SESSION_free(bare->ticket);
    SSL_CTX_free(bare->client);
    SSL_CTX_free(bare->server);
    free(bare);
}

uint64_t tls_bare_run(struct tls_bare *bare, uint64_t handshakes)
{
    uint64_t server_ns = 0;
    for (uint64_t i = 0; i < handshakes; i++)
        server_ns += handshake(bare);
    return server_ns;
}

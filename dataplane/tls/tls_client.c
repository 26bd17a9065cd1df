// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_client.h"

#include "tls/tls_owner.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct tls_clients {
    struct tls_owner owner; // first
    struct client {
        SSL_CTX *ctx; // NULL: no TLS
        uint8_t protocol;
        bool verify;
        char name[HOST_NAME_MAX_DNS + 1];
    } clients[BACKENDS_MAX];
};

static void clients_free(struct tls_owner *owner)
{
    struct tls_clients *all = (struct tls_clients *)owner; // its first member
    for (int i = 0; i < BACKENDS_MAX; i++)
        SSL_CTX_free(all->clients[i].ctx);
    free(all);
}

static SSL_CTX *ctx_open(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

static bool client_build(struct client *client, const struct policy_backend *backend, char *text,
                         size_t size)
{
    client->ctx = ctx_open();
    client->protocol = backend->protocol;
    client->verify = backend->tls_verify;
    memcpy(client->name, backend->tls_name, sizeof client->name);
    if (!client->ctx)
        return false;
    if (!client->verify)
        return true;
    SSL_CTX_set_verify(client->ctx, SSL_VERIFY_PEER, NULL);
    int loaded = backend->tls_ca_file[0]
                     ? SSL_CTX_load_verify_file(client->ctx, backend->tls_ca_file)
                     : SSL_CTX_set_default_verify_paths(client->ctx);
    if (loaded != 1)
        snprintf(text, size, "%s: cannot be read as trusted certificates: %s", backend->tls_ca_file,
                 tls_owner_cause());
    return loaded == 1;
}

struct tls_clients *tls_clients_build(const struct policy *policy, char *text, size_t text_size,
                                      const char **ret_what)
{
    ERR_clear_error();
    struct tls_clients *all = calloc(1, sizeof *all);
    snprintf(text, text_size, "no memory for TLS to backends");
    bool built = all && tls_owner_init(&all->owner, clients_free);
    for (unsigned i = 0; built && i < policy->backends_count; i++)
        if (policy->backends[i].tls != TLS_OFF)
            built = client_build(&all->clients[i], &policy->backends[i], text, text_size);
    ERR_clear_error();
    if (built)
        return all;
    tls_clients_free(all);
    *ret_what = text;
    return NULL;
}

void tls_clients_free(struct tls_clients *all)
{
    if (all)
        tls_owner_release(&all->owner);
}

static bool expect_address(SSL *ssl, const struct addr *server)
{
    size_t skip = addr_is_v4(server) ? 12 : 0; // IPv4 is the mapped address's end
    return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), server->bytes + skip, 16 - skip) == 1;
}

static bool expect_name(SSL *ssl, const char *name)
{
    SSL_set_hostflags(ssl,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct tls *tls_client_open(struct tls_clients *all, unsigned backend, const struct addr *server)
{
    struct client *client = &all->clients[backend];
    SSL *ssl;
    struct tls *tls = client->ctx ? tls_owner_open(&all->owner, client->ctx,
                                                   (enum protocol)client->protocol, &ssl)
                                  : NULL;
    if (!tls)
        return NULL;
    bool expects = client->name[0] ? expect_name(ssl, client->name) : expect_address(ssl, server);
    if (!expects) {
        ERR_clear_error();
        tls_close(tls);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    tls_owner_begin(tls);
    return tls;
}

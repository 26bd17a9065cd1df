// SPDX-License-Identifier: BSD-3-Clause
#include "support/tls_seal.h"

void tls_seal_start(struct tls_record *server, struct tls_record *client, uint16_t suite)
{
    *server = *client = (struct tls_record){0};
    memset(server->secrets.client, 1, TLS_SECRET_MOST);
    memset(server->secrets.server, 2, TLS_SECRET_MOST);
    memset(client->secrets.client, 2, TLS_SECRET_MOST);
    memset(client->secrets.server, 1, TLS_SECRET_MOST);
    CHECK(tls_record_start(server, tls_suite_find(suite)));
    CHECK(tls_record_start(client, tls_suite_find(suite)));
}

void tls_seal(struct tls_record *client, uint8_t type, struct span data, size_t padding,
              struct tls_buffer *to)
{
    size_t inner = data.size + 1 + padding + TLS_RECORD_TAG;
    uint8_t head[] = {SEAL_DATA, 3, 3, (uint8_t)(inner >> 8), (uint8_t)inner};
    uint8_t nonce[TLS_IV_SIZE];
    int n;
    memcpy(nonce, client->write.iv, sizeof nonce);
    for (unsigned i = 0; i < 8; i++)
        nonce[sizeof nonce - 1 - i] ^= (uint8_t)(client->write.sequence >> 8 * i);
    client->write.sequence++;
    CHECK(tls_buffer_put(to, span_of(head, sizeof head)));
    uint8_t *text = tls_buffer_room(to, inner);
    CHECK(text);
    memset(text, 0, inner);
    if (data.size)
        memcpy(text, data.at, data.size);
    text[data.size] = type;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int size = (int)(inner - TLS_RECORD_TAG);
    CHECK(EVP_EncryptInit_ex2(cipher, client->suite->cipher, client->write.key, nonce, NULL) == 1);
    CHECK(EVP_EncryptUpdate(cipher, NULL, &n, head, sizeof head) == 1);
    CHECK(EVP_EncryptUpdate(cipher, text, &n, text, size) == 1 && n == size);
    CHECK(EVP_EncryptFinal_ex(cipher, text + n, &n) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TLS_RECORD_TAG, text + size) == 1);
    EVP_CIPHER_CTX_free(cipher);
    to->end += inner;
}

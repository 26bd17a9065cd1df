// SPDX-License-Identifier: BSD-3-Clause
/* Behind the suite, steps of {what, size}: a record that the client seals of the bytes that follow,
 * the same damaged, bytes of nobody's, or reading and writing. What is read must be the data that
 * was sealed, in order, and none from behind the first damage; every record that comes out must be
 * one that the client can open; and neither answers nor silence may be without end. */
#include "fuzz/fuzz.h"
#include "support/tls_seal.h"

#include <string.h>

enum { STEPS_MOST = 256, DATA_MOST = STEPS_MOST * 256 };
enum { SEAL, SEAL_DAMAGED, RAW, READ, WRITE, REKEY, WHATS };

static struct tls_record server, client;
static struct tls_buffer to_server, to_client;
static uint8_t sealed[DATA_MOST];
static size_t sealed_size, read_size; // data of the client's: given, and seen
static bool damaged;                  // nothing that is given from here on may be seen

static struct span take(struct reader *r, size_t size)
{
    return reader_bytes(r, size < r->left.size ? size : r->left.size);
}

static void give(uint8_t type, struct span text, size_t padding)
{
    tls_seal(&client, type, text, padding, &to_server);
    if (damaged || type != SEAL_DATA)
        return;
    memcpy(sealed + sealed_size, text.at, text.size);
    sealed_size += text.size;
}

static void give_damaged(uint8_t type, struct span text, uint8_t where)
{
    size_t before = to_server.end - to_server.begin;
    damaged = true;
    give(type, text, 0);
    size_t size = tls_buffer_waiting(&to_server) - before;
    // Not the length: that one may only make it wait for more.
    size_t at = TLS_RECORD_HEAD + where % (size - TLS_RECORD_HEAD);
    to_server.at[to_server.begin + before + at] ^= 1;
}

static void rekey(bool wanted)
{
    const uint8_t text[] = {24, 0, 0, 1, wanted};
    give(SEAL_HANDSHAKE, span_of(text, sizeof text), 0);
    struct span none = {0};
    const struct tls_suite *suite = client.suite;
    uint8_t *secret = client.secrets.server;
    client.write.sequence = 0;
    CHECK(
        tls_suite_expand(suite, secret, span_text("traffic upd"), none, secret, suite->hash_size) &&
        tls_suite_expand(suite, secret, span_text("key"), none, client.write.key,
                         suite->key_size) &&
        tls_suite_expand(suite, secret, span_text("iv"), none, client.write.iv, TLS_IV_SIZE));
}

static void read_some(size_t size)
{
    static uint8_t got[TLS_RECORD_DATA_MOST];
    size_t waiting = tls_buffer_waiting(&to_server), answered = tls_buffer_waiting(&to_client);
    bool over = server.closed || server.error;
    size_t count = tls_record_read(&server, &to_server, &to_client, got, size);
    CHECK(count <= size && !(over && count));
    CHECK(count <= sealed_size - read_size && memcmp(got, sealed + read_size, count) == 0);
    read_size += count;
    // No answer is longer than what asked for it, but for the alert at the end.
    size_t gone = waiting - tls_buffer_waiting(&to_server);
    CHECK(tls_buffer_waiting(&to_client) - answered <=
          gone + TLS_RECORD_HEAD + 2 + 1 + TLS_RECORD_TAG);
}

// The client opens all that came, one record after the other, however many bring nothing.
static void hear(size_t written)
{
    static uint8_t got[TLS_RECORD_DATA_MOST];
    struct tls_buffer one = {0}, answer = {0};
    size_t count = 0;
    while (tls_buffer_waiting(&to_client) > 0) {
        struct span waiting = tls_buffer_span(&to_client);
        CHECK(waiting.size > TLS_RECORD_HEAD && !client.error);
        size_t size = TLS_RECORD_HEAD + (size_t)(waiting.at[3] << 8 | waiting.at[4]);
        CHECK(size <= waiting.size && tls_buffer_put(&one, span_head(waiting, size)));
        tls_buffer_skip(&to_client, size);
        client.idle = 0;
        count += tls_record_read(&client, &one, &answer, got, sizeof got);
        CHECK(tls_buffer_waiting(&one) == 0 && tls_buffer_waiting(&answer) == 0);
    }
    CHECK(count == written);
    CHECK(!client.error || (server.error && strcmp(client.error, "the client sent an alert") == 0));
}

static void step(struct reader *r)
{
    uint8_t what = reader_u8(r), size = reader_u8(r);
    static const uint8_t types[] = {SEAL_DATA, SEAL_HANDSHAKE, SEAL_ALERT, 0};
    uint8_t type = types[what >> 3 & 3];
    switch (what % WHATS) {
    case SEAL:
        if (type == 0) // padding alone: a zero behind a text would make its last byte the type
            give(type, (struct span){0}, size);
        else
            give(type, take(r, size), what >> 5);
        break;
    case SEAL_DAMAGED:
        give_damaged(type, take(r, size), what >> 3);
        break;
    case RAW:
        damaged |= size > 0 && r->left.size > 0;
        CHECK(tls_buffer_put(&to_server, take(r, size)));
        break;
    case READ:
        read_some((size_t)size << (what >> 5 & 3)); // and often less than waits
        hear(0);
        break;
    case WRITE:
        if (server.error)
            break;
        struct span data = take(r, size);
        CHECK(tls_record_write(&server, data, &to_client));
        hear(data.size);
        break;
    case REKEY:
        rekey(what >> 3 & 1);
        break;
    default:
        CHECK(!"no such step");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(span_of(data, size));
    CHECK(tls_schedule_load());
    tls_seal_start(&server, &client, (uint16_t)(0x1301 + reader_u8(&r) % 3));
    sealed_size = read_size = 0;
    damaged = false;
    for (int i = 0; i < STEPS_MOST && r.left.size; i++)
        step(&r);
    for (int i = 0; i < STEPS_MOST && !server.error && tls_buffer_waiting(&to_server); i++)
        read_some(TLS_RECORD_DATA_MOST);
    CHECK(damaged || server.error || server.closed || read_size == sealed_size);
    hear(0);
    tls_record_wipe(&server);
    tls_record_wipe(&client);
    tls_buffer_done(&to_server);
    tls_buffer_done(&to_client);
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "support/tls_seal.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tls_record server, client; // the client: the same code, its ways changed over
static struct tls_buffer to_server, to_client;
static uint8_t got[TLS_RECORD_DATA_MOST + 100];

static void start(uint16_t suite_id)
{
    tls_seal_start(&server, &client, suite_id);
}

static int set_up(void **state)
{
    if (!tls_schedule_load())
        return -1;
    start(0x1301);
    return 0;
}

static int tear_down(void **state)
{
    tls_buffer_done(&to_server);
    tls_buffer_done(&to_client);
    return 0;
}

// The client's next record.
static void seal(uint8_t type, const void *data, size_t size, size_t padding)
{
    tls_seal(&client, type, span_of(data, size), padding, &to_server);
}

static size_t read_at(struct tls_record *end, size_t size)
{
    return end == &server ? tls_record_read(end, &to_server, &to_client, got, size)
                          : tls_record_read(end, &to_client, &to_server, got, size);
}

static void expect(struct tls_record *end, const char *text)
{
    assert_int_equal(read_at(end, sizeof got), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

// The server has ended it, and says why in its one record.
static void expect_failure(uint8_t alert)
{
    uint8_t nonce[TLS_IV_SIZE], text[2];
    int n;
    assert_int_equal(read_at(&server, sizeof got), 0);
    assert_non_null(server.error);
    assert_int_equal(read_at(&server, sizeof got), 0); // and nothing more is taken
    assert_int_equal(tls_buffer_waiting(&to_client), TLS_RECORD_HEAD + 2 + 1 + TLS_RECORD_TAG);
    memcpy(nonce, server.write.iv, sizeof nonce); // of the first record
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    assert_int_equal(
        EVP_DecryptInit_ex2(cipher, server.suite->cipher, server.write.key, nonce, NULL), 1);
    EVP_DecryptUpdate(cipher, text, &n, to_client.at + TLS_RECORD_HEAD, sizeof text);
    EVP_CIPHER_CTX_free(cipher);
    assert_int_equal(text[0], 2);
    assert_int_equal(text[1], alert);
}

static void a_damaged_record_ends_it(void **state)
{
    seal(SEAL_DATA, "hello", 5, 0);
    to_server.at[to_server.end - 1] ^= 1;
    expect_failure(20);
}

static void a_record_in_the_clear_ends_it(void **state)
{
    assert_true(tls_buffer_put(&to_server, span_of("\x14\x03\x03\x00\x01\x01", 6)));
    expect_failure(10);
}

static void a_record_of_another_place_ends_it(void **state)
{
    client.write.sequence = 1;
    seal(SEAL_DATA, "hello", 5, 0);
    expect_failure(20);
}

static void records_of_wrong_sizes_end_it(void **state)
{
    static const struct {
        const char *head;
        uint8_t alert;
    } bad[] = {
        {"\x17\x03\x03\x00\x00", 20}, {"\x17\x03\x03\x00\x10", 20}, {"\x17\x03\x03\x41\x01", 22}};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        tear_down(state);
        start(0x1301);
        assert_true(tls_buffer_put(&to_server, span_of(bad[i].head, TLS_RECORD_HEAD)));
        expect_failure(bad[i].alert);
    }
}

static void more_data_than_a_record_may_hold_ends_it(void **state)
{
    static uint8_t data[TLS_RECORD_DATA_MOST + 1];
    seal(SEAL_DATA, data, TLS_RECORD_DATA_MOST, 0);
    assert_int_equal(read_at(&server, sizeof got), TLS_RECORD_DATA_MOST);
    seal(SEAL_DATA, data, sizeof data, 0);
    expect_failure(22);
}

static void a_record_of_padding_alone_ends_it(void **state)
{
    seal(0, "", 0, 40);
    expect_failure(10);
}

static void handshake_messages_but_key_updates_end_it(void **state)
{
    static const struct {
        const char *text;
        size_t size;
    } bad[] = {
        {"\x01\x00\x00\x01\x00", 5},     // ClientHello
        {"\x18\x00\x00\x02\x00\x00", 6}, // too long
        {"\x18\x00\x00\x01\x00\x18", 6}, // and more behind it
        {"\x18\x00\x00\x01", 4},         // in pieces
        {"\x18", 0},                     // none
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        tear_down(state);
        start(0x1301);
        seal(SEAL_HANDSHAKE, bad[i].text, bad[i].size, 0);
        expect_failure(10);
    }
}

static void a_key_update_of_an_unknown_kind_ends_it(void **state)
{
    seal(SEAL_HANDSHAKE, "\x18\x00\x00\x01\x02", 5, 0);
    expect_failure(47);
}

static void alerts_of_wrong_sizes_end_it(void **state)
{
    seal(SEAL_ALERT, "\x01", 1, 0);
    expect_failure(50);
    tear_down(state);
    start(0x1301);
    seal(SEAL_ALERT, "", 0, 3);
    expect_failure(10); // section 5.4
}

static void records_that_bring_nothing_may_be_few(void **state)
{
    static const struct {
        uint8_t type;
        const char *text;
        size_t size;
    } idle[] = {{SEAL_DATA, "", 0}, {SEAL_ALERT, "\x01\x5a", 2}};
    for (unsigned i = 0; i < sizeof idle / sizeof *idle; i++) {
        tear_down(state);
        start(0x1301);
        for (int n = 0; n < TLS_RECORD_IDLE_MOST; n++)
            seal(idle[i].type, idle[i].text, idle[i].size, 0);
        expect(&server, "");
        assert_null(server.error);
        seal(SEAL_DATA, "!", 1, 0); // pays for one more
        seal(idle[i].type, idle[i].text, idle[i].size, 0);
        expect(&server, "!");
        assert_null(server.error);
        seal(idle[i].type, idle[i].text, idle[i].size, 0);
        expect_failure(10);
    }
}

static void a_flood_of_key_updates_ends_it(void **state)
{
    for (int n = 0; n <= TLS_RECORD_IDLE_MOST; n++) {
        assert_null(server.error);
        seal(SEAL_HANDSHAKE, "\x18\x00\x00\x01\x01", 5, 0);
        client.write = server.read; // as the server's will be
        expect(&server, "");
        client.write = server.read;
    }
    assert_non_null(server.error);
    size_t answers = tls_buffer_waiting(&to_client);
    assert_int_equal(answers, TLS_RECORD_IDLE_MOST * (TLS_RECORD_HEAD + 5 + 1 + TLS_RECORD_TAG) +
                                  TLS_RECORD_HEAD + 2 + 1 + TLS_RECORD_TAG);
}

static int failure_at; // the allocation that fails, 1: the next, 0: none

static bool fails(void)
{
    return failure_at > 0 && --failure_at == 0;
}

static void *allocate(size_t size, const char *file, int line)
{
    return fails() ? NULL : malloc(size);
}

static void *reallocate(void *at, size_t size, const char *file, int line)
{
    return fails() ? NULL : realloc(at, size);
}

static void release(void *at, const char *file, int line)
{
    free(at);
}

// None of what waits for the client was sealed with that key at that place.
static void expect_unused(const struct tls_record_way *way)
{
    while (tls_buffer_waiting(&to_client) > 0) {
        struct tls_record other = {.suite = server.suite, .read = *way};
        struct tls_buffer one = {0}, answer = {0};
        const uint8_t *head = to_client.at + to_client.begin;
        size_t size = TLS_RECORD_HEAD + (size_t)(head[3] << 8 | head[4]);
        assert_true(tls_buffer_put(&one, span_of(head, size)));
        assert_int_equal(tls_record_read(&other, &one, &answer, got, sizeof got), 0);
        assert_string_equal(other.error, "a record that is damaged");
        tls_buffer_done(&one);
        tls_buffer_done(&answer);
        tls_buffer_skip(&to_client, size);
    }
}

static void a_change_of_keys_that_fails_uses_no_nonce_twice(void **state)
{
    int failed = 0;
    for (bool done = false; !done; failed += !done) {
        assert_true(failed < 1000);
        tear_down(state);
        start(0x1301);
        struct tls_record_way first = server.write;
        assert_true(tls_record_write(&server, span_text("first"), &to_client));
        expect(&client, "first");
        seal(SEAL_HANDSHAKE, "\x18\x00\x00\x01\x01", 5, 0);
        failure_at = failed + 1;
        assert_int_equal(read_at(&server, sizeof got), 0);
        failure_at = 0;
        done = !server.error;
        expect_unused(&first);
        ERR_clear_error();
    }
    assert_true(failed > 0);
}

static void an_alert_ends_it_without_answer(void **state)
{
    seal(SEAL_ALERT, "\x02\x28", 2, 0);
    assert_int_equal(read_at(&server, sizeof got), 0);
    assert_non_null(server.error);
    assert_int_equal(tls_buffer_waiting(&to_client), 0);
}

static void close_notify_is_seen_after_the_data_and_ends_reading(void **state)
{
    seal(SEAL_DATA, "bye", 3, 0);
    seal(SEAL_ALERT, "\x01\x5a", 2, 0); // user_canceled, which says nothing
    seal(SEAL_ALERT, "\x01\x00", 2, 0);
    seal(SEAL_DATA, "more", 4, 0);
    expect(&server, "bye");
    assert_true(server.closed);
    assert_null(server.error);
    expect(&server, "");
    tls_record_finish(&server, &to_client);
    expect(&client, "");
    assert_true(client.closed);
}

// RFC 8448, section 3: the client's data.
static void the_record_of_rfc_8448_is_opened(void **state)
{
    static const uint8_t secret[] = {0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d,
                                     0xc0, 0x5a, 0xf8, 0x88, 0x9b, 0xce, 0x65, 0x52,
                                     0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf, 0x00, 0x87,
                                     0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5};
    static const uint8_t sealed[] = {
        0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94, 0xd0, 0xaf, 0xfa,
        0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea, 0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc,
        0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8, 0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20,
        0x44, 0x1e, 0x2b, 0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
        0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4};
    server = (struct tls_record){0};
    memcpy(server.secrets.client, secret, sizeof secret);
    assert_true(tls_record_start(&server, tls_suite_find(0x1301)));
    assert_true(tls_buffer_put(&to_server, span_of(sealed, sizeof sealed)));
    assert_int_equal(read_at(&server, sizeof got), 50);
    for (int i = 0; i < 50; i++)
        assert_int_equal(got[i], i);
}

static void data_goes_both_ways_under_every_suite(void **state)
{
    for (uint16_t suite = 0x1301; suite <= 0x1303; suite++) {
        start(suite);
        for (int i = 0; i < 3; i++) {
            seal(SEAL_DATA, "hello", 5, (size_t)i * 100);
            seal(SEAL_DATA, "", 0, (size_t)i);
            expect(&server, "hello");
            assert_true(tls_record_write(&server, span_text("welcome"), &to_client));
            expect(&client, "welcome");
        }
    }
}

static void what_there_is_no_room_for_waits(void **state)
{
    seal(SEAL_DATA, "hello", 5, 3);
    seal(SEAL_DATA, "world", 5, 0);
    assert_int_equal(read_at(&server, 2), 2);
    assert_memory_equal(got, "he", 2);
    assert_int_equal(read_at(&server, 4), 4);
    assert_memory_equal(got, "llow", 4);
    expect(&server, "orld");
    assert_null(to_server.at);
}

static void a_record_in_pieces_is_as_good_as_whole(void **state)
{
    seal(SEAL_DATA, "hello", 5, 0);
    struct tls_buffer whole = to_server;
    to_server = (struct tls_buffer){0};
    for (size_t i = 0; i < whole.end; i++) {
        expect(&server, "");
        assert_true(tls_buffer_put(&to_server, span_of(whole.at + i, 1)));
    }
    expect(&server, "hello");
    tls_buffer_done(&whole);
}

static void keys_are_changed_as_the_client_asks(void **state)
{
    uint8_t before[TLS_KEY_MOST];
    for (int i = 0; i < 3; i++) {
        memcpy(before, server.write.key, sizeof before);
        assert_true(tls_record_write(&server, span_text("old"), &to_client));
        client.write.sequence = TLS_RECORD_KEY_MOST; // it announces its own and changes
        server.read.sequence = TLS_RECORD_KEY_MOST;
        assert_true(tls_record_write(&client, span_text("new"), &to_server));
        assert_int_equal(client.write.sequence, 1);
        expect(&server, "new");
        assert_memory_equal(before, server.write.key, sizeof before); // it did not ask for ours
        expect(&client, "old");
    }
    seal(SEAL_HANDSHAKE, "\x18\x00\x00\x01\x01", 5, 0); // it asks
    expect(&server, "");
    assert_memory_not_equal(before, server.write.key, sizeof before);
    assert_true(tls_record_write(&server, span_text("changed"), &to_client));
    expect(&client, "changed");
}

static void a_key_is_changed_before_it_has_sealed_too_much(void **state)
{
    server.write.sequence = client.read.sequence = TLS_RECORD_KEY_MOST - 1;
    assert_true(tls_record_write(&server, span_text("last "), &to_client));
    assert_true(tls_record_write(&server, span_text("first"), &to_client));
    assert_int_equal(server.write.sequence, 1);
    expect(&client, "last first");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_damaged_record_ends_it),
        TEST(a_record_in_the_clear_ends_it),
        TEST(a_record_of_another_place_ends_it),
        TEST(records_of_wrong_sizes_end_it),
        TEST(more_data_than_a_record_may_hold_ends_it),
        TEST(a_record_of_padding_alone_ends_it),
        TEST(handshake_messages_but_key_updates_end_it),
        TEST(a_key_update_of_an_unknown_kind_ends_it),
        TEST(alerts_of_wrong_sizes_end_it),
        TEST(records_that_bring_nothing_may_be_few),
        TEST(a_flood_of_key_updates_ends_it),
        TEST(a_change_of_keys_that_fails_uses_no_nonce_twice),
        TEST(an_alert_ends_it_without_answer),
        TEST(close_notify_is_seen_after_the_data_and_ends_reading),
        TEST(the_record_of_rfc_8448_is_opened),
        TEST(data_goes_both_ways_under_every_suite),
        TEST(what_there_is_no_room_for_waits),
        TEST(a_record_in_pieces_is_as_good_as_whole),
        TEST(keys_are_changed_as_the_client_asks),
        TEST(a_key_is_changed_before_it_has_sealed_too_much),
    };
    // OpenSSL takes them before it has allocated anything, or never.
    if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

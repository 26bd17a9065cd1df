// SPDX-License-Identifier: BSD-3-Clause
#include "support/memory_scan.h"
#include "tls_peer.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct tls_tickets *tickets;
static struct tls_context *context;
static struct tls *tls;
static struct peer peer;

static int set_up_all(void **state)
{
    char text[256];
    const char *what;
    struct policy *policy = calloc(1, sizeof *policy);
    peer_init();
    peer_certificate(policy, "mail", PEER_EC, "mail.example.net");
    tickets = tls_tickets_open(0);
    context = tls_context_build(policy, tickets, text, sizeof text, &what);
    peer_done();
    free(policy);
    return context ? 0 : -1;
}

static int tear_down_all(void **state)
{
    tls_context_free(context);
    tls_tickets_shut(tickets);
    return 0;
}

static int set_up(void **state)
{
    tls = tls_open(context, PROTOCOL_IMAP);
    peer = (struct peer){0};
    return tls ? 0 : -1;
}

static int tear_down(void **state)
{
    bool clean = ERR_peek_error() == 0;
    tls_close(tls);
    if (peer.ssl)
        peer_close(&peer);
    return clean ? 0 : -1;
}

static void connect_with(int version)
{
    peer_open(&peer, version, NULL, NULL);
    peer_pump(&peer, tls, 0);
    assert_true(peer_is_connected(&peer));
    assert_int_equal(tls_step(tls), TLS_OPEN);
}

static void reads(const char *expected, enum tls_state state)
{
    uint8_t buffer[64];
    enum tls_state now;
    size_t got = tls_read(tls, buffer, sizeof buffer, &now);
    assert_true(span_equal(span_of(buffer, got), span_text(expected)));
    assert_int_equal(now, state);
}

static void fails_on(struct span bytes)
{
    assert_int_equal(tls_feed(tls, bytes), bytes.size);
    assert_int_equal(tls_step(tls), TLS_FAILED);
    assert_string_not_equal(tls_error_text(tls), "");
    assert_int_equal(ERR_peek_error(), 0);
    reads("", TLS_FAILED);
    assert_int_equal(tls_write(tls, span_text("x")), 0);
    assert_int_equal(tls_feed(tls, span_text("more")), 4);
    tls_finish(tls);
    assert_int_equal(tls_step(tls), TLS_FAILED);
}

static void plaintext_http_fails(void **state)
{
    fails_on(span_text("GET / HTTP/1.1\r\nHost: mail.example.net\r\n\r\n"));
}

static void a_plaintext_mail_command_fails(void **state)
{
    fails_on(span_text("a1 LOGIN alice wonderland\r\n"));
}

static void random_bytes_fail(void **state)
{
    uint8_t bytes[256];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 151 + 7);
    fails_on(span_of(bytes, sizeof bytes));
}

static void a_record_over_its_limit_fails(void **state)
{
    fails_on(span_of("\x16\x03\x01\xff\xff\x01\x00\xff", 8));
}

static void old_versions_fail(void **state)
{
    peer_open(&peer, 2, NULL, NULL);
    SSL_set_min_proto_version(peer.ssl, TLS1_VERSION);
    SSL_set_max_proto_version(peer.ssl, TLS1_1_VERSION);
    SSL_set_security_level(peer.ssl, 0);
    peer_pump(&peer, tls, 0);
    assert_false(peer_is_connected(&peer));
    assert_int_equal(tls_step(tls), TLS_FAILED);
}

static void foreign_ciphers_and_groups_fail(void **state)
{
    peer_open(&peer, 2, NULL, NULL);
    SSL_set_cipher_list(peer.ssl, "ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256");
    peer_pump(&peer, tls, 0);
    assert_int_equal(tls_step(tls), TLS_FAILED);
    tear_down(state);
    set_up(state);
    peer_open(&peer, 3, NULL, NULL);
    SSL_set1_groups_list(peer.ssl, "P-521");
    peer_pump(&peer, tls, 0);
    assert_int_equal(tls_step(tls), TLS_FAILED);
}

static void a_damaged_record_fails_and_sends_an_alert(void **state)
{
    uint8_t record[256];
    connect_with(3);
    SSL_write(peer.ssl, "hello", 5);
    size_t size = peer_take(&peer, record, sizeof record);
    record[size - 1] ^= 1;
    assert_int_equal(tls_feed(tls, span_of(record, size)), size);
    reads("", TLS_FAILED);
    assert_true(tls_output(tls).size > 0);
}

static void alpn_of_another_protocol_is_refused(void **state)
{
    static const struct {
        enum protocol protocol;
        const char *offer;
        bool want_open;
    } cases[] = {
        {PROTOCOL_IMAP, "\x08http/1.1", false},
        {PROTOCOL_IMAP, "\x04pop3", false},
        {PROTOCOL_IMAP, "\x04imap", true},
        {PROTOCOL_IMAP, "\x02h2\x04imap", true},
        {PROTOCOL_POP3, "\x04pop3", true},
        {PROTOCOL_POP3, "\x04imap", false},
        {PROTOCOL_SMTP, "\x04smtp", false},
        {PROTOCOL_SMTP, NULL, true},
        {PROTOCOL_IMAP, NULL, true},
        {PROTOCOL_IMAP, "\x05imapx", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int version = 2; version <= 3; version++) {
            tear_down(state);
            tls = tls_open(context, cases[i].protocol);
            peer_open(&peer, version, NULL, cases[i].offer);
            peer_pump(&peer, tls, 0);
            assert_int_equal(tls_step(tls), cases[i].want_open ? TLS_OPEN : TLS_FAILED);
        }
}

static void truncated_handshakes_stay_open_and_free_cleanly(void **state)
{
    uint8_t hello[2048];
    peer_open(&peer, 3, NULL, NULL);
    SSL_do_handshake(peer.ssl);
    size_t size = peer_take(&peer, hello, sizeof hello);
    for (size_t cut = 0; cut < size; cut++) {
        tls_close(tls);
        tls = tls_open(context, PROTOCOL_IMAP);
        assert_int_equal(tls_feed(tls, span_of(hello, cut)), cut);
        assert_int_equal(tls_step(tls), TLS_HANDSHAKING);
        assert_int_equal(tls_output(tls).size, 0);
        assert_int_equal(tls_write(tls, span_text("x")), 0);
    }
    ERR_clear_error();
}

static void renegotiation_is_refused(void **state)
{
    uint8_t byte;
    connect_with(2);
    SSL_renegotiate(peer.ssl);
    SSL_do_handshake(peer.ssl);
    for (size_t got; (got = peer_take(&peer, &byte, 1)) == 1;)
        tls_feed(tls, span_of(&byte, 1));
    reads("", TLS_OPEN); // a warning alert, and the session goes on
    struct span alert = tls_output(tls);
    assert_true(alert.size > 0);
    assert_int_equal(alert.at[0], 21);
    ERR_clear_error();
}

static void a_flood_of_renegotiations_does_not_grow_the_output(void **state)
{
    static uint8_t bytes[8192];
    connect_with(2);
    enum tls_state now = TLS_OPEN;
    for (int i = 0; i < 2000 && now == TLS_OPEN; i++) {
        SSL_renegotiate(peer.ssl);
        SSL_do_handshake(peer.ssl);
        size_t size = peer_take(&peer, bytes, sizeof bytes);
        tls_feed(tls, span_of(bytes, size));
        tls_read(tls, bytes, sizeof bytes, &now);
    }
    assert_true(tls_output(tls).size < 34 * 1024);
    ERR_clear_error();
}

static void both_versions_carry_bytes_both_ways(void **state)
{
    for (int version = 2; version <= 3; version++) {
        struct tls_facts facts;
        char answer[16];
        tear_down(state);
        set_up(state);
        connect_with(version);
        tls_facts(tls, &facts);
        assert_int_equal(facts.version, version);
        assert_string_equal(facts.server_name, "");
        assert_false(facts.resumed);
        assert_non_null(strstr(facts.cipher, version == 3 ? "TLS_" : "ECDHE"));
        reads("", TLS_OPEN);
        SSL_write(peer.ssl, "hello", 5);
        peer_pump(&peer, tls, 0);
        reads("hello", TLS_OPEN);
        assert_int_equal(tls_write(tls, span_text("welcome")), 7);
        peer_pump(&peer, tls, 0);
        assert_int_equal(SSL_read(peer.ssl, answer, sizeof answer), 7);
        assert_memory_equal(answer, "welcome", 7);
    }
}

static void keys_may_be_changed_by_the_client(void **state)
{
    char answer[16];
    connect_with(3);
    for (int i = 0; i < 4; i++) {
        int kind = i & 1 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
        assert_int_equal(SSL_key_update(peer.ssl, kind), 1);
        SSL_write(peer.ssl, "hello", 5);
        peer_pump(&peer, tls, 0);
        reads("hello", TLS_OPEN);
        assert_int_equal(tls_write(tls, span_text("welcome")), 7);
        peer_pump(&peer, tls, 0);
        assert_int_equal(SSL_read(peer.ssl, answer, sizeof answer), 7);
        assert_memory_equal(answer, "welcome", 7);
    }
}

static void byte_by_byte_is_as_good_as_at_once(void **state)
{
    for (int version = 2; version <= 3; version++) {
        tear_down(state);
        set_up(state);
        peer_open(&peer, version, "mail.example.net", "\x04imap");
        peer_pump(&peer, tls, 1);
        assert_true(peer_is_connected(&peer));
        SSL_write(peer.ssl, "hello", 5);
        peer_pump(&peer, tls, 1);
        reads("hello", TLS_OPEN);
        struct tls_facts facts;
        tls_facts(tls, &facts);
        assert_string_equal(facts.server_name, "mail.example.net");
    }
}

static void data_with_the_last_handshake_flight_is_not_lost(void **state)
{
    uint8_t flight[4096];
    peer_open(&peer, 3, NULL, NULL);
    SSL_do_handshake(peer.ssl);
    size_t size = peer_take(&peer, flight, sizeof flight);
    tls_feed(tls, span_of(flight, size));
    assert_int_equal(tls_step(tls), TLS_HANDSHAKING);
    struct span out = tls_output(tls);
    BIO_write(SSL_get_rbio(peer.ssl), out.at, (int)out.size);
    tls_output_sent(tls, out.size);
    assert_int_equal(SSL_do_handshake(peer.ssl), 1);
    SSL_write(peer.ssl, "early bird", 10);
    size = peer_take(&peer, flight, sizeof flight);
    assert_int_equal(tls_feed(tls, span_of(flight, size)), size);
    assert_int_equal(tls_step(tls), TLS_OPEN);
    reads("early bird", TLS_OPEN);
}

// Pieces of any size, each way, with changes of keys among them and records cut anywhere.
static void exchange(unsigned seed)
{
    static uint8_t data[40000], got[sizeof data];
    size_t sent = 0, seen = 0, answered = 0, heard = 0;
    enum tls_state now;
    srand(seed);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
    for (int turn = 0; turn < 1000 && (seen < sizeof data || heard < sizeof data); turn++) {
        size_t size = (size_t)(rand() % 5000 + 1), most = sizeof data - sent;
        if (rand() % 4 == 0)
            assert_int_equal(SSL_key_update(peer.ssl, rand() % 2), 1);
        if (most > 0)
            SSL_write(peer.ssl, data + sent, (int)(size < most ? size : most));
        sent += size < most ? size : most;
        uint8_t buffer[3000];
        for (size_t n; (n = peer_take(&peer, buffer, (size_t)(rand() % 3000 + 1))) > 0;) {
            assert_int_equal(tls_feed(tls, span_of(buffer, n)), n);
            size_t room = sizeof got - seen, wanted = (size_t)(rand() % 3000 + 1);
            seen += tls_read(tls, got + seen, wanted < room ? wanted : room, &now);
            assert_int_equal(now, TLS_OPEN);
        }
        seen += tls_read(tls, got + seen, sizeof got - seen, &now);
        size = (size_t)(rand() % 5000 + 1), most = sizeof data - answered;
        answered += tls_write(tls, span_of(data + answered, size < most ? size : most));
        struct span out = span_head(tls_output(tls), (size_t)(rand() % 9000));
        BIO_write(SSL_get_rbio(peer.ssl), out.at, (int)out.size);
        tls_output_sent(tls, out.size);
        static uint8_t back[sizeof data];
        for (int n; (n = SSL_read(peer.ssl, back + heard, (int)(sizeof back - heard))) > 0;)
            heard += (size_t)n;
        ERR_clear_error();
        assert_memory_equal(back, data, heard);
    }
    assert_int_equal(seen, sizeof data);
    assert_int_equal(heard, sizeof data);
    assert_memory_equal(got, data, sizeof data);
}

static void expect_one_binding(void)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    uint8_t ours[TLS_BINDING], theirs[TLS_BINDING];
    assert_true(tls_binding(tls, ours));
    assert_int_equal(SSL_export_keying_material(peer.ssl, theirs, sizeof theirs, label,
                                                sizeof label - 1, (const uint8_t *)"", 0, 1),
                     1); // RFC 9266: the context is a zero-length string
    assert_memory_equal(ours, theirs, sizeof ours);
}

static void every_suite_group_and_resumption_speaks_with_openssl(void **state)
{
    static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                         "TLS_CHACHA20_POLY1305_SHA256"};
    static const char *const groups[] = {"X25519", "P-256", "P-384:X25519"}; // the last: again
    for (unsigned i = 0; i < 18; i++) {
        SSL_SESSION *ticket = i % 2 ? peer.session : NULL; // of the session before
        if (ticket)
            peer.session = NULL;
        tear_down(state);
        set_up(state);
        peer_open(&peer, 3, NULL, NULL);
        SSL_set_ciphersuites(peer.ssl, suites[i / 6]);
        assert_int_equal(SSL_set1_groups_list(peer.ssl, groups[i / 2 % 3]), 1);
        if (i % 2)
            assert_int_equal(SSL_set_session(peer.ssl, ticket), 1);
        SSL_SESSION_free(ticket);
        peer_pump(&peer, tls, 0);
        assert_int_equal(tls_step(tls), TLS_OPEN);
        struct tls_facts facts;
        tls_facts(tls, &facts);
        assert_string_equal(facts.cipher, suites[i / 6]);
        assert_int_equal(facts.resumed, i % 2);
        exchange(i + 1);
        expect_one_binding();
    }
}

static void records_are_as_small_as_the_client_wants_them(void **state)
{
    static uint8_t data[5000], got[sizeof data];
    size_t seen = 0;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
    peer_open(&peer, 3, NULL, NULL);
    SSL_set_tlsext_max_fragment_length(peer.ssl, TLSEXT_max_fragment_length_512);
    peer_pump(&peer, tls, 0);
    assert_int_equal(tls_step(tls), TLS_OPEN);
    assert_int_equal(tls_write(tls, span_of(data, sizeof data)), sizeof data);
    peer_pump(&peer, tls, 0);
    for (int n; (n = SSL_read(peer.ssl, got + seen, (int)(sizeof got - seen))) > 0;)
        seen += (size_t)n;
    ERR_clear_error();
    assert_int_equal(seen, sizeof got);
    assert_memory_equal(got, data, sizeof got);
}

static void a_megabyte_comes_through_within_bounded_memory(void **state)
{
    static uint8_t data[1 << 20], got[1 << 20];
    size_t written = 0, seen = 0;
    connect_with(3);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
    for (int turn = 0; turn < 10000 && seen < sizeof got; turn++) {
        written += tls_write(tls, span_of(data + written, sizeof data - written));
        struct span out = tls_output(tls);
        assert_true(out.size <= (32 + 17) * 1024);
        out = span_head(out, 1460 * 10);
        BIO_write(SSL_get_rbio(peer.ssl), out.at, (int)out.size);
        tls_output_sent(tls, out.size);
        for (int n; (n = SSL_read(peer.ssl, got + seen, (int)(sizeof got - seen))) > 0;)
            seen += (size_t)n;
    }
    assert_int_equal(seen, sizeof got);
    assert_memory_equal(data, got, sizeof got);
    ERR_clear_error();
}

static void nothing_is_taken_while_too_much_waits(void **state)
{
    static uint8_t data[64 * 1024];
    connect_with(3);
    size_t taken = tls_write(tls, span_of(data, sizeof data));
    assert_true(taken >= 32 * 1024 && taken < sizeof data);
    assert_int_equal(tls_write(tls, span_of(data, sizeof data)), 0);
    tls_output_sent(tls, tls_output(tls).size);
    assert_true(tls_write(tls, span_text("x")) == 1);
}

static void input_is_not_taken_without_bound(void **state)
{
    static uint8_t data[64 * 1024], plain[64 * 1024];
    connect_with(3);
    for (int i = 0; i < 4; i++)
        SSL_write(peer.ssl, plain, 12000);
    size_t size = peer_take(&peer, data, sizeof data);
    size_t taken = tls_feed(tls, span_of(data, size));
    assert_true(taken < 20 * 1024);
    assert_int_equal(tls_feed(tls, span_of(data + taken, size - taken)), 0);
    enum tls_state now;
    size_t got = 0;
    for (int i = 0; i < 100 && got < 48000; i++) {
        got += tls_read(tls, plain, 1000, &now);
        taken += tls_feed(tls, span_of(data + taken, size - taken));
    }
    assert_int_equal(got, 48000);
    assert_int_equal(taken, size);
}

static void close_notify_of_the_peer_is_seen_after_its_data(void **state)
{
    for (int version = 2; version <= 3; version++) {
        tear_down(state);
        set_up(state);
        connect_with(version);
        SSL_write(peer.ssl, "bye", 3);
        SSL_shutdown(peer.ssl);
        peer_pump(&peer, tls, 0);
        reads("bye", TLS_PEER_CLOSED);
        reads("", TLS_PEER_CLOSED);
        assert_int_equal(tls_feed(tls, span_text("after the end")), 13);
        tls_finish(tls);
        assert_true(tls_output(tls).size > 0);
        ERR_clear_error();
    }
}

static void our_close_notify_is_sent_once_and_ends_writing(void **state)
{
    connect_with(3);
    tls_finish(tls);
    size_t once = tls_output(tls).size;
    assert_true(once > 0);
    tls_finish(tls);
    assert_int_equal(tls_output(tls).size, once);
    assert_int_equal(tls_write(tls, span_text("late")), 0);
    SSL_write(peer.ssl, "still here", 10);
    peer_pump(&peer, tls, 0);
    reads("still here", TLS_OPEN);
    assert_int_equal(SSL_read(peer.ssl, (char[4]){0}, 4), 0);
    assert_int_equal(SSL_get_shutdown(peer.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    ERR_clear_error();
}

static void client_writes_a_secret(size_t size)
{
    uint8_t *secret = malloc(size);
    memory_secret(secret, size);
    assert_int_equal(SSL_write(peer.ssl, secret, (int)size), size);
    explicit_bzero(secret, size);
    free(secret);
    peer_pump(&peer, tls, 0);
}

static void what_nobody_has_read_is_in_no_memory_after_the_end(void **state)
{
    static const uint8_t more[12000];
    for (int version = 2; version <= 3; version++) {
        uint8_t first;
        enum tls_state now;
        connect_with(version);
        client_writes_a_secret(4 * MEMORY_SECRET_MIN);
        assert_false(memory_has_secret());
        assert_int_equal(tls_read(tls, &first, 1, &now), 1); // now all of it is decrypted
        assert_int_equal(SSL_write(peer.ssl, more, sizeof more), sizeof more);
        peer_pump(&peer, tls, 0);
        assert_true(memory_has_secret());
        tls_close(tls);
        tls = NULL;
        assert_false(memory_has_secret());
        peer_close(&peer);
        assert_int_equal(set_up(state), 0);
    }
}

static void finishing_a_handshake_does_nothing(void **state)
{
    tls_finish(tls);
    assert_int_equal(tls_output(tls).size, 0);
    assert_int_equal(tls_step(tls), TLS_HANDSHAKING);
    reads("", TLS_HANDSHAKING);
}

static void tickets_resume_sessions(void **state)
{
    for (int version = 2; version <= 3; version++) {
        struct tls_facts facts;
        tear_down(state);
        set_up(state);
        connect_with(version);
        SSL_SESSION *ticket = peer.session;
        assert_non_null(ticket);
        assert_int_equal(SSL_SESSION_get_max_early_data(ticket), 0);
        peer.session = NULL;
        tear_down(state);
        set_up(state);
        peer_open(&peer, version, NULL, NULL);
        assert_int_equal(SSL_set_session(peer.ssl, ticket), 1);
        SSL_SESSION_free(ticket);
        peer_pump(&peer, tls, 0);
        assert_int_equal(tls_step(tls), TLS_OPEN);
        tls_facts(tls, &facts);
        assert_true(facts.resumed);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void both_ends_have_one_binding_under_tls_1_3_alone(void **state)
{
    uint8_t ours[TLS_BINDING];
    assert_false(tls_binding(tls, ours)); // no handshake yet
    connect_with(3);
    assert_true(tls_binding(tls, NULL));
    expect_one_binding();
}

static void tls_1_2_has_no_binding(void **state)
{
    uint8_t ours[TLS_BINDING];
    connect_with(2);
    assert_false(tls_binding(tls, ours));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plaintext_http_fails),
        TEST(a_plaintext_mail_command_fails),
        TEST(random_bytes_fail),
        TEST(a_record_over_its_limit_fails),
        TEST(old_versions_fail),
        TEST(foreign_ciphers_and_groups_fail),
        TEST(a_damaged_record_fails_and_sends_an_alert),
        TEST(alpn_of_another_protocol_is_refused),
        TEST(truncated_handshakes_stay_open_and_free_cleanly),
        TEST(renegotiation_is_refused),
        TEST(a_flood_of_renegotiations_does_not_grow_the_output),
        TEST(both_versions_carry_bytes_both_ways),
        TEST(keys_may_be_changed_by_the_client),
        TEST(byte_by_byte_is_as_good_as_at_once),
        TEST(data_with_the_last_handshake_flight_is_not_lost),
        TEST(every_suite_group_and_resumption_speaks_with_openssl),
        TEST(records_are_as_small_as_the_client_wants_them),
        TEST(a_megabyte_comes_through_within_bounded_memory),
        TEST(nothing_is_taken_while_too_much_waits),
        TEST(input_is_not_taken_without_bound),
        TEST(close_notify_of_the_peer_is_seen_after_its_data),
        TEST(our_close_notify_is_sent_once_and_ends_writing),
        TEST(what_nobody_has_read_is_in_no_memory_after_the_end),
        TEST(finishing_a_handshake_does_nothing),
        TEST(tickets_resume_sessions),
        TEST(both_ends_have_one_binding_under_tls_1_3_alone),
        TEST(tls_1_2_has_no_binding),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}

// SPDX-License-Identifier: BSD-3-Clause
/* Against the exchange of RFC 7677, section 3, with our nonce in the place of its server's. */
#include "lookup/scram_server.h"

#include "base/base64.h"

#include <nettle/hmac.h>
#include <nettle/pbkdf2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"

// 18 bytes whose base64 is the RFC's server nonce, but for its dashes and percent signs.
static const uint8_t our_nonce[SCRAM_NONCE_BYTES] = "eighteen bytes ok";
static const uint8_t binding[SASL_BINDING] = "the channel";
static struct password_scram keys;
static struct scram_server scram;

static void hmac_of(const uint8_t *key, const char *text, uint8_t *out)
{
    struct hmac_sha256_ctx hmac;
    hmac_sha256_set_key(&hmac, SCRAM_KEY, key);
    hmac_sha256_update(&hmac, strlen(text), (const uint8_t *)text);
    hmac_sha256_digest(&hmac, SCRAM_KEY, out);
}

static void client_key(const char *password, uint8_t ret_salted[SCRAM_KEY],
                       uint8_t ret_key[SCRAM_KEY], uint8_t ret_stored[SCRAM_KEY])
{
    struct sha256_ctx hash;
    pbkdf2_hmac_sha256(strlen(password), (const uint8_t *)password, keys.iterations, keys.salt_size,
                       keys.salt, SCRAM_KEY, ret_salted);
    hmac_of(ret_salted, "Client Key", ret_key);
    sha256_init(&hash);
    sha256_update(&hash, SCRAM_KEY, ret_key);
    sha256_digest(&hash, SCRAM_KEY, ret_stored);
}

static int make_keys(void **state)
{
    uint8_t salted[SCRAM_KEY], key[SCRAM_KEY];
    keys = (struct password_scram){.iterations = 4096};
    keys.salt_size =
        (uint8_t)base64_decode(span_text("W22ZaJ0SNY7soEsUEjb6gQ=="), keys.salt, SCRAM_SALT_MAX);
    client_key("pencil", salted, key, keys.stored_key);
    hmac_of(salted, "Server Key", keys.server_key);
    return 0;
}

static bool begins(enum mechanism mechanism, const char *first, const uint8_t *channel)
{
    return scram_server_begin(&scram, mechanism, span_text(first), channel);
}

// The client's last message, as a client with that password makes it; `channel` is what c= says.
static struct span last_of(const char *password, struct span channel, const char *nonce,
                           const char *extension)
{
    static char text[2048];
    char bare[1024], encoded[512], message[4096], proof[BASE64_SIZE(SCRAM_KEY)];
    uint8_t salted[SCRAM_KEY], key[SCRAM_KEY], stored[SCRAM_KEY], signature[SCRAM_KEY];
    base64_encode(channel, encoded);
    snprintf(text, sizeof text, "c=%s,r=%s%s", encoded, nonce, extension);
    snprintf(bare, sizeof bare, "%.*s", scram.bare_size, scram.bare);
    snprintf(message, sizeof message, "%s,%.*s,%s", bare, scram.first_size, scram.first, text);
    client_key(password, salted, key, stored);
    hmac_of(stored, message, signature);
    for (int i = 0; i < SCRAM_KEY; i++)
        key[i] ^= signature[i];
    base64_encode(span_of(key, sizeof key), proof);
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, ",p=%s", proof);
    return span_text(text);
}

static const char *nonce_of(void)
{
    static char text[512];
    snprintf(text, sizeof text, "%.*s", scram.nonce_size, scram.first + 2);
    return text;
}

static bool judges(struct span last)
{
    uint8_t said[SCRAM_LAST_SIZE];
    return scram_server_judge(&scram, &keys, last, said);
}

static void first_messages_against_the_grammar_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "n,,",
        "n=user,r=x",
        "n,,n=user",
        "n,,n=user,r=",
        "n,,r=x,n=user",
        "n,,m=ext,n=user,r=x",
        "n,,n=us\x01,r=x",
        "n,,n=user,r=x\x01",
        "n,a=other,n=user,r=x", // nobody acts for somebody else
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(begins(MECHANISM_SCRAM_SHA_256, texts[i], NULL));
    assert_true(begins(MECHANISM_SCRAM_SHA_256, FIRST, NULL));
    assert_true(begins(MECHANISM_SCRAM_SHA_256, "n,a=User,n=user,r=x,ext=1", NULL));
}

static void nonces_end_at_their_limit(void **state)
{
    char text[SCRAM_CLIENT_NONCE_MAX + 32] = "n,,n=user,r=";
    size_t head = strlen(text);
    memset(text + head, 'x', SCRAM_CLIENT_NONCE_MAX);
    assert_true(begins(MECHANISM_SCRAM_SHA_256, text, NULL));
    keys.salt_size = SCRAM_SALT_MAX;
    keys.iterations = UINT32_MAX;
    scram_server_challenge(&scram, &keys, our_nonce); // the longest
    assert_true(scram.first_size < SCRAM_FIRST_MAX);
    text[head + SCRAM_CLIENT_NONCE_MAX] = 'x';
    assert_false(begins(MECHANISM_SCRAM_SHA_256, text, NULL));
}

static void a_client_that_was_told_less_than_we_offer_is_refused(void **state)
{
    assert_false(begins(MECHANISM_SCRAM_SHA_256, "y,,n=user,r=x", binding));
    assert_true(begins(MECHANISM_SCRAM_SHA_256, "y,,n=user,r=x", NULL));
    assert_true(begins(MECHANISM_SCRAM_SHA_256, "n,,n=user,r=x", binding));
    assert_false(begins(MECHANISM_SCRAM_SHA_256, "p=tls-exporter,,n=user,r=x", binding));
    assert_false(begins(MECHANISM_SCRAM_SHA_256_PLUS, "n,,n=user,r=x", binding));
    assert_false(begins(MECHANISM_SCRAM_SHA_256_PLUS, "y,,n=user,r=x", binding));
    assert_false(begins(MECHANISM_SCRAM_SHA_256_PLUS, "p=tls-unique,,n=user,r=x", binding));
    assert_false(begins(MECHANISM_SCRAM_SHA_256_PLUS, "p=tls-exporter,,n=user,r=x", NULL));
    assert_true(begins(MECHANISM_SCRAM_SHA_256_PLUS, "p=tls-exporter,,n=user,r=x", binding));
}

static void last_messages_that_prove_nothing_are_refused(void **state)
{
    assert_true(begins(MECHANISM_SCRAM_SHA_256, FIRST, NULL));
    scram_server_challenge(&scram, &keys, our_nonce);
    const char *nonce = nonce_of();
    struct span header = span_text("n,,");
    assert_true(judges(last_of("pencil", header, nonce, "")));
    assert_false(judges(last_of("Pencil", header, nonce, "")));
    assert_false(judges(last_of("pencil", span_text("y,,"), nonce, "")));
    assert_false(judges(last_of("pencil", header, "rOprNGfwEbeRWgbNEkqO", "")));
    assert_false(judges(last_of("pencil", span_text(""), nonce, "")));
    assert_true(judges(last_of("pencil", header, nonce, ",x=1,y=2")));
    static const char *const texts[] = {"",
                                        "c=",
                                        "c=biws",
                                        "c=biws,r=x",
                                        "p=AAAA",
                                        "c=biws,r=x,p=",
                                        "c=biws,r=x,p=AAAA",
                                        ",,,",
                                        "r=x,c=biws,p=AAAA"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(judges(span_text(texts[i])));
    struct span cut = last_of("pencil", header, nonce, "");
    for (size_t i = 0; i < cut.size; i++)
        assert_false(judges(span_head(cut, i)));
}

static void another_channel_is_refused(void **state)
{
    uint8_t channel[64] = "p=tls-exporter,,";
    size_t head = strlen((const char *)channel);
    assert_true(begins(MECHANISM_SCRAM_SHA_256_PLUS, "p=tls-exporter,,n=user,r=abc", binding));
    scram_server_challenge(&scram, &keys, our_nonce);
    const char *nonce = nonce_of();
    memcpy(channel + head, binding, sizeof binding);
    struct span whole = span_of(channel, head + sizeof binding);
    assert_true(judges(last_of("pencil", whole, nonce, "")));
    assert_false(judges(last_of("pencil", span_head(whole, head), nonce, "")));
    channel[head] ^= 1;
    assert_false(judges(last_of("pencil", whole, nonce, "")));
}

// The RFC's own, whose nonces and messages we may put in by hand.
static void the_exchange_of_the_rfc_is_right(void **state)
{
    static const char server_first[] = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                       "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    static const char last[] = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                               "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    uint8_t said[SCRAM_LAST_SIZE];
    assert_true(begins(MECHANISM_SCRAM_SHA_256, FIRST, NULL));
    memcpy(scram.first, server_first, sizeof server_first - 1);
    scram.first_size = sizeof server_first - 1;
    scram.nonce_size = (uint16_t)(span_find(span_text(server_first), ',') - 2);
    assert_true(scram_server_judge(&scram, &keys, span_text(last), said));
    assert_memory_equal(said, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", sizeof said);
}

static void the_challenge_has_both_nonces_salt_and_iterations(void **state)
{
    assert_true(begins(MECHANISM_SCRAM_SHA_256, FIRST, NULL));
    scram_server_challenge(&scram, &keys, our_nonce);
    assert_true(span_equal(span_of(scram.first, scram.first_size),
                           span_text("r=rOprNGfwEbeRWgbNEkqOZWlnaHRlZW4gYnl0ZXMgb2sA,"
                                     "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")));
}

#define KEYS_TEST(name) cmocka_unit_test_setup(name, make_keys)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEYS_TEST(first_messages_against_the_grammar_are_refused),
        KEYS_TEST(nonces_end_at_their_limit),
        KEYS_TEST(a_client_that_was_told_less_than_we_offer_is_refused),
        KEYS_TEST(last_messages_that_prove_nothing_are_refused),
        KEYS_TEST(another_channel_is_refused),
        KEYS_TEST(the_exchange_of_the_rfc_is_right),
        KEYS_TEST(the_challenge_has_both_nonces_salt_and_iterations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

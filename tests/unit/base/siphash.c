// SPDX-License-Identifier: BSD-3-Clause
#include "base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Key 00 01 … 0f, message 00 01 … (n - 1), as in the paper's appendix and the authors' vectors.
static const struct siphash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};

static void it_gives_the_authors_vectors(void **state)
{
    static const struct {
        size_t size;
        uint64_t hash;
    } vectors[] = {
        {0, 0x726fdb47dd0e0e31u},  {1, 0x74f839c593dc67fdu},  {7, 0xab0200f58b01d137u},
        {8, 0x93f5f5799a932462u},  {15, 0xa129ca6149be45e5u}, {16, 0x3f2acc7f57c29bdbu},
        {63, 0x958a324ceb064572u},
    };
    uint8_t message[64];
    for (unsigned i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)i;
    for (unsigned i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        assert_true(siphash(&key, message, vectors[i].size) == vectors[i].hash);
}

static void alignment_does_not_matter(void **state)
{
    static const char text[] = "a text of some length";
    char *room = malloc(64);
    assert_non_null(room);
    uint64_t hash = siphash(&key, text, sizeof text);
    for (unsigned shift = 0; shift < 9; shift++) {
        memcpy(room + shift, text, sizeof text);
        assert_true(siphash(&key, room + shift, sizeof text) == hash);
    }
    free(room);
}

static void each_half_of_the_key_counts(void **state)
{
    struct siphash_key other = key;
    other.word[0] ^= 1;
    assert_true(siphash(&key, "x", 1) != siphash(&other, "x", 1));
    other = key;
    other.word[1] ^= UINT64_C(1) << 63;
    assert_true(siphash(&key, "x", 1) != siphash(&other, "x", 1));
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(it_gives_the_authors_vectors),
        cmocka_unit_test(alignment_does_not_matter),
        cmocka_unit_test(each_half_of_the_key_counts),
    };
    return cmocka_run_group_tests_name("siphash", cases, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "fuzz/fuzz.h"
#include "lookup/sasl_name.h"
#include "lookup/scram_server.h"

// First byte: the mechanism, and whether the channel has a binding; then the client's two messages,
// parted by LF. Nobody can prove a key that nobody has.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t binding[SASL_BINDING] = {1}, nonce[SCRAM_NONCE_BYTES] = {2};
    static const struct password_scram keys = {
        .iterations = 4096, .salt_size = 16, .stored_key = {3}, .server_key = {4}};
    struct scram_server scram;
    uint8_t last[SCRAM_LAST_SIZE];
    char user[USER_NAME_MAX];
    uint8_t user_size;
    if (size == 0)
        return 0;
    enum mechanism mechanism =
        (enum mechanism)(MECHANISM_NONE + 1 + data[0] % (MECHANISM_COUNT - 1));
    struct span input = span_of(data + 1, size - 1);
    struct span first = span_head(input, span_find(input, '\n'));
    bool found = sasl_name_find(mechanism, first, user, &user_size);
    CHECK(!found || user_size > 0);
    if (!mechanism_is_in(mechanism, MECHANISMS_SCRAM) ||
        !scram_server_begin(&scram, mechanism, first, data[0] & 0x80 ? binding : NULL))
        return 0;
    CHECK(found && span_equal(span_of(user, user_size), span_of(scram.user, scram.user_size)));
    scram_server_challenge(&scram, &keys, nonce);
    CHECK(scram.first_size <= SASL_CHALLENGE_MAX);
    CHECK(!scram_server_judge(&scram, &keys, span_skip(input, first.size + 1), last));
    return 0;
}

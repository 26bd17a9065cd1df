// SPDX-License-Identifier: BSD-3-Clause
#include "mail/sasl.h"
#include "fuzz/fuzz.h"
#include "support/mail_host_fake.h"

static void nothing_done(void *state)
{
}

// What the child says to the next response: the low bits of a byte.
static enum login_verdict judge(struct sasl *sasl, struct mail_host_fake *fake, uint8_t how)
{
    char challenge[SASL_TEXT_SIZE];
    struct message answer = message_make(MESSAGE_SASL, how & 1 ? STATUS_UNAVAILABLE : STATUS_OK, 0);
    answer.sasl_answer.verdict = how >> 1 & 3 ? AUTH_RIGHT : AUTH_WRONG;
    answer.sasl_answer.goes_on = how >> 3 & 1;
    answer.sasl_answer.challenge_size = (uint16_t)(how >> 4 ? SASL_CHALLENGE_MAX : 0);
    answer.sasl_answer.user_size = 1;
    answer.sasl_answer.user[0] = 'a';
    CHECK(message_is_sound(&answer));
    fake->pending[MESSAGE_SASL] = false;
    return sasl_judge(sasl, &fake->host, &answer, challenge);
}

// First byte: the mechanism; then the client's lines, parted by LF, and what the child says, a byte
// behind the LF.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mail_protocol none = {
        .name = "none", .state_size = 1, .done = nothing_done};
    if (size == 0)
        return 0;
    struct mail_host_fake *fake = mail_host_fake_open(&none, "submissions");
    struct sasl sasl;
    sasl_start(&sasl, (enum mechanism)(MECHANISM_NONE + 1 + data[0] % (MECHANISM_COUNT - 1)));
    struct span input = span_of(data + 1, size - 1);
    enum sasl_step step = SASL_MORE;
    for (int round = 0; step == SASL_MORE; round++) {
        CHECK(round <= SASL_ROUNDS_MAX);
        struct span line = span_head(input, span_find(input, '\n'));
        input = span_skip(input, line.size + 1);
        const char *challenge = NULL;
        step = sasl_feed(&sasl, &fake->host, line, &challenge);
        CHECK(step != SASL_MORE || challenge != NULL);
        if (step == SASL_ASKED && judge(&sasl, fake, input.size ? input.at[0] : 0) == LOGIN_GOES_ON)
            step = SASL_MORE;
        input = span_skip(input, 1);
    }
    CHECK(step != SASL_READY || (sasl.login.user_size > 0 && sasl.login.password_size > 0));
    CHECK(step != SASL_DONE || (sasl.proven && sasl.login.user_size > 0));
    sasl_wipe(&sasl);
    mail_host_fake_close(fake);
    return 0;
}

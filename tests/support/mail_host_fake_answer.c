// SPDX-License-Identifier: BSD-3-Clause
/* What the children say, in the words of mail_host_fake.h. */
#include "support/mail_host_fake.h"

void mail_host_fake_answer_rdns(struct mail_host_fake *fake, enum rdns_verdict verdict,
                                const char *name)
{
    struct message answer = message_make(MESSAGE_RDNS, STATUS_OK, 0);
    answer.rdns_answer.verdict = (uint8_t)verdict;
    CHECK(message_name_set(&answer.rdns_answer.name, span_text(name)));
    mail_host_fake_answer(fake, &answer);
}

void mail_host_fake_answer_dnsbl(struct mail_host_fake *fake, int score)
{
    struct message answer = message_make(MESSAGE_DNSBL, STATUS_OK, 0);
    answer.dnsbl_answer.score = (int16_t)score;
    mail_host_fake_answer(fake, &answer);
}

void mail_host_fake_answer_helo(struct mail_host_fake *fake, enum helo_match match)
{
    struct message answer = message_make(MESSAGE_HELO, STATUS_OK, 0);
    answer.helo_answer.match = (uint8_t)match;
    mail_host_fake_answer(fake, &answer);
}

void mail_host_fake_answer_spf(struct mail_host_fake *fake, enum spf_result result)
{
    struct message answer = message_make(MESSAGE_SPF, STATUS_OK, 0);
    answer.spf_answer.result = (uint8_t)result;
    mail_host_fake_answer(fake, &answer);
}

void mail_host_fake_answer_auth(struct mail_host_fake *fake, enum auth_verdict verdict,
                                const char *user)
{
    struct message answer = message_make(MESSAGE_AUTH, STATUS_OK, 0);
    struct span name = span_text(user);
    answer.auth_answer.verdict = (uint8_t)verdict;
    CHECK(name.size <= USER_NAME_MAX);
    answer.auth_answer.user_size = (uint8_t)name.size;
    memcpy(answer.auth_answer.user, name.at, name.size);
    mail_host_fake_answer(fake, &answer);
}

void mail_host_fake_answer_sasl(struct mail_host_fake *fake, enum auth_verdict verdict,
                                const char *user, const char *challenge)
{
    struct message answer = message_make(MESSAGE_SASL, STATUS_OK, 0);
    struct sasl_answer *sasl = &answer.sasl_answer;
    struct span name = span_text(user), text = span_text(challenge);
    sasl->verdict = (uint8_t)verdict;
    sasl->goes_on = verdict != AUTH_RIGHT && text.size > 0;
    CHECK(name.size <= USER_NAME_MAX && text.size <= SASL_CHALLENGE_MAX);
    sasl->user_size = (uint8_t)name.size;
    memcpy(sasl->user, name.at, name.size);
    sasl->challenge_size = (uint16_t)text.size;
    memcpy(sasl->challenge, text.at, text.size);
    mail_host_fake_answer(fake, &answer);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_finding.h"

#include "smtp/smtp_path.h"

static uint32_t bit(bool found, enum finding finding)
{
    return (uint32_t)found << finding;
}

static const struct policy_verdict *verdict_of(const struct smtp *smtp, enum finding finding)
{
    return &smtp->host->policy->smtp.verdicts[finding];
}

bool smtp_finding_is_wanted(const struct smtp *smtp, enum finding first, enum finding last)
{
    for (int i = first; i <= (int)last; i++)
        if (verdict_of(smtp, (enum finding)i)->action != ACTION_OFF)
            return true;
    return false;
}

static uint32_t wanted(const struct smtp *smtp, uint32_t findings)
{
    for (int i = 0; i < FINDING_COUNT; i++)
        if (verdict_of(smtp, (enum finding)i)->action == ACTION_OFF)
            findings &= ~(UINT32_C(1) << i);
    return findings;
}

uint32_t smtp_finding_of_client(const struct smtp *smtp)
{
    const struct policy_smtp *policy = &smtp->host->policy->smtp;
    if (!smtp_is_stranger(smtp))
        return 0;
    bool listed = policy->dnsbl_zones > 0 && smtp->dnsbl >= policy->dnsbl_threshold;
    return wanted(smtp, bit(smtp->early, FINDING_GREETING_EARLY) |
                            bit(listed, FINDING_DNSBL_LISTED) |
                            bit(smtp->rdns == RDNS_NONE, FINDING_RDNS_NONE) |
                            bit(smtp->rdns == RDNS_UNCONFIRMED, FINDING_RDNS_UNCONFIRMED) |
                            bit(smtp->rdns == RDNS_TEMPERROR, FINDING_RDNS_UNAVAILABLE));
}

// Nobody but us has our name or our address; senders of spam take them, since they are sure to
// resolve.
static bool is_ours(const struct smtp *smtp, struct span name)
{
    const struct policy *policy = smtp->host->policy;
    struct addr addr;
    if (span_equal_nocase(name, span_text(policy->smtp.host_name)))
        return true;
    if (!smtp_path_literal(name, &addr))
        return false;
    const struct policy_interface *outside = &policy->boot.legs[LEG_OUTSIDE];
    return addr_equal(&addr, &smtp->host->local) || addr_equal(&addr, &outside->addr[FAMILY_V4]) ||
           addr_equal(&addr, &outside->addr[FAMILY_V6]);
}

static struct span last_label(struct span name)
{
    size_t at = name.size;
    while (at > 0 && name.at[at - 1] != '.')
        at--;
    return span_skip(name, at);
}

// Without its brackets, as its last label is a number, which no top-level domain is.
static bool is_bare_address(struct span name)
{
    uint64_t number;
    struct span label = last_label(name);
    return label.size < name.size && span_to_u64(label, UINT64_MAX, &number);
}

uint32_t smtp_finding_of_name(const struct smtp *smtp, struct span helo)
{
    bool literal = smtp_path_is_literal(helo), domain = smtp_path_is_domain(helo, false);
    if (!smtp_is_stranger(smtp))
        return bit(!literal && !domain, FINDING_HELO_SYNTAX);
    bool is_short = domain && last_label(helo).size == helo.size;
    return wanted(smtp, bit(!literal && (!domain || is_bare_address(helo)), FINDING_HELO_SYNTAX) |
                            bit(is_short, FINDING_HELO_SHORT) | bit(literal, FINDING_HELO_LITERAL) |
                            bit(is_ours(smtp, helo), FINDING_HELO_FORGED));
}

static uint32_t of_spf(uint8_t result, enum finding fail)
{
    static const uint8_t behind_fail[SPF_RESULT_COUNT] = {[SPF_SOFTFAIL] = 1,
                                                          [SPF_NEUTRAL] = 2,
                                                          [SPF_NONE] = 3,
                                                          [SPF_PERMERROR] = 4,
                                                          [SPF_TEMPERROR] = 5};
    static_assert(FINDING_SPF_UNAVAILABLE == FINDING_SPF_FAIL + 5 &&
                      FINDING_SPF_HELO_UNAVAILABLE == FINDING_SPF_HELO_FAIL + 5,
                  "results in their order");
    return result == SPF_PASS || result == VERDICT_NONE
               ? 0
               : UINT32_C(1) << (fail + behind_fail[result]);
}

uint32_t smtp_finding_of_sender(const struct smtp *smtp)
{
    if (!smtp_is_stranger(smtp))
        return 0;
    bool named = smtp->helo_match == HELO_EQUAL || smtp->helo_match == HELO_ORGANISATION;
    bool differs = smtp->rdns == RDNS_CONFIRMED && smtp->helo_match < HELO_TEMPERROR && !named;
    uint32_t found = bit(differs, FINDING_RDNS_DIFFERS) |
                     bit(smtp->helo_match == HELO_MISMATCH, FINDING_HELO_MISMATCH) |
                     bit(smtp->helo_match == HELO_TEMPERROR, FINDING_HELO_UNAVAILABLE) |
                     of_spf(smtp->mail.spf, FINDING_SPF_FAIL);
    if (smtp->mail.from_size > 0)
        found |= of_spf(smtp->helo_spf, FINDING_SPF_HELO_FAIL);
    return wanted(smtp, found);
}

static enum smtp_refusal refusal_of(enum finding finding, enum action action)
{
    return (enum smtp_refusal)(REFUSE_GREETING_EARLY + 2 * (int)finding +
                               (action == ACTION_DEFER ? 1 : 0));
}

enum smtp_refusal smtp_finding_judge(const struct smtp *smtp, uint32_t findings)
{
    struct mail_host *host = smtp->host;
    host->report.findings |= findings;
    for (int i = 0; i < FINDING_COUNT; i++) {
        enum finding finding = (enum finding)i;
        if (!(findings >> i & 1))
            continue;
        switch ((enum action)verdict_of(smtp, finding)->action) {
        case ACTION_REJECT:
            return refusal_of(finding, ACTION_REJECT);
        case ACTION_DEFER:
            return refusal_of(finding, ACTION_DEFER);
        case ACTION_SHADOW:
            host->ops->shadow(host, finding_facts(finding)->reason);
            break;
        case ACTION_TAG:
        case ACTION_SCORE:
        case ACTION_OFF:
        case ACTION_COUNT:
            break;
        }
    }
    return REFUSE_NONE;
}

enum smtp_refusal smtp_finding_judge_score(const struct smtp *smtp, uint32_t findings)
{
    uint16_t score = 0;
    for (int i = 0; i < FINDING_COUNT; i++)
        if (findings >> i & 1)
            score = (uint16_t)(score + verdict_of(smtp, (enum finding)i)->points);
    smtp->host->report.score = score;
    bool reached = score >= smtp->host->policy->smtp.score_threshold;
    return smtp_finding_judge(smtp, wanted(smtp, bit(reached, FINDING_SCORE_REACHED)));
}

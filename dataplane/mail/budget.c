// SPDX-License-Identifier: BSD-3-Clause
#include "mail/budget.h"

#include "base/check.h"

static const struct {
    enum limit rate, burst;
    uint64_t period_us; // that the rate is about, and the burst where it is the same limit
} facts[BUDGET_COUNT] = {
    [BUDGET_COMMANDS] = {LIMIT_COMMAND_RATE_SESSION, LIMIT_COMMAND_BURST_SESSION, 1000000},
    [BUDGET_LITERALS] = {LIMIT_LITERAL_BYTES_MINUTE, LIMIT_LITERAL_BYTES_MINUTE, 60000000},
    [BUDGET_UPLOAD] = {LIMIT_UPLOAD_RATE_SESSION, LIMIT_UPLOAD_RATE_SESSION, 1000000},
    [BUDGET_DOWNLOAD] = {LIMIT_DOWNLOAD_RATE_SESSION, LIMIT_DOWNLOAD_RATE_SESSION, 1000000},
};

// Amounts are below 2^33 and limits below 2^40, so neither product wraps.
static uint64_t cost_ns(const struct mail_host *host, enum budget_kind kind, uint64_t amount)
{
    uint64_t rate = host->limits[facts[kind].rate];
    uint64_t all = amount * facts[kind].period_us;
    return all / rate * 1000 + all % rate * 1000 / rate;
}

static uint64_t tolerance_ns(const struct mail_host *host, enum budget_kind kind)
{
    if (facts[kind].burst == facts[kind].rate)
        return facts[kind].period_us * 1000;
    return cost_ns(host, kind, host->limits[facts[kind].burst] - 1);
}

bool budget_may(struct budget *budget, struct mail_host *host, enum budget_kind kind,
                uint64_t now_us)
{
    enum limit_mode mode = (enum limit_mode)host->modes[facts[kind].rate];
    uint64_t last_ns = now_us * 1000 + tolerance_ns(host, kind);
    uint8_t bit = (uint8_t)(1U << kind);
    bool *waits = &host->waits[kind == BUDGET_DOWNLOAD ? SIDE_BACKEND : SIDE_CLIENT];
    budget->wake_us[kind] = 0;
    *waits = false;
    if (mode == MODE_OFF || budget->tat_ns[kind] <= last_ns) {
        budget->over &= (uint8_t)~bit;
        return true;
    }
    enum reason reason = limit_facts(facts[kind].rate)->reason;
    bool first = !(budget->over & bit);
    budget->over |= bit;
    if (mode == MODE_SHADOW) {
        return !first || !host->ops->enforce(host, facts[kind].rate, false);
    }
    if (first)
        host->ops->count(host, reason);
    *waits = true;
    budget->wake_us[kind] = now_us + (budget->tat_ns[kind] - last_ns + 999) / 1000;
    return false;
}

// What shadow lets pass beyond the budget is not owed.
void budget_charge(struct budget *budget, const struct mail_host *host, enum budget_kind kind,
                   uint64_t amount, uint64_t now_us)
{
    if (budget->over >> kind & 1 || amount == 0)
        return;
    uint64_t now_ns = now_us * 1000;
    if (budget->tat_ns[kind] < now_ns)
        budget->tat_ns[kind] = now_ns;
    budget->tat_ns[kind] += cost_ns(host, kind, amount);
}

uint64_t budget_wake_us(const struct budget *budget)
{
    uint64_t wake_us = UINT64_MAX;
    for (int kind = 0; kind < BUDGET_COUNT; kind++)
        if (budget->wake_us[kind] && budget->wake_us[kind] < wake_us)
            wake_us = budget->wake_us[kind];
    return wake_us;
}

void budget_woke(struct budget *budget)
{
    memset(budget->wake_us, 0, sizeof budget->wake_us);
}

static void begin_window(struct budget *budget, uint64_t now_us)
{
    budget->begun_us = now_us;
    budget->begun_bytes = 0;
}

void budget_read(struct budget *budget, const struct mail_host *host, uint64_t bytes, bool begun,
                 uint64_t now_us)
{
    if (!begun) {
        budget->begun_us = 0;
    } else if (budget->begun_us == 0 || host->stalled) {
        begin_window(budget, now_us);
    } else {
        budget->begun_bytes += bytes;
    }
}

uint64_t budget_slow_us(const struct budget *budget)
{
    return budget->begun_us ? budget->begun_us + BUDGET_WINDOW_US : UINT64_MAX;
}

void budget_deadline(const struct budget *budget, struct mail_host *host, uint64_t idle_us)
{
    uint64_t at_us = budget_wake_us(budget), slow_us = budget_slow_us(budget);
    at_us = idle_us < at_us ? idle_us : at_us;
    host->ops->deadline(host, slow_us < at_us ? slow_us : at_us);
}

bool budget_is_slow(struct budget *budget, struct mail_host *host, uint64_t now_us)
{
    if (now_us < budget_slow_us(budget))
        return false;
    uint64_t least = host->limits[LIMIT_UPLOAD_RATE_LEAST];
    bool slow = budget->begun_bytes < least * ((now_us - budget->begun_us) / 1000) / 1000;
    begin_window(budget, now_us);
    return slow && !host->stalled && host->ops->enforce(host, LIMIT_UPLOAD_RATE_LEAST, true);
}

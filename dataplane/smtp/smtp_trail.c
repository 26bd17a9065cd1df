// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_trail.h"

#include "smtp/smtp.h"

void smtp_trail_sender(struct smtp *smtp)
{
    struct smtp_trail *trail = &smtp->trail;
    struct span from = span_head(smtp_mail_from(smtp), sizeof trail->from);
    trail->from_size = (uint16_t)from.size;
    if (from.size)
        memcpy(trail->from, from.at, from.size);
    trail->to_size = 0;
}

void smtp_trail_recipient(struct smtp *smtp, struct span to, enum report_recipient fate)
{
    struct smtp_trail *trail = &smtp->trail;
    if (to.size >= sizeof trail->to - trail->to_size)
        return;
    memcpy(trail->to + trail->to_size, to.at, to.size);
    trail->to_size = (uint16_t)(trail->to_size + to.size);
    trail->to[trail->to_size++] = (char)fate;
}

void smtp_trail_report(const void *state, struct report *report)
{
    const struct smtp *smtp = state;
    const struct smtp_trail *trail = &smtp->trail;
    report_add(report, TEXT_RDNS_NAME, message_name_span(&smtp->rdns_name));
    report_add(report, TEXT_HELO, smtp_helo(smtp));
    report_add(report, TEXT_MAIL_FROM, span_of(trail->from, trail->from_size));
    report_add(report, TEXT_RCPT_TO, span_of(trail->to, trail->to_size));
}

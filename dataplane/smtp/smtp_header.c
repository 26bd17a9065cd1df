// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_header.h"

#include "base/check.h"
#include "smtp/smtp.h"
#include "smtp/smtp_text.h"

#include <stdio.h>
#include <time.h>

enum { FOREIGN_MAX = 320 }; // bytes of one foreign value

static const char *const spf_names[SPF_RESULT_COUNT] = {
    [SPF_NONE] = "none",           [SPF_NEUTRAL] = "neutral",   [SPF_PASS] = "pass",
    [SPF_FAIL] = "fail",           [SPF_SOFTFAIL] = "softfail", [SPF_TEMPERROR] = "temperror",
    [SPF_PERMERROR] = "permerror",
};

static const char *const iprev_names[RDNS_VERDICT_COUNT] = {
    // RFC 8601, section 2.7.3
    [RDNS_NONE] = "permerror",
    [RDNS_UNCONFIRMED] = "fail",
    [RDNS_CONFIRMED] = "pass",
    [RDNS_TEMPERROR] = "temperror",
};

static const char *const helo_names[HELO_MATCH_COUNT] = {
    [HELO_EQUAL] = "equal",       [HELO_ORGANISATION] = "organisation", [HELO_FORWARD] = "forward",
    [HELO_MISMATCH] = "mismatch", [HELO_TEMPERROR] = "temperror",
};

void smtp_header_date(int64_t unix_s, char text[SMTP_DATE_SIZE])
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)unix_s;
    struct tm tm;
    CHECK(gmtime_r(&seconds, &tm));
    int n = snprintf(text, SMTP_DATE_SIZE, "%s, %d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday],
                     tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                     tm.tm_sec);
    CHECK(n > 0 && n < SMTP_DATE_SIZE);
}

static const char *with_protocol(const struct smtp *smtp) // RFC 3848, RFC 6531
{
    bool utf8 = smtp->mail.param.bits & PARAM_UTF8;
    bool tls = smtp->host->tls, auth = smtp->user_size > 0;
    if (!smtp->esmtp)
        return "SMTP"; // of TLS there is no word for it
    if (utf8)
        return auth ? "UTF8SMTPSA" : tls ? "UTF8SMTPS" : "UTF8SMTP";
    return auth ? "ESMTPSA" : tls ? "ESMTPS" : "ESMTP";
}

static const char *addr_text(const struct addr *addr, char text[ADDR_TEXT_SIZE])
{
    return addr_format(addr, text);
}

static void add_received(struct smtp_text *text, const struct smtp *smtp)
{
    const struct mail_host *host = smtp->host;
    char addr[ADDR_TEXT_SIZE], date[SMTP_DATE_SIZE];
    int64_t unix_us = (int64_t)smtp->now_us + *host->unix_us_offset;
    smtp_header_date(unix_us / 1000000, date);

    smtp_text_add(text, "Received: from ");
    smtp_text_add_foreign(text, smtp_helo(smtp), FOREIGN_MAX);
    smtp_text_add(text, " (");
    if (smtp->rdns == RDNS_CONFIRMED && smtp->rdns_name.size) {
        smtp_text_add_foreign(text, message_name_span(&smtp->rdns_name), FOREIGN_MAX);
        smtp_text_add(text, " ");
    }
    smtp_text_add(text, "[%s%s])\r\n",
                  addr_is_v4(&host->client) ? "" : "IPv6:", addr_text(&host->client, addr));
    if (host->tls && host->tls_version)
        smtp_text_add(text, "\t(using TLSv1.%u%s%.47s)\r\n", host->tls_version,
                      host->tls_cipher[0] ? " with cipher " : "", host->tls_cipher);
    smtp_text_add(text, "\tby %s (Weir) with %s id %llx;\r\n\t%s\r\n", host->policy->smtp.host_name,
                  with_protocol(smtp), (unsigned long long)host->id, date);
}

// The identity that SPF was asked for: the sender, or the HELO name when there is none.
static void add_received_spf(struct smtp_text *text, const struct smtp *smtp)
{
    char addr[ADDR_TEXT_SIZE];
    if (smtp->mail.spf == VERDICT_NONE)
        return;
    smtp_text_add(text, "Received-SPF: %s receiver=%s; identity=%s;\r\n\tclient-ip=",
                  spf_names[smtp->mail.spf], smtp->host->policy->smtp.host_name,
                  smtp->mail.from_size ? "mailfrom" : "helo");
    smtp_text_add_value(text, span_text(addr_text(&smtp->host->client, addr)), false, sizeof addr);
    smtp_text_add(text, "; helo=");
    smtp_text_add_value(text, smtp_helo(smtp), false, FOREIGN_MAX);
    if (smtp->mail.from_size) {
        smtp_text_add(text, ";\r\n\tenvelope-from=");
        smtp_text_add_value(text, smtp_mail_from(smtp), false, FOREIGN_MAX);
    }
    smtp_text_add(text, "\r\n");
}

// Everything behind the last '@': a local part may be quoted and hold whatever it likes.
static struct span sender_domain(const struct smtp *smtp)
{
    struct span from = smtp_mail_from(smtp);
    size_t at = from.size;
    while (at > 0 && from.at[at - 1] != '@')
        at--;
    return span_skip(from, at);
}

static void add_results(struct smtp_text *text, const struct smtp *smtp)
{
    char addr[ADDR_TEXT_SIZE];
    bool any = false;
    smtp_text_add(text, "Authentication-Results: %s", smtp->host->policy->smtp.host_name);
    if (smtp->user_size) {
        smtp_text_add(text, ";\r\n\tauth=pass smtp.auth=");
        smtp_text_add_value(text, smtp_user(smtp), true, FOREIGN_MAX);
        any = true;
    }
    if (smtp->mail.spf != VERDICT_NONE) {
        smtp_text_add(text, ";\r\n\tspf=%s smtp.%s=", spf_names[smtp->mail.spf],
                      smtp->mail.from_size ? "mailfrom" : "helo");
        smtp_text_add_value(text, smtp->mail.from_size ? sender_domain(smtp) : smtp_helo(smtp),
                            true, FOREIGN_MAX);
        any = true;
    }
    if (smtp->helo_spf != VERDICT_NONE && smtp->mail.from_size) {
        smtp_text_add(text, ";\r\n\tspf=%s smtp.helo=", spf_names[smtp->helo_spf]);
        smtp_text_add_value(text, smtp_helo(smtp), true, FOREIGN_MAX);
    }
    if (!smtp_service(smtp)->submission) {
        smtp_text_add(text, ";\r\n\tiprev=%s policy.iprev=", iprev_names[smtp->rdns]);
        smtp_text_add_value(text, span_text(addr_text(&smtp->host->client, addr)), true,
                            sizeof addr);
        any = true;
    }
    // Not registered methods, hence the x.
    if (smtp->helo_match != VERDICT_NONE) {
        smtp_text_add(text, ";\r\n\tx-helo=%s smtp.helo=", helo_names[smtp->helo_match]);
        smtp_text_add_value(text, smtp_helo(smtp), true, FOREIGN_MAX);
    }
    if (smtp->dnsbl != 0)
        smtp_text_add(text, ";\r\n\tx-dnsbl=%s policy.score=%d",
                      smtp->dnsbl >= smtp->host->policy->smtp.dnsbl_threshold ? "fail" : "pass",
                      smtp->dnsbl);
    if (smtp->host->report.score > 0)
        smtp_text_add(text, ";\r\n\tx-score=%s policy.score=%u",
                      smtp->host->report.score >= smtp->host->policy->smtp.score_threshold ? "fail"
                                                                                           : "pass",
                      smtp->host->report.score);
    smtp_text_add(text, any ? "\r\n" : "; none\r\n");
}

struct span smtp_header_write(const struct smtp *smtp, char buffer[SMTP_HEADER_MAX])
{
    struct smtp_text text = smtp_text_in(buffer, SMTP_HEADER_MAX);
    add_results(&text, smtp);
    add_received_spf(&text, smtp);
    add_received(&text, smtp);
    CHECK(!text.full);
    return smtp_text_span(&text);
}

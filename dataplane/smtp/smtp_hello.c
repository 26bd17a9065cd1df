// SPDX-License-Identifier: BSD-3-Clause
#include "base/check.h"
#include "smtp/smtp_finding.h"
#include "smtp/smtp_path.h"
#include "smtp/smtp_text.h"

// What DNS could not be asked for is no name, whatever policy says.
static bool is_sayable(struct span name)
{
    struct message_name copy;
    return smtp_path_is_literal(name) || message_name_set(&copy, name);
}

enum smtp_refusal smtp_hello_check(const struct smtp *smtp, struct smtp_arguments *arguments)
{
    struct span name = span_trim(arguments->text);
    uint32_t findings = smtp_finding_of_name(smtp, name);
    if (name.size == 0 || name.size > sizeof smtp->helo || !is_sayable(name) ||
        (findings && !smtp_is_stranger(smtp)))
        return REFUSE_HELO_SYNTAX;
    arguments->text = name;
    // A name that is none is wrong here; what else speaks against it is told with the recipients.
    return smtp_finding_judge(smtp, findings & SMTP_FINDINGS_OF_SYNTAX);
}

// The backend was told another name, or nothing: it does not serve the client under the new one.
static void set_name(struct smtp *smtp, struct span name)
{
    smtp_backend_quit(smtp);
    smtp->helo_size = (uint8_t)name.size;
    smtp->helo_match = smtp->helo_spf = VERDICT_NONE;
    memcpy(smtp->helo, name.at, name.size);
    smtp_enter(smtp, SMTP_HELLO);
    smtp_reset(smtp);
}

static bool offers_starttls(const struct smtp *smtp)
{
    return smtp_service(smtp)->tls == TLS_STARTTLS && !smtp->host->tls;
}

static bool offers_auth(const struct smtp *smtp)
{
    return smtp_service(smtp)->submission && smtp->host->tls && smtp->user_size == 0;
}

static void add_auth(const struct smtp *smtp, struct smtp_text *text)
{
    char list[SASL_LIST_SIZE];
    sasl_list(sasl_offer(smtp->host), "", list);
    smtp_text_add(text, "250-AUTH %s\r\n", list);
}

// What is ours alone is always there. CHUNKING is: chunks go to the backend as DATA, whose end both
// sides read alike. BINARYMIME is not, for the same reason.
void smtp_hello_ehlo(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    struct mail_host *host = smtp->host;
    bool has_most = host->modes[LIMIT_MESSAGE_BYTES] == MODE_ENFORCE;
    uint64_t size = has_most ? host->limits[LIMIT_MESSAGE_BYTES] : 0; // 0: any (RFC 1870)
    struct mail_offer offer;
    char buffer[512];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    host->ops->offer(host, &offer);
    if (offer.size && (size == 0 || offer.size < size))
        size = offer.size;
    smtp->offers = offer.bits;
    smtp_text_add(&text, "250-%s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n",
                  host->policy->smtp.host_name, (unsigned long long)size);
    if (offer.bits & OFFER_8BITMIME)
        smtp_text_add(&text, "250-8BITMIME\r\n");
    if (offers_starttls(smtp))
        smtp_text_add(&text, "250-STARTTLS\r\n");
    if (offers_auth(smtp))
        add_auth(smtp, &text);
    if (offer.bits & OFFER_SMTPUTF8)
        smtp_text_add(&text, "250-SMTPUTF8\r\n");
    if (offer.bits & OFFER_DSN)
        smtp_text_add(&text, "250-DSN\r\n");
    smtp_text_add(&text, "250-CHUNKING\r\n250 ENHANCEDSTATUSCODES\r\n");
    CHECK(!text.full);
    smtp->host->ops->send(smtp->host, SIDE_CLIENT, smtp_text_span(&text));
    smtp->esmtp = true;
    set_name(smtp, arguments->text);
}

void smtp_hello_helo(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    char buffer[HOST_NAME_MAX_DNS + 8];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&text, "250 %s", smtp->host->policy->smtp.host_name);
    CHECK(!text.full);
    smtp_reply(smtp, buffer);
    smtp->esmtp = false;
    set_name(smtp, arguments->text);
}

enum smtp_refusal smtp_hello_check_starttls(const struct smtp *smtp,
                                            struct smtp_arguments *arguments)
{
    if (arguments->text.size)
        return REFUSE_NO_ARGUMENTS;
    if (smtp->host->tls)
        return REFUSE_TLS_ALREADY;
    return offers_starttls(smtp) ? REFUSE_NONE : REFUSE_TLS_NOT_OFFERED;
}

// What was said in the clear counts for nothing afterwards (RFC 3207, section 4.2).
void smtp_hello_starttls(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    smtp_backend_quit(smtp);
    smtp->helo_size = 0;
    smtp->esmtp = false;
    smtp_reply(smtp, "220 2.0.0 Ready to start TLS");
    smtp_enter(smtp, SMTP_TLS);
    smtp->host->ops->start_tls(smtp->host);
}

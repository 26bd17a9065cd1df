// SPDX-License-Identifier: BSD-3-Clause
#include "report/session_json.h"

#include "contract/reason.h"
#include "report/utf8.h"

#include <stdio.h>
#include <time.h>

enum { TEXT_MAX = 256, NONE = 255 };

static const char *const rdns_names[RDNS_VERDICT_COUNT] = {"none", "unconfirmed", "confirmed",
                                                           "temperror"};
static const char *const helo_names[HELO_MATCH_COUNT] = {"equal", "organisation", "forward",
                                                         "mismatch", "temperror"};
static const char *const spf_names[SPF_RESULT_COUNT] = {"none",     "neutral",   "pass",     "fail",
                                                        "softfail", "temperror", "permerror"};

json_t *session_json_text(const void *bytes, size_t size)
{
    char text[TEXT_MAX * UTF8_GROWTH + 1];
    if (size == 0)
        return json_null();
    utf8_clean(span_of(bytes, size), text, sizeof text);
    json_t *string = json_string(text);
    CHECK(string); // what utf8_clean gives is UTF-8
    return string;
}

json_t *session_json_addr(const struct addr *addr)
{
    char text[ADDR_TEXT_SIZE];
    return json_string(addr_format(addr, text));
}

json_t *session_json_time(uint64_t unix_us)
{
    char text[64];
    struct tm parts;
    time_t seconds = (time_t)(unix_us / 1000000 % (1ull << 36)); // a year that prints
    CHECK(gmtime_r(&seconds, &parts));
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + size, sizeof text - size, ".%03uZ", (unsigned)(unix_us / 1000 % 1000));
    return json_string(text);
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)(value & INT64_MAX));
}

static json_t *name_of(const char *const *names, uint8_t count, uint8_t value)
{
    return value < count ? json_string(names[value]) : json_null();
}

static json_t *service_name(const struct policy *policy, uint8_t service)
{
    return service < policy->services_count ? json_string(policy->services[service].name)
                                            : json_null();
}

static json_t *backend_name(const struct policy *policy, uint8_t backend)
{
    return backend < policy->backends_count ? json_string(policy->backends[backend].name)
                                            : json_null();
}

static json_t *tls_name(uint8_t version)
{
    return version == 3 ? json_string("1.3") : version == 2 ? json_string("1.2") : json_null();
}

static json_t *text_of(const struct report *r, enum report_text which)
{
    struct span text = report_text(r, which);
    return session_json_text(text.at, text.size);
}

static json_t *recipients_of(const struct report *r, enum report_recipient fate)
{
    json_t *list = json_array();
    struct span texts = report_text(r, TEXT_RCPT_TO);
    while (texts.size) {
        size_t size = 0;
        while (size < texts.size && texts.at[size] > RECIPIENT_REFUSED)
            size++;
        if (size < texts.size && texts.at[size] == fate)
            json_array_append_new(list, session_json_text(texts.at, size));
        texts = span_skip(texts, size + (size < texts.size));
    }
    return list;
}

static json_t *findings_of(uint32_t findings)
{
    char name[64];
    json_t *list = json_array();
    for (int i = 0; i < FINDING_COUNT; i++) {
        const struct finding_facts *facts = finding_facts((enum finding)i);
        snprintf(name, sizeof name, "%s.%s", facts->section, facts->key);
        if (findings >> i & 1)
            json_array_append_new(list, json_string(name));
    }
    return list;
}

static json_t *login_name_of(uint8_t login)
{
    static const char *const names[REPORT_LOGIN_COUNT] = {NULL, "accepted", "wrong", "throttled",
                                                          "unavailable"};
    return login > 0 && login < REPORT_LOGIN_COUNT ? json_string(names[login]) : json_null();
}

static void add_connection(json_t *o, const struct report *r, const struct policy *policy)
{
    const struct report_facts *f = &r->facts;
    json_object_set_new(o, "time", session_json_time(f->started_us + f->duration_us));
    json_object_set_new(o, "started", session_json_time(f->started_us));
    json_object_set_new(o, "duration_ms", number(f->duration_us / 1000));
    json_object_set_new(o, "id", number(f->id));
    json_object_set_new(o, "service", service_name(policy, f->service));
    json_object_set_new(o, "client", session_json_addr(&f->client));
    json_object_set_new(o, "client_port", number(f->client_port));
    json_object_set_new(o, "local", session_json_addr(&f->local));
    json_object_set_new(o, "local_port", number(f->local_port));
    json_object_set_new(o, "backend", backend_name(policy, f->backend));
    json_object_set_new(o, "tls", tls_name(f->tls_version));
    json_object_set_new(o, "tls_cipher", text_of(r, TEXT_TLS_CIPHER));
    json_object_set_new(o, "tls_sni", text_of(r, TEXT_SERVER_NAME));
}

static void add_verdicts(json_t *o, const struct report *r)
{
    const struct report_facts *f = &r->facts;
    json_object_set_new(o, "rdns", name_of(rdns_names, RDNS_VERDICT_COUNT, f->rdns));
    json_object_set_new(o, "rdns_name", text_of(r, TEXT_RDNS_NAME));
    json_object_set_new(o, "helo", text_of(r, TEXT_HELO));
    json_object_set_new(o, "helo_match", name_of(helo_names, HELO_MATCH_COUNT, f->helo_match));
    json_object_set_new(o, "dnsbl", f->dnsbl == INT16_MIN ? json_null() : json_integer(f->dnsbl));
    json_object_set_new(o, "spf", name_of(spf_names, SPF_RESULT_COUNT, f->spf));
    json_object_set_new(o, "spf_helo", name_of(spf_names, SPF_RESULT_COUNT, f->spf_helo));
    json_object_set_new(o, "findings", findings_of(f->findings));
    json_object_set_new(o, "score", number(f->score));
}

json_t *session_json_report(const struct report *r, const struct policy *policy)
{
    const struct report_facts *f = &r->facts;
    json_t *o = json_object();
    add_connection(o, r, policy);
    json_object_set_new(o, "user", session_json_text(f->user, f->user_size));
    json_object_set_new(o, "login", login_name_of(f->login));
    add_verdicts(o, r);
    json_object_set_new(o, "mail_from", text_of(r, TEXT_MAIL_FROM));
    json_object_set_new(o, "rcpt_to", recipients_of(r, RECIPIENT_TAKEN));
    json_object_set_new(o, "rcpt_refused", recipients_of(r, RECIPIENT_REFUSED));
    json_object_set_new(o, "mails", number(f->mails));
    json_object_set_new(o, "recipients", number(f->recipients));
    json_object_set_new(o, "message_bytes", number(f->message_bytes));
    json_object_set_new(o, "commands", number(f->commands));
    json_object_set_new(o, "refusals", number(f->refusals));
    json_object_set_new(
        o, "refusal", f->refusal ? json_string(reason_name((enum reason)f->refusal)) : json_null());
    json_object_set_new(o, "bytes_in", number(f->bytes_in));
    json_object_set_new(o, "bytes_out", number(f->bytes_out));
    json_object_set_new(o, "reason", json_string(reason_name((enum reason)f->reason)));
    return o;
}

json_t *session_json_row(const struct session_row *row, unsigned worker,
                         const struct policy *policy)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", number(row->id));
    json_object_set_new(o, "worker", number(worker));
    json_object_set_new(o, "service", service_name(policy, row->service));
    json_object_set_new(o, "client", session_json_addr(&row->client));
    json_object_set_new(o, "client_port", number(row->client_port));
    json_object_set_new(o, "state", session_json_text(row->state, row->state_size));
    json_object_set_new(o, "user", session_json_text(row->user, row->user_size));
    json_object_set_new(o, "tls", json_boolean(row->tls));
    json_object_set_new(o, "backend", backend_name(policy, row->backend));
    json_object_set_new(o, "age_ms", number(row->age_us / 1000));
    json_object_set_new(o, "idle_ms", number(row->idle_us / 1000));
    json_object_set_new(o, "bytes_in", number(row->bytes_in));
    json_object_set_new(o, "bytes_out", number(row->bytes_out));
    return o;
}

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

json_t *session_json_report(const struct report *r, const struct policy *policy)
{
    json_t *o = json_object();
    json_object_set_new(o, "time", session_json_time(r->started_us + r->duration_us));
    json_object_set_new(o, "started", session_json_time(r->started_us));
    json_object_set_new(o, "id", number(r->id));
    json_object_set_new(o, "service", service_name(policy, r->service));
    json_object_set_new(o, "client", session_json_addr(&r->client));
    json_object_set_new(o, "client_port", number(r->client_port));
    json_object_set_new(o, "reason", json_string(reason_name((enum reason)r->reason)));
    json_object_set_new(o, "user", session_json_text(r->user, r->user_size));
    json_object_set_new(o, "helo", session_json_text(r->helo, r->helo_size));
    json_object_set_new(o, "mail_from", session_json_text(r->mail_from, r->mail_from_size));
    json_object_set_new(o, "tls", tls_name(r->tls_version));
    json_object_set_new(o, "rdns", name_of(rdns_names, RDNS_VERDICT_COUNT, r->rdns));
    json_object_set_new(o, "helo_match", name_of(helo_names, HELO_MATCH_COUNT, r->helo_match));
    json_object_set_new(o, "dnsbl", r->dnsbl == INT16_MIN ? json_null() : json_integer(r->dnsbl));
    json_object_set_new(o, "spf", name_of(spf_names, SPF_RESULT_COUNT, r->spf));
    json_object_set_new(o, "backend", backend_name(policy, r->backend));
    json_object_set_new(o, "mails", number(r->mails));
    json_object_set_new(o, "recipients", number(r->recipients));
    json_object_set_new(o, "refusals", number(r->refusals));
    json_object_set_new(o, "bytes_in", number(r->bytes_in));
    json_object_set_new(o, "bytes_out", number(r->bytes_out));
    json_object_set_new(o, "duration_ms", number(r->duration_us / 1000));
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

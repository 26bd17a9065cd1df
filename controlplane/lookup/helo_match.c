// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/helo_match.h"

#include <libpsl.h>

static psl_ctx_t *latest; // NULL: the library's own

void helo_match_open(void)
{
    latest = psl_latest(NULL);
}

void helo_match_close(void)
{
    psl_free(latest);
    latest = NULL;
}

// As a C string in lower case; NULL when there is none.
static const char *organisation_of(struct span name, char text[HOST_NAME_MAX_DNS + 1])
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.at[i];
        text[i] = (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
    }
    text[name.size] = '\0';
    return psl_registrable_domain(latest ? latest : psl_builtin(), text);
}

bool helo_match_is_organisation(struct span a, struct span b)
{
    char a_text[HOST_NAME_MAX_DNS + 1], b_text[HOST_NAME_MAX_DNS + 1];
    const char *of_a = organisation_of(a, a_text), *of_b = organisation_of(b, b_text);
    return of_a && of_b && strcmp(of_a, of_b) == 0;
}

static void on_forward(void *context, const struct dns_answer *answer)
{
    struct helo_match_job *job = context;
    enum helo_match match = answer->status == DNS_FAILED ? HELO_TEMPERROR : HELO_MISMATCH;
    for (uint32_t i = 0; i < answer->count; i++)
        if (addr_equal(&answer->records[i].addr, &job->addr))
            match = HELO_FORWARD;
    job->done(job->context, match, answer->ttl);
}

void helo_match_start(struct helo_match_job *job, struct dns_resolver *resolver,
                      const struct helo_question *question, helo_match_done *done, void *context)
{
    struct span helo = message_name_span(&question->helo);
    struct span name = message_name_span(&question->name);
    if (name.size && span_equal_nocase(helo, name))
        return done(context, HELO_EQUAL, DNS_TTL_MAX);
    if (name.size && helo_match_is_organisation(helo, name))
        return done(context, HELO_ORGANISATION, DNS_TTL_MAX);
    char text[HOST_NAME_MAX_DNS + 1];
    span_to_text(helo, text, sizeof text);
    *job = (struct helo_match_job){question->addr, done, context};
    dns_resolver_ask(resolver, text, addr_is_v4(&question->addr) ? DNS_A : DNS_AAAA, on_forward,
                     job);
}

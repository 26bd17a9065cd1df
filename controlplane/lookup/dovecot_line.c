// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dovecot_line.h"

#include "base/base64.h"
#include "contract/policy.h"

#include <inttypes.h>
#include <stdio.h>

static struct span field_take(struct span *rest)
{
    struct span field = span_head(*rest, span_find(*rest, '\t'));
    *rest = span_skip(*rest, field.size + 1);
    return field;
}

static bool number_take(struct span *rest, uint32_t *ret_number)
{
    uint64_t number;
    if (!span_to_u64(field_take(rest), UINT32_MAX, &number))
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

static enum dovecot_verb verb_find(struct span name)
{
    static const struct {
        const char *name;
        enum dovecot_verb verb;
    } verbs[] = {
        {"VERSION", DOVECOT_VERSION}, {"MECH", DOVECOT_MECH}, {"DONE", DOVECOT_DONE},
        {"OK", DOVECOT_OK},           {"FAIL", DOVECOT_FAIL}, {"CONT", DOVECOT_CONT},
    };
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (span_equal(name, span_text(verbs[i].name)))
            return verbs[i].verb;
    return DOVECOT_UNKNOWN; // SPID, CUID, COOKIE are for those who ask for more than a verdict
}

static bool is_field(struct span field, const char *name)
{
    return span_equal(field, span_text(name));
}

// "code=" is how 1.2 says it since Dovecot 2.3, the bare words how it was said before.
static void cause_read(struct dovecot_line *line, struct span field)
{
    if (is_field(field, "temp") || is_field(field, "code=temp_fail"))
        line->temporary = true;
    if (is_field(field, "authz") || is_field(field, "user_disabled") ||
        is_field(field, "pass_expired") || is_field(field, "code=authz_fail") ||
        is_field(field, "code=user_disabled") || is_field(field, "code=pass_expired"))
        line->refused = true;
}

static void reply_read(struct dovecot_line *line, struct span rest)
{
    static const char user[] = "user=";
    const size_t head = sizeof user - 1;
    if (!number_take(&rest, &line->id)) {
        line->verb = DOVECOT_MALFORMED;
        return;
    }
    if (line->verb == DOVECOT_CONT) {
        line->challenge = field_take(&rest);
        return;
    }
    while (rest.size > 0) { // ends: each turn takes a byte at least
        struct span field = field_take(&rest);
        if (line->verb == DOVECOT_FAIL)
            cause_read(line, field);
        else if (line->verb == DOVECOT_OK && span_equal(span_head(field, head), span_text(user)))
            line->user = span_skip(field, head);
    }
}

struct dovecot_line dovecot_line_read(struct span text)
{
    struct dovecot_line line = {.verb = verb_find(field_take(&text))};
    switch (line.verb) {
    case DOVECOT_VERSION:
        if (!number_take(&text, &line.major))
            line.verb = DOVECOT_MALFORMED;
        break;
    case DOVECOT_MECH:
        line.mechanism = mechanism_find(field_take(&text));
        break;
    case DOVECOT_OK:
    case DOVECOT_FAIL:
    case DOVECOT_CONT:
        reply_read(&line, text);
        break;
    case DOVECOT_UNKNOWN:
    case DOVECOT_DONE:
    case DOVECOT_MALFORMED:
        break;
    }
    return line;
}

static size_t response_end(char *out, size_t used, struct span response)
{
    used += base64_encode(response, out + used);
    out[used++] = '\n';
    return used;
}

size_t dovecot_line_begin(const struct auth_client *client, uint32_t id, enum mechanism mechanism,
                          struct span response, char out[DOVECOT_REQUEST_MAX])
{
    static const char *const services[PROTOCOL_COUNT] = {"smtp", "imap", "pop3"};
    char local[ADDR_TEXT_SIZE], remote[ADDR_TEXT_SIZE];
    // nologin: nobody will ask for the user's data after. no-penalty: who waits is decided here,
    // and Dovecot would hold all of us for one guesser. resp= must be the last.
    int size = snprintf(out, DOVECOT_FIELDS_MAX,
                        "AUTH\t%" PRIu32 "\t%s\tservice=%s%s\tnologin\tno-penalty\t"
                        "session=%016" PRIx64 "\tlip=%s\trip=%s\tlport=%u\trport=%u\tresp=",
                        id, mechanism_name(mechanism), services[client->protocol],
                        client->tls ? "\tsecured" : "", client->session,
                        addr_format(&client->local, local), addr_format(&client->addr, remote),
                        client->local_port, client->port);
    CHECK(size > 0 && size < DOVECOT_FIELDS_MAX && response.size <= SASL_RESPONSE_MAX);
    return response_end(out, (size_t)size, response);
}

// RFC 4616's message: no authorisation identity, user, password.
size_t dovecot_line_plain(const struct auth_question *question, uint32_t id,
                          char out[DOVECOT_REQUEST_MAX])
{
    uint8_t plain[1 + USER_NAME_MAX + 1 + PASSWORD_MAX];
    size_t size = 0;
    plain[size++] = '\0';
    memcpy(plain + size, question->user, question->user_size);
    size += question->user_size;
    plain[size++] = '\0';
    memcpy(plain + size, question->password, question->password_size);
    size += question->password_size;
    size_t written =
        dovecot_line_begin(&question->client, id, MECHANISM_PLAIN, span_of(plain, size), out);
    explicit_bzero(plain, sizeof plain);
    return written;
}

size_t dovecot_line_go_on(uint32_t id, struct span response, char out[DOVECOT_REQUEST_MAX])
{
    int size = snprintf(out, DOVECOT_FIELDS_MAX, "CONT\t%" PRIu32 "\t", id);
    CHECK(size > 0 && size < DOVECOT_FIELDS_MAX && response.size <= SASL_RESPONSE_MAX);
    return response_end(out, (size_t)size, response);
}

size_t dovecot_line_cancel(uint32_t id, char out[DOVECOT_REQUEST_MAX])
{
    int size = snprintf(out, DOVECOT_FIELDS_MAX, "CANCEL\t%" PRIu32 "\n", id);
    CHECK(size > 0 && size < DOVECOT_FIELDS_MAX);
    return (size_t)size;
}

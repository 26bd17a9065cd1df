// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/spf_check.h"

#include "lookup/spf_record.h"

#include <netinet/in.h>
#include <spf2/spf.h>
#include <stdlib.h>

enum { UNDECIDED = SPF_RESULT_COUNT, TTL_MAX = 3600 };

struct check {
    const struct spf_dns *dns;
    const struct addr *client;
    int verdict; // enum spf_result that stands, whatever libspf2 makes of it; else UNDECIDED
    unsigned terms, voids;
    bool began; // the first record was read
    uint32_t ttl;
    // The names that the last MX or PTR answer gave libspf2. It asks for their addresses in order
    // and with the very pointers, which tells those from look-ups of other terms. Only compared,
    // never followed: the answer may be freed. Each counts once.
    const char *hosts[SPF_NAMES_MAX];
    int hosts_next, hosts_count;
    bool hosts_any; // the term matches any address (SPF_RECORD_ANY)
};

// libspf2's server, which belongs to one evaluation at a time. It knows nothing of those before,
// but takes longer to make than an evaluation to run.
struct engine {
    SPF_server_t *server;
    SPF_dns_server_t layer; // hook: the check
    struct engine *next;
};

static struct engine *idle;

static void decide(struct check *check, enum spf_result result)
{
    if (check->verdict == UNDECIDED)
        check->verdict = result;
}

static const struct dns_answer *ask(struct check *check, const char *name, enum dns_type type)
{
    char text[DNS_NAME_SIZE];
    size_t size = strlen(name);
    if (size > 0 && name[size - 1] == '.')
        size--;
    if (size >= sizeof text)
        size = 0; // too long to be asked, and to be anything
    memcpy(text, name, size);
    text[size] = '\0';
    const struct dns_answer *answer = check->dns->lookup(check->dns->context, text, type);
    if (answer->ttl < check->ttl)
        check->ttl = answer->ttl;
    return answer;
}

static SPF_dns_rr_t *rr_make(struct check *check, const char *name, ns_type type, int herrno)
{
    SPF_dns_rr_t *rr = SPF_dns_rr_new_init(NULL, name, type, 0, herrno);
    CHECK(rr); // libspf2 aborts on NULL; so do we, with a line that says where
    return rr;
}

static SPF_dns_rr_data_t *rr_grow(SPF_dns_rr_t *rr, size_t size)
{
    CHECK(SPF_dns_rr_buf_realloc(rr, rr->num_rr, size) == SPF_E_SUCCESS);
    return rr->rr[rr->num_rr++];
}

static void rr_add_addr(SPF_dns_rr_t *rr, const struct addr *addr)
{
    SPF_dns_rr_data_t *data = rr_grow(rr, sizeof *data);
    if (rr->rr_type == ns_t_a)
        memcpy(&data->a, addr->bytes + 12, sizeof data->a);
    else
        memcpy(&data->aaaa, addr->bytes, sizeof data->aaaa);
}

static void rr_add_name(SPF_dns_rr_t *rr, struct span text)
{
    SPF_dns_rr_data_t *data = rr_grow(rr, text.size + 1);
    memcpy(data->ptr, text.at, text.size);
    data->ptr[text.size] = '\0';
}

static void hosts_set(struct check *check, const SPF_dns_rr_t *rr, bool any)
{
    check->hosts_any = any;
    CHECK(rr->num_rr <= SPF_NAMES_MAX);
    for (int i = 0; i < rr->num_rr; i++)
        check->hosts[i] = rr->rr[i]->ptr;
    check->hosts_next = 0;
    check->hosts_count = rr->num_rr;
}

static bool hosts_take(struct check *check, const char *name)
{
    if (check->hosts_next == check->hosts_count || name != check->hosts[check->hosts_next])
        return false;
    check->hosts_next++;
    return true;
}

// Section 4.6.4. False: the evaluation is over.
static bool budget_take_term(struct check *check)
{
    if (check->verdict != UNDECIDED)
        return false;
    if (++check->terms <= SPF_TERMS_ASKING_MAX)
        return true;
    decide(check, SPF_PERMERROR);
    return false;
}

// What cannot be a name is no question to DNS, so its answer is not void.
static bool is_asked(const char *name)
{
    struct span text = span_text(name);
    return dns_name_is_askable(
        text.size && text.at[text.size - 1] == '.' ? span_head(text, text.size - 1) : text);
}

static void budget_take_void(struct check *check)
{
    if (++check->voids > SPF_VOID_MAX)
        decide(check, SPF_PERMERROR);
}

static bool dns_type_of(ns_type type, enum dns_type *ret_type)
{
    switch (type) {
    case ns_t_a:
        *ret_type = DNS_A;
        return true;
    case ns_t_aaaa:
        *ret_type = DNS_AAAA;
        return true;
    case ns_t_mx:
        *ret_type = DNS_MX;
        return true;
    case ns_t_ptr:
        *ret_type = DNS_PTR;
        return true;
    default:
        return false;
    }
}

static SPF_dns_rr_t *rr_fill(struct check *check, SPF_dns_rr_t *rr, const struct dns_answer *answer,
                             bool any)
{
    bool addresses = rr->rr_type == ns_t_a || rr->rr_type == ns_t_aaaa;
    if (answer->status == DNS_EMPTY)
        rr->herrno = HOST_NOT_FOUND;
    else if (addresses && any)
        rr_add_addr(rr, check->client);
    for (uint32_t i = 0; addresses && i < answer->count; i++)
        rr_add_addr(rr, &answer->records[i].addr);
    for (uint32_t i = 0; !addresses && i < answer->count && i < SPF_NAMES_MAX; i++)
        rr_add_name(rr, dns_answer_text(answer, i));
    if (!addresses)
        hosts_set(check, rr, any);
    return rr;
}

/* libspf2's look-ups for terms. should_cache is false for exists, which is a term, and for the
 * macro p, whose PTR look-up is none (section 4.6.4 counts it with the names only). */
static SPF_dns_rr_t *layer_lookup(SPF_dns_server_t *layer, const char *name, ns_type rr_type,
                                  int should_cache)
{
    struct check *check = layer->hook;
    enum dns_type type;
    bool host = hosts_take(check, name);
    bool macro_p = rr_type == ns_t_ptr && !should_cache;
    bool any = host ? check->hosts_any : name[0] == SPF_RECORD_ANY;
    if (!dns_type_of(rr_type, &type))
        return rr_make(check, name, rr_type, HOST_NOT_FOUND);
    if (check->verdict != UNDECIDED || (!host && !macro_p && !budget_take_term(check)))
        return rr_make(check, name, rr_type, TRY_AGAIN);

    name += name[0] == SPF_RECORD_ANY;
    const struct dns_answer *answer = ask(check, name, type);
    if (answer->status == DNS_EMPTY && !macro_p && is_asked(name))
        budget_take_void(check);
    if (type == DNS_MX && answer->count > SPF_NAMES_MAX)
        decide(check, SPF_PERMERROR);
    if (check->verdict != UNDECIDED)
        return rr_make(check, name, rr_type, TRY_AGAIN);
    if (answer->status == DNS_FAILED) // a PTR that fails does not match (section 5.5)
        return rr_make(check, name, rr_type, type == DNS_PTR ? HOST_NOT_FOUND : TRY_AGAIN);
    return rr_fill(check, rr_make(check, name, rr_type, NETDB_SUCCESS), answer, any);
}

// The one SPF record among the TXT records (section 4.5). Index, or -1 with *ret_error.
static int record_select(const struct dns_answer *answer, SPF_errcode_t *ret_error)
{
    int found = -1;
    *ret_error = SPF_E_NOT_SPF;
    for (uint32_t i = 0; answer->status == DNS_FOUND && i < answer->count; i++) {
        if (!spf_record_is(dns_answer_text(answer, i)))
            continue;
        if (found >= 0) {
            *ret_error = SPF_E_MULTIPLE_RECORDS;
            return -1;
        }
        found = (int)i;
    }
    return found;
}

// Why there is no record, as a result for the domain that was asked about first.
static SPF_errcode_t record_missing(struct check *check, bool first, SPF_errcode_t error)
{
    if (error == SPF_E_DNS_ERROR)
        decide(check, SPF_TEMPERROR);
    else if (first && error == SPF_E_NOT_SPF)
        decide(check, SPF_NONE);
    else
        decide(check, SPF_PERMERROR); // also an include or redirect to nothing: sections 5.2, 6.1
    return error;
}

static struct spf_names names_of(const SPF_request_t *request)
{
    return (struct spf_names){
        .sender = span_text(request->env_from),
        .local_part = span_text(request->env_from_lp),
        .sender_domain = span_text(request->env_from_dp),
        .domain = span_text(request->cur_dom),
        .helo = span_text(request->helo_dom),
    };
}

// Reads a domain's record in libspf2's place: the first, an include's or a redirect's.
static SPF_errcode_t layer_get_spf(SPF_server_t *server, SPF_request_t *request,
                                   SPF_response_t *response, SPF_record_t **ret_record)
{
    struct check *check = server->resolver->hook;
    bool first = !check->began;
    check->began = true;
    *ret_record = NULL;
    if (!first && !budget_take_term(check))
        return SPF_E_BIG_DNS;
    if (!spf_record_domain_is_sound(span_text(request->cur_dom)))
        return record_missing(check, first, SPF_E_NOT_SPF);

    const struct dns_answer *answer = ask(check, request->cur_dom, DNS_TXT);
    if (answer->status == DNS_FAILED)
        return record_missing(check, first, SPF_E_DNS_ERROR);
    SPF_errcode_t error;
    int index = record_select(answer, &error);
    if (index < 0)
        return record_missing(check, first, error);
    char record[SPF_RECORD_MAX + 16];
    struct spf_names names = names_of(request);
    if (!spf_record_normalise(dns_answer_text(answer, (uint32_t)index), check->client, &names,
                              record, sizeof record))
        return record_missing(check, first, SPF_E_SYNTAX);
    error = SPF_record_compile(server, response, ret_record, record);
    return error == SPF_E_SUCCESS ? error : record_missing(check, first, SPF_E_SYNTAX);
}

// No explanation is ever looked up or made: none would be used.
static SPF_errcode_t layer_get_exp(SPF_server_t *server, const char *domain, char **buffer,
                                   size_t *size)
{
    if (*buffer && *size > 0)
        **buffer = '\0';
    return SPF_E_SUCCESS;
}

static enum spf_result result_of(SPF_result_t result)
{
    switch (result) {
    case SPF_RESULT_NEUTRAL:
        return SPF_NEUTRAL;
    case SPF_RESULT_PASS:
        return SPF_PASS;
    case SPF_RESULT_FAIL:
        return SPF_FAIL;
    case SPF_RESULT_SOFTFAIL:
        return SPF_SOFTFAIL;
    case SPF_RESULT_NONE:
        return SPF_NONE;
    case SPF_RESULT_TEMPERROR:
        return SPF_TEMPERROR;
    case SPF_RESULT_PERMERROR:
    case SPF_RESULT_INVALID:
        return SPF_PERMERROR;
    }
    return SPF_PERMERROR;
}

struct identity { // as C strings, for libspf2
    char helo[HOST_NAME_MAX_DNS + 1];
    char sender[MAIL_ADDRESS_MAX + sizeof "postmaster@"];
};

// Section 2.4: an empty sender is postmaster at the HELO name. False: nothing to check, none.
static bool identity_make(const struct spf_question *question, struct identity *ret_identity)
{
    struct identity *id = ret_identity;
    struct span sender = span_of(question->mail_from, question->mail_from_size);
    struct span helo = message_name_span(&question->helo);
    memcpy(id->helo, helo.at, helo.size);
    id->helo[helo.size] = '\0';
    size_t at = sender.size;
    while (at > 0 && sender.at[at - 1] != '@')
        at--;
    struct span local = span_head(sender, at ? at - 1 : 0);
    struct span domain = sender.size ? span_skip(sender, at) : helo;
    if (!spf_record_domain_is_sound(domain) || (sender.size > 0 && at == 0))
        return false;
    if (memchr(sender.at, '\0', sender.size))
        return false;
    if (local.size == 0)
        local = span_text("postmaster");
    memcpy(id->sender, local.at, local.size);
    id->sender[local.size] = '@';
    memcpy(id->sender + local.size + 1, domain.at, domain.size);
    id->sender[local.size + 1 + domain.size] = '\0';
    return true;
}

static void request_set(SPF_request_t *request, const struct addr *client,
                        const struct identity *identity)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (addr_is_v4(client)) {
        memcpy(&v4, client->bytes + 12, sizeof v4);
        SPF_request_set_ipv4(request, v4);
    } else {
        memcpy(&v6, client->bytes, sizeof v6);
        SPF_request_set_ipv6(request, v6);
    }
    CHECK(SPF_request_set_helo_dom(request, identity->helo) == SPF_E_SUCCESS);
    CHECK(SPF_request_set_env_from(request, identity->sender) == 0);
}

static struct engine *engine_take(void)
{
    struct engine *engine = idle;
    if (engine) {
        idle = engine->next;
        return engine;
    }
    engine = calloc(1, sizeof *engine);
    CHECK(engine);
    engine->layer = (SPF_dns_server_t){
        .lookup = layer_lookup, .get_spf = layer_get_spf, .get_exp = layer_get_exp, .name = "weir"};
    SPF_warning_handler = SPF_info_handler = SPF_debug_handler = NULL; // not into our log
    engine->server = SPF_server_new_dns(&engine->layer, 0);
    CHECK(engine->server);
    SPF_server_set_max_dns_mech(engine->server, 1000); // the layer counts, over all includes
    return engine;
}

static void engine_give(struct engine *engine)
{
    engine->layer.hook = NULL;
    engine->next = idle;
    idle = engine;
}

void spf_check_done(void)
{
    while (idle) {
        struct engine *engine = idle;
        idle = engine->next;
        SPF_server_free(engine->server);
        free(engine);
    }
}

static enum spf_result evaluate(struct check *check, const struct identity *identity)
{
    struct engine *engine = engine_take();
    engine->layer.hook = check;
    SPF_request_t *request = SPF_request_new(engine->server);
    CHECK(request &&
          SPF_server_set_rec_dom(engine->server, check->dns->host_name) == SPF_E_SUCCESS);
    request_set(request, check->client, identity);
    SPF_response_t *response = NULL;
    SPF_request_query_mailfrom(request, &response);
    CHECK(response);
    enum spf_result result = check->verdict != UNDECIDED ? (enum spf_result)check->verdict
                                                         : result_of(SPF_response_result(response));
    SPF_response_free(response);
    SPF_request_free(request);
    engine_give(engine);
    return result;
}

enum spf_result spf_check(const struct spf_question *question, const struct spf_dns *dns,
                          uint32_t *ret_ttl)
{
    struct identity identity;
    struct check check = {
        .dns = dns, .client = &question->addr, .verdict = UNDECIDED, .ttl = TTL_MAX};
    *ret_ttl = check.ttl;
    if (!identity_make(question, &identity))
        return SPF_NONE;
    enum spf_result result = evaluate(&check, &identity);
    *ret_ttl = check.ttl;
    return result;
}

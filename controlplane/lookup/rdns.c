// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/rdns.h"

bool rdns_is_host_name(struct span name)
{
    if (!dns_name_is_askable(name) || span_find(name, '.') == name.size)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

// The rdns may be gone after this call.
static void finish(struct rdns *rdns)
{
    struct rdns_answer answer = {.verdict = RDNS_NONE};
    if (rdns->failed) {
        answer.verdict = RDNS_TEMPERROR;
    } else if (rdns->names > 0) {
        answer.verdict = RDNS_UNCONFIRMED;
        answer.name = rdns->forwards[0].name;
    }
    for (unsigned i = 0; i < rdns->names; i++)
        if (rdns->forwards[i].confirmed) {
            answer.verdict = RDNS_CONFIRMED;
            answer.name = rdns->forwards[i].name;
            break;
        }
    rdns->done(rdns->context, &answer, rdns->ttl);
}

static void ttl_take(struct rdns *rdns, const struct dns_answer *answer)
{
    if (answer->ttl < rdns->ttl)
        rdns->ttl = answer->ttl;
}

static void on_forward(void *context, const struct dns_answer *answer)
{
    struct rdns_forward *forward = context;
    struct rdns *rdns = forward->rdns;
    ttl_take(rdns, answer);
    if (answer->status == DNS_FAILED)
        rdns->failed = true;
    for (uint32_t i = 0; i < answer->count; i++)
        if (addr_equal(&answer->records[i].addr, &rdns->addr))
            forward->confirmed = true;
    if (--rdns->pending == 0)
        finish(rdns);
}

static void names_take(struct rdns *rdns, const struct dns_answer *answer)
{
    for (uint32_t i = 0; i < answer->count && rdns->names < RDNS_NAMES_MAX; i++) {
        struct rdns_forward *forward = &rdns->forwards[rdns->names];
        struct span name = dns_answer_text(answer, i);
        if (!rdns_is_host_name(name) || !message_name_set(&forward->name, name))
            continue; // somebody plays with our logs
        forward->rdns = rdns;
        forward->confirmed = false;
        rdns->names++;
    }
}

static void forwards_ask(struct rdns *rdns)
{
    enum dns_type type = addr_is_v4(&rdns->addr) ? DNS_A : DNS_AAAA;
    unsigned names = rdns->names;
    rdns->pending = names + 1; // one of our own: answers may come before all were asked
    for (unsigned i = 0; i < names; i++) {
        char text[sizeof rdns->forwards[i].name.text + 1];
        memcpy(text, rdns->forwards[i].name.text, rdns->forwards[i].name.size);
        text[rdns->forwards[i].name.size] = '\0';
        dns_resolver_ask(rdns->resolver, text, type, on_forward, &rdns->forwards[i]);
    }
    if (--rdns->pending == 0)
        finish(rdns);
}

static void on_ptr(void *context, const struct dns_answer *answer)
{
    struct rdns *rdns = context;
    ttl_take(rdns, answer);
    rdns->failed = answer->status == DNS_FAILED;
    names_take(rdns, answer); // before anything else is asked: the answer does not last
    forwards_ask(rdns);
}

void rdns_start(struct rdns *rdns, struct dns_resolver *resolver, const struct addr *addr,
                rdns_done *done, void *context)
{
    rdns->resolver = resolver;
    rdns->addr = *addr;
    rdns->done = done;
    rdns->context = context;
    rdns->ttl = DNS_TTL_MAX;
    rdns->names = rdns->pending = 0;
    rdns->failed = false;
    char name[DNS_NAME_SIZE];
    dns_reverse_name(addr, addr_is_v4(addr) ? "in-addr.arpa" : "ip6.arpa", name);
    dns_resolver_ask(resolver, name, DNS_PTR, on_ptr, rdns);
}

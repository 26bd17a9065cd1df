// SPDX-License-Identifier: BSD-3-Clause
#include "contract/policy.h"

#include "base/packet.h"
#include "contract/policy_mailbox.h"
#include "contract/policy_sender.h"

#include <strings.h>

enum { SCOPE_ALL, SCOPE_CLASS, SCOPE_ALWAYS };
static_assert((int)LIMIT_BAN_SECONDS < 64, "what comes before is noted in a word by the guard");

static const struct limit_facts facts[LIMIT_COUNT] = {
#define LIMIT(name, value, least, most, unit, scope, reason, text)                                 \
    {#name,                                                                                        \
     value,                                                                                        \
     least,                                                                                        \
     most,                                                                                         \
     unit,                                                                                         \
     text,                                                                                         \
     SCOPE_##scope == SCOPE_CLASS,                                                                 \
     SCOPE_##scope == SCOPE_ALWAYS,                                                                \
     REASON_##reason},
#include "contract/limit.def"
#undef LIMIT
};

const struct limit_facts *limit_facts(enum limit limit)
{
    CHECK(limit < LIMIT_COUNT);
    return &facts[limit];
}

const char *limit_why_modeless(enum limit limit)
{
    if (limit_facts(limit)->always)
        return "it bounds memory or a wait, and is always enforced";
    if (facts[limit].reason == REASON_NONE)
        return "nothing is refused by it alone";
    return NULL;
}

const char *limit_mode_name(enum limit_mode mode)
{
    static const char *const names[MODE_COUNT] = {"enforce", "shadow", "off"};
    CHECK(mode < MODE_COUNT);
    return names[mode];
}

bool limit_find(const char *name, enum limit *ret_limit)
{
    for (int i = 0; i < LIMIT_COUNT; i++)
        if (strcasecmp(facts[i].name, name) == 0) {
            *ret_limit = (enum limit)i;
            return true;
        }
    return false;
}

static bool is_text(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

// The binary search folds what it looks for, so what it looks in must be folded already.
static bool is_lower_text(const char *text, size_t size)
{
    if (!is_text(text, size))
        return false;
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            return false;
    return true;
}

#define IS_TEXT(array) is_text(array, sizeof(array))

static bool range_is_sound(const struct policy *p, struct policy_range range, size_t element)
{
    return range.offset % 8 == 0 && range.offset >= sizeof *p && range.offset <= p->size &&
           range.count <= (p->size - range.offset) / element;
}

// Host bits that are set would make a prefix that contains nothing.
static bool prefix_is_sound(const struct prefix *prefix)
{
    if (prefix->bits > 128)
        return false;
    struct addr masked = addr_mask(&prefix->addr, prefix->bits);
    return addr_equal(&masked, &prefix->addr);
}

static bool is_named_class(const struct policy *p, unsigned class)
{
    return class >= CLASS_NAMED && class < CLASS_DENY && p->classes[class].name[0];
}

static bool boot_is_sound(const struct policy_boot *boot)
{
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        const struct policy_interface *i = &boot->legs[leg];
        if (!IS_TEXT(i->device) || !i->device[0] || i->mtu < 1280 || i->mtu > 9000 ||
            i->vlan > 4094)
            return false;
        if (addr_is_zero(&i->addr[FAMILY_V4]) && addr_is_zero(&i->addr[FAMILY_V6]))
            return false;
        for (int family = 0; family < FAMILY_COUNT; family++)
            if (!addr_is_zero(&i->addr[family]) &&
                addr_is_v4(&i->addr[family]) != (family == FAMILY_V4))
                return false;
        if (i->bits[FAMILY_V4] > 128 || i->bits[FAMILY_V6] > 128)
            return false;
    }
    return IS_TEXT(boot->eal) && boot->workers >= 1 && boot->workers <= WORKERS_MAX &&
           boot->mbufs >= 1024 && boot->connections >= 16 && boot->sessions >= 8 &&
           boot->sources >= 64 && boot->sources <= 1u << 27 &&
           (boot->sources & (boot->sources - 1)) == 0;
}

static bool services_are_sound(const struct policy *p)
{
    if (p->services_count == 0 || p->services_count > SERVICES_MAX)
        return false;
    for (int i = 0; i < p->services_count; i++) {
        const struct policy_service *s = &p->services[i];
        if (!IS_TEXT(s->name) || s->port == 0 || s->protocol >= PROTOCOL_COUNT ||
            s->tls >= TLS_MODE_COUNT || s->backend >= p->backends_count ||
            p->backends[s->backend].protocol != s->protocol)
            return false;
        if (s->submission > 1)
            return false;
        if (s->submission && (s->protocol != PROTOCOL_SMTP || s->tls == TLS_OFF))
            return false;
        if (s->tls != TLS_OFF && p->certificates_count == 0)
            return false;
    }
    return true;
}

static bool servers_are_sound(const struct policy_backend *b)
{
    if (b->servers_count == 0 || b->servers_count > BACKEND_SERVERS_MAX)
        return false;
    for (int i = 0; i < b->servers_count; i++) {
        const struct policy_server *s = &b->servers[i];
        if (addr_is_zero(&s->addr) || s->port == 0 || s->weight == 0 || s->backup > 1)
            return false;
    }
    return true;
}

static bool backends_are_sound(const struct policy *p)
{
    if (p->backends_count == 0 || p->backends_count > BACKENDS_MAX)
        return false;
    for (int i = 0; i < p->backends_count; i++) {
        const struct policy_backend *b = &p->backends[i];
        if (!IS_TEXT(b->name) || b->protocol >= PROTOCOL_COUNT || b->identity >= IDENTITY_COUNT ||
            b->tls >= TLS_MODE_COUNT || b->tls_verify > 1 || !IS_TEXT(b->tls_name) ||
            !IS_TEXT(b->tls_ca_file) || !IS_TEXT(b->master_file) || !servers_are_sound(b))
            return false;
    }
    return true;
}

static bool limit_is_sound(const uint64_t *limits, int i)
{
    return limits[i] >= facts[i].least && limits[i] <= facts[i].most;
}

static bool mode_is_sound(const uint8_t *modes, int i)
{
    return modes[i] < MODE_COUNT &&
           (modes[i] == MODE_ENFORCE || !limit_why_modeless((enum limit)i));
}

static bool limits_are_sound(const struct policy *p)
{
    for (int i = 0; i < LIMIT_COUNT; i++)
        if (!limit_is_sound(p->limits, i) || !mode_is_sound(p->modes, i))
            return false;
    return true;
}

static bool class_is_sound(const struct policy_class *c, bool named)
{
    for (int i = 0; i < LIMITS_IN_SET; i++) {
        bool value = limit_set_has(&c->own_limits, (enum limit)i);
        bool mode = limit_set_has(&c->own_modes, (enum limit)i);
        if ((value || mode) && (i >= LIMIT_COUNT || !facts[i].by_class || !named))
            return false;
        if ((value && !limit_is_sound(c->limits, i)) || (mode && !mode_is_sound(c->modes, i)))
            return false;
    }
    return IS_TEXT(c->name);
}

static bool classes_are_sound(const struct policy *p)
{
    for (int i = 0; i < CLASSES_MAX; i++)
        if (!class_is_sound(&p->classes[i], is_named_class(p, (unsigned)i)))
            return false;
    return true;
}

static bool smtp_is_sound(const struct policy_smtp *s)
{
    for (int i = 0; i < FINDING_COUNT; i++) {
        const struct policy_verdict *verdict = &s->verdicts[i];
        uint8_t most = verdict->action == ACTION_SCORE ? POINTS_MAX : 0;
        if (verdict->action >= ACTION_COUNT || verdict->points > most)
            return false;
    }
    return IS_TEXT(s->host_name) && s->host_name[0] && s->score_threshold >= 1 &&
           s->verdicts[FINDING_SCORE_REACHED].action != ACTION_SCORE &&
           (s->dnsbl_zones == 0 || s->dnsbl_threshold >= 1);
}

static bool certificates_are_sound(const struct policy *p)
{
    if (p->certificates_count > CERTIFICATES_MAX)
        return false;
    for (int i = 0; i < p->certificates_count; i++)
        if (!IS_TEXT(p->certificates[i].certificate_file) || !IS_TEXT(p->certificates[i].key_file))
            return false;
    return true;
}

static bool routes_are_sound(const struct policy *p)
{
    if (p->routes_count > ROUTES_MAX)
        return false;
    for (int i = 0; i < p->routes_count; i++)
        if (!prefix_is_sound(&p->routes[i].to) || p->routes[i].leg >= LEG_COUNT)
            return false;
    return true;
}

static bool domains_are_sound(const struct policy *p)
{
    if (!range_is_sound(p, p->domains, sizeof(struct policy_domain)) ||
        p->domains.count > DOMAINS_MAX)
        return false;
    const struct policy_domain *domains = policy_at(p, p->domains);
    for (uint32_t i = 0; i < p->domains.count; i++) {
        if (!is_lower_text(domains[i].name, sizeof domains[i].name) ||
            domains[i].backend >= p->backends_count ||
            p->backends[domains[i].backend].protocol != PROTOCOL_SMTP)
            return false;
        if (i > 0 && strcmp(domains[i - 1].name, domains[i].name) >= 0)
            return false;
    }
    return true;
}

static bool networks_are_sound(const struct policy *p, struct policy_range range)
{
    if (range.count == 0)
        return true; // then nothing is looked at
    if (!range_is_sound(p, range, sizeof(struct prefix)) || range.count > NETWORKS_MAX)
        return false;
    const struct prefix *prefixes = policy_at(p, range);
    for (uint32_t i = 0; i < range.count; i++)
        if (!prefix_is_sound(&prefixes[i]))
            return false;
    return true;
}

static bool map_is_sound(const struct policy *p, struct policy_range map, struct policy_range texts)
{
    if (map.count == 0)
        return true; // then nothing is looked at
    return map.count <= POLICY_SENDERS_MAX &&
           range_is_sound(p, map, sizeof(struct policy_sender)) && range_is_sound(p, texts, 1) &&
           policy_sender_map_is_sound(p, map, texts);
}

static bool class_prefixes_are_sound(const struct policy *p)
{
    if (!range_is_sound(p, p->prefixes, sizeof(struct policy_class_prefix)) ||
        p->prefixes.count > POLICY_PREFIXES_MAX)
        return false;
    const struct policy_class_prefix *prefixes = policy_at(p, p->prefixes);
    for (uint32_t i = 0; i < p->prefixes.count; i++) {
        uint8_t class = prefixes[i].class;
        if (!prefix_is_sound(&prefixes[i].prefix) ||
            (class != CLASS_MARTIAN && class != CLASS_DENY && class != CLASS_ALLOW &&
             !is_named_class(p, class)))
            return false;
    }
    return true;
}

static bool rules_are_sound(const struct policy *p)
{
    if (!range_is_sound(p, p->rules, sizeof(struct policy_rule)) ||
        !range_is_sound(p, p->rules_database, 1))
        return false;
    const struct policy_rule *rules = policy_at(p, p->rules);
    for (uint32_t i = 0; i < p->rules.count; i++)
        if (!IS_TEXT(rules[i].name) || rules[i].action >= ACTION_RULE_COUNT || rules[i].parts > 7)
            return false;
    return true;
}

bool policy_is_sound(const struct policy *p, size_t size, const char **ret_what)
{
    const char *what = NULL;
    if (size < sizeof *p || p->magic != POLICY_MAGIC || p->version != contract_version ||
        p->size != size || size > POLICY_SIZE_MAX)
        what = "header";
    else if (!boot_is_sound(&p->boot))
        what = "boot";
    else if (!limits_are_sound(p))
        what = "limits";
    else if (!classes_are_sound(p))
        what = "classes";
    else if (!smtp_is_sound(&p->smtp))
        what = "smtp";
    else if (!backends_are_sound(p))
        what = "backends";
    else if (!certificates_are_sound(p))
        what = "certificates";
    else if (!services_are_sound(p))
        what = "services";
    else if (!routes_are_sound(p))
        what = "routes";
    else if (!domains_are_sound(p))
        what = "domains";
    else if (!networks_are_sound(p, p->relay_networks))
        what = "relay_networks";
    else if (!networks_are_sound(p, p->lenient_networks))
        what = "lenient_networks";
    else if (!class_prefixes_are_sound(p))
        what = "prefixes";
    else if (!map_is_sound(p, p->senders, p->sender_texts))
        what = "senders";
    else if (!map_is_sound(p, p->mailboxes, p->mailbox_texts) || !policy_mailbox_map_is_sound(p))
        what = "mailboxes";
    else if (!rules_are_sound(p))
        what = "rules";
    if (what)
        *ret_what = what;
    return what == NULL;
}

static const struct finding_facts findings[FINDING_COUNT] = {
#define FINDING(name, section, key, value, reason, bad, reject, defer, text)                       \
    {#name, section, key, ACTION_##value, REASON_##reason},
#include "contract/finding.def"
#undef FINDING
};

const struct finding_facts *finding_facts(enum finding finding)
{
    CHECK(finding < FINDING_COUNT);
    return &findings[finding];
}

void policy_verdicts_default(struct policy_smtp *smtp)
{
    for (int i = 0; i < FINDING_COUNT; i++)
        smtp->verdicts[i] = (struct policy_verdict){.action = (uint8_t)findings[i].value};
    smtp->score_threshold = 1;
}

uint64_t policy_limit(const struct policy *p, unsigned class, enum limit limit)
{
    CHECK(class < CLASSES_MAX && limit < LIMIT_COUNT);
    const struct policy_class *c = &p->classes[class];
    return limit_set_has(&c->own_limits, limit) ? c->limits[limit] : p->limits[limit];
}

enum limit_mode policy_mode(const struct policy *p, unsigned class, enum limit limit)
{
    CHECK(class < CLASSES_MAX && limit < LIMIT_COUNT);
    const struct policy_class *c = &p->classes[class];
    return (enum limit_mode)(limit_set_has(&c->own_modes, limit) ? c->modes[limit]
                                                                 : p->modes[limit]);
}

static int compare_nocase(struct span name, const char *entry)
{
    size_t size = strlen(entry);
    size_t both = name.size < size ? name.size : size;
    int order = both ? strncasecmp((const char *)name.at, entry, both) : 0;
    return order ? order : (name.size > size) - (name.size < size);
}

const struct policy_domain *policy_domain_find(const struct policy *p, struct span name)
{
    const struct policy_domain *domains = policy_at(p, p->domains);
    uint32_t low = 0, high = p->domains.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_nocase(name, domains[middle].name);
        if (order == 0)
            return &domains[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool is_in(const struct policy *p, struct policy_range range, const struct addr *client)
{
    const struct prefix *networks = policy_at(p, range);
    for (uint32_t i = 0; i < range.count; i++)
        if (prefix_contains(&networks[i], client))
            return true;
    return false;
}

bool policy_may_relay(const struct policy *p, const struct addr *client)
{
    return is_in(p, p->relay_networks, client);
}

bool policy_is_lenient(const struct policy *p, const struct addr *client)
{
    return is_in(p, p->lenient_networks, client);
}

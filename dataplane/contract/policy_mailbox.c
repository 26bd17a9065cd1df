// SPDX-License-Identifier: BSD-3-Clause
#include "contract/policy_mailbox.h"

#include "contract/policy_sender.h"

enum { NO_BACKEND = 255 };
static_assert((int)BACKENDS_MAX <= (int)NO_BACKEND, "an index, or none");

static const struct policy_sender *entry_at(const struct policy *p, uint32_t i,
                                            struct span *ret_key, struct span *ret_name)
{
    const struct policy_sender *entry =
        (const struct policy_sender *)policy_at(p, p->mailboxes) + i;
    const char *text = (const char *)policy_at(p, p->mailbox_texts) + entry->text;
    *ret_key = span_of(text, entry->sender_size);
    *ret_name = span_of(text + entry->sender_size, entry->login_size);
    return entry;
}

static uint8_t backend_find(const struct policy *p, struct span name)
{
    for (int i = 0; i < p->backends_count; i++)
        if (span_equal_nocase(name, span_text(p->backends[i].name)))
            return (uint8_t)i;
    return NO_BACKEND;
}

bool policy_mailbox_map_is_sound(const struct policy *p)
{
    struct span key, name;
    for (uint32_t i = 0; i < p->mailboxes.count; i++) {
        entry_at(p, i, &key, &name);
        if (backend_find(p, name) == NO_BACKEND)
            return false;
    }
    return true;
}

// The first entry of that key, or where it would stand.
static uint32_t first_of(const struct policy *p, struct span wanted)
{
    struct span key, name;
    uint32_t low = 0, high = p->mailboxes.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        entry_at(p, middle, &key, &name);
        if (policy_sender_compare(wanted, span_of(NULL, 0), key, name) <= 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static uint8_t backend_of(const struct policy *p, struct span wanted, uint8_t protocol)
{
    struct span key, name;
    for (uint32_t i = first_of(p, wanted); i < p->mailboxes.count; i++) {
        entry_at(p, i, &key, &name);
        if (!span_equal(key, wanted))
            break;
        uint8_t backend = backend_find(p, name);
        if (backend != NO_BACKEND && p->backends[backend].protocol == protocol)
            return backend;
    }
    return NO_BACKEND;
}

uint8_t policy_mailbox_backend(const struct policy *p, unsigned service, struct span login)
{
    const struct policy_service *facts = &p->services[service];
    char lower[USER_NAME_MAX];
    if (p->mailboxes.count == 0 || login.size > sizeof lower)
        return facts->backend;
    for (size_t i = 0; i < login.size; i++) {
        char c = (char)login.at[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    struct span whole = span_of(lower, login.size);
    uint8_t backend = backend_of(p, whole, facts->protocol);
    size_t at = span_find(whole, '@');
    if (backend == NO_BACKEND && at < whole.size)
        backend = backend_of(p, span_skip(whole, at), facts->protocol);
    return backend == NO_BACKEND ? facts->backend : backend;
}

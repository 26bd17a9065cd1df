// SPDX-License-Identifier: BSD-3-Clause
#include "contract/policy_sender.h"

static int compare(struct span a, struct span b)
{
    size_t both = a.size < b.size ? a.size : b.size;
    int order = both ? memcmp(a.at, b.at, both) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

int policy_sender_compare(struct span sender, struct span login, struct span other_sender,
                          struct span other_login)
{
    int order = compare(sender, other_sender);
    return order ? order : compare(login, other_login);
}

static struct span sender_of(const struct policy *p, struct policy_range texts,
                             const struct policy_sender *entry)
{
    return span_of((const char *)policy_at(p, texts) + entry->text, entry->sender_size);
}

static struct span login_of(const struct policy *p, struct policy_range texts,
                            const struct policy_sender *entry)
{
    return span_of((const char *)policy_at(p, texts) + entry->text + entry->sender_size,
                   entry->login_size);
}

bool policy_sender_map_is_sound(const struct policy *p, struct policy_range map,
                                struct policy_range texts)
{
    const struct policy_sender *entries = policy_at(p, map);
    for (uint32_t i = 0; i < map.count; i++) {
        const struct policy_sender *entry = &entries[i];
        if (entry->sender_size == 0 || entry->login_size == 0 ||
            (uint64_t)entry->text + entry->sender_size + entry->login_size > texts.count)
            return false;
        if (i > 0 &&
            policy_sender_compare(sender_of(p, texts, entry - 1), login_of(p, texts, entry - 1),
                                  sender_of(p, texts, entry), login_of(p, texts, entry)) >= 0)
            return false;
    }
    return true;
}

static bool is_entry(const struct policy *p, struct span sender, struct span login)
{
    const struct policy_sender *entries = policy_at(p, p->senders);
    uint32_t low = 0, high = p->senders.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct policy_sender *entry = &entries[middle];
        int order = policy_sender_compare(sender, login, sender_of(p, p->sender_texts, entry),
                                          login_of(p, p->sender_texts, entry));
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

struct text {
    char bytes[MAIL_ADDRESS_MAX];
    size_t size;
};

static bool add_lower(struct text *text, struct span more)
{
    if (more.size > sizeof text->bytes - text->size)
        return false;
    for (size_t i = 0; i < more.size; i++) {
        uint8_t c = more.at[i];
        text->bytes[text->size++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return true;
}

// The address, and every other of its domain.
static bool may(const struct policy *p, struct span login, struct span local, struct span domain)
{
    struct text address = {.size = 0};
    if (!add_lower(&address, local) || !add_lower(&address, span_text("@")) ||
        !add_lower(&address, domain))
        return false;
    struct span whole = span_of(address.bytes, address.size);
    return span_equal(whole, login) || is_entry(p, whole, login) ||
           is_entry(p, span_skip(whole, local.size), login);
}

bool policy_sender_may(const struct policy *p, struct span login, struct span local,
                       struct span domain)
{
    struct text lower = {.size = 0};
    if (!add_lower(&lower, login))
        return false;
    struct span who = span_of(lower.bytes, lower.size);
    if (may(p, who, local, domain))
        return true;
    size_t mailbox = p->smtp.subaddress ? span_find(local, (uint8_t)p->smtp.subaddress) : 0;
    return mailbox > 0 && mailbox < local.size && may(p, who, span_head(local, mailbox), domain);
}

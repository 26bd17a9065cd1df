// SPDX-License-Identifier: BSD-3-Clause
#include "contract/message.h"
#include "fuzz/fuzz.h"

static void names_are_harmless(const struct message_name *name)
{
    struct span text = message_name_span(name);
    CHECK(text.size <= sizeof(name->text));
    CHECK(span_find(text, '\r') == text.size && span_find(text, '\n') == text.size);
    CHECK(span_find(text, 0) == text.size);
}

static void stories_print(const struct trace_page *page)
{
    char text[TRACE_TEXT_SIZE];
    for (int i = 0; i < page->count; i++)
        for (int k = 0; k < page->stories[i].count; k++)
            CHECK(trace_event_text(&page->stories[i].events[k], text)[0] == '-');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message message = {0};
    memcpy(&message, data, size < sizeof(message) ? size : sizeof(message));
    if (message.version == 1) // in the corpus: ours, whatever that is today
        message.version = contract_version;
    if (!message_is_sound(&message))
        return 0;
    CHECK(message.version == contract_version && message.kind < MESSAGE_KIND_COUNT);
    if (message.kind == MESSAGE_RDNS && message.status == STATUS_OK)
        names_are_harmless(&message.rdns_answer.name);
    if (message.kind == MESSAGE_SPF && message.status == STATUS_ASKED)
        names_are_harmless(&message.spf_question.helo);
    if (message.kind == MESSAGE_BAN_LIST && message.status == STATUS_OK)
        CHECK(message.ban_page.count <= BANS_PER_MESSAGE);
    if (message.kind == MESSAGE_SESSION_LIST && message.status == STATUS_OK)
        CHECK(message.session_page.count <= SESSIONS_PER_MESSAGE);
    if (message.kind == MESSAGE_TRACE && message.status == STATUS_OK)
        stories_print(&message.trace_page);
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "rules/rules.h"
#include "session/session_internal.h"

/* Most sessions are between two commands most of the time, and most of a machine's state is about
 * the command or the mail that is under way. So that part lies in a pool of its own and is taken
 * when the machine is called, with the rest copied in front of it, and given back when it rests. So
 * is what the content rules know of a mail.
 */

void *session_machine(struct session *s)
{
    const struct mail_protocol *protocol = s->protocol;
    if (!protocol->rests)
        return s->rest;
    if (s->machine)
        return s->machine;
    s->machine_block = pool_take(&s->all->machines, &s->machine);
    CHECK(s->machine_block != HANDLE_NONE); // there is one for each session
    memcpy(s->machine, s->rest, protocol->rest_size);
    memset((uint8_t *)s->machine + protocol->rest_size, 0,
           protocol->state_size - protocol->rest_size);
    return s->machine;
}

void session_machine_rest(struct session *s)
{
    if (!s->machine || !s->protocol->rests(s->machine))
        return;
    memcpy(s->rest, s->machine, s->protocol->rest_size);
    pool_give(&s->all->machines, s->machine_block);
    s->machine_block = HANDLE_NONE;
    s->machine = NULL;
    rules_scan_close(s->scan, s->snapshot->uses[s->all->config.worker].scratch);
    s->scan = NULL;
}

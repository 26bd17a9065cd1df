// SPDX-License-Identifier: BSD-3-Clause
#include "pop3/pop3_internal.h"

#include "mail/line.h"
#include "mail/splice.h"

/* The spliced session: replies go on as they come, commands line by line. None of them can change
 * the login or the encoding in the TRANSACTION state (RFC 1939, section 5), so the backend answers
 * all of them itself.
 */

enum { OPEN_LINE_MAX = 512 }; // RFC 2449, section 4, says 255

size_t pop3_splice_client(struct pop3 *pop3, struct span input)
{
    if (pop3->pass == 0) {
        struct span line;
        size_t taken;
        enum reason reason;
        switch (line_take(input, OPEN_LINE_MAX, &line, &taken, &reason)) {
        case LINE_PARTIAL:
            return 0;
        case LINE_REFUSED:
            pop3_finish(pop3, reason);
            return taken;
        case LINE_WHOLE:
            break;
        }
        pop3->quit |= span_equal_nocase(span_trim(line), span_text("QUIT"));
        pop3->pass = (uint16_t)taken;
    }
    size_t sent = splice_forward(pop3->host, SIDE_BACKEND, input, pop3->pass);
    pop3->pass = (uint16_t)(pop3->pass - sent);
    return sent;
}

size_t pop3_splice_backend(struct pop3 *pop3, struct span input)
{
    return splice_forward(pop3->host, SIDE_CLIENT, input, UINT64_MAX);
}

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One SPF evaluation (RFC 7208): libspf2 between our own record reader (spf_record.h) and our own
 * DNS layer, which holds the budgets of section 4.6.4 for the whole evaluation, includes counted:
 * 10 terms that ask DNS, 2 void look-ups, 10 names of an MX or PTR answer.
 *
 * Only the result leaves: no text of libspf2's or of the record's. It blocks in spf_dns.lookup, so
 * it runs in a fiber. A look-up that fails because time is up makes the result temperror.
 */

#include "contract/message.h"
#include "lookup/dns_answer.h"

enum { SPF_TERMS_ASKING_MAX = 10, SPF_VOID_MAX = 2, SPF_NAMES_MAX = 10 };

struct spf_dns {
    // Waits for the answer, which is valid until the next call. Never NULL.
    const struct dns_answer *(*lookup)(void *context, const char *name, enum dns_type type);
    void *context;
    const char *host_name; // ours
};

// *ret_ttl: seconds that the result may be kept.
enum spf_result spf_check(const struct spf_question *question, const struct spf_dns *dns,
                          uint32_t *ret_ttl);

void spf_check_done(void); // gives back what is kept for the next one; none may be under way

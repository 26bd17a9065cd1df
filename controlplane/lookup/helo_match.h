// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* How a HELO name stands to the client's address and its confirmed name (enum helo_match,
 * contract/message.h). Only when the names say nothing is DNS asked, for the HELO name's addresses.
 *
 * An organisation is a registrable domain by the Public Suffix List: mail.example.co.uk and
 * example.co.uk are one, a.co.uk and b.co.uk are not, nor are names without such a domain.
 */

#include "contract/message.h"
#include "lookup/dns_resolver.h"

typedef void helo_match_done(void *context, enum helo_match match, uint32_t ttl);

struct helo_match_job { // the caller's memory until done is called, exactly once
    struct addr addr;
    helo_match_done *done;
    void *context;
};

// Reads the list, once, before the sandbox closes: the system's newest, else the library's own.
void helo_match_open(void);
void helo_match_close(void);

// May call done before it returns.
void helo_match_start(struct helo_match_job *job, struct dns_resolver *resolver,
                      const struct helo_question *question, helo_match_done *done, void *context);

bool helo_match_is_organisation(struct span a, struct span b); // one for both names

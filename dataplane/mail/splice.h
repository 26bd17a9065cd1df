// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The common step of spliced sessions: bytes that were judged already go on to the other side as
 * far as it has room.
 */

#include "mail/mail.h"

// Sends at most `most` bytes of `data`; how many.
size_t splice_forward(struct mail_host *host, enum mail_side to, struct span data, uint64_t most);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The header fields that we put before a message: Received (RFC 5321, section 4.4), Received-SPF
 * (RFC 7208, section 9.1), Authentication-Results (RFC 8601). What came from outside is written
 * with its dangerous bytes replaced and its length cut, so that nobody writes header lines through
 * us. */

#include "base/span.h"

struct smtp;

enum { SMTP_HEADER_MAX = 4096 }; // bytes; what is written is less

struct span smtp_header_write(const struct smtp *smtp, char buffer[SMTP_HEADER_MAX]);

// "Tue, 14 Nov 2023 22:13:20 +0000" of Unix time; years 1970 to 9999.
enum { SMTP_DATE_SIZE = 40 };
void smtp_header_date(int64_t unix_s, char text[SMTP_DATE_SIZE]);

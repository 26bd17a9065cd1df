// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A login to IMAP or POP3: credentials, the question, and the login to the backend with the user's
 * own password. Credentials live in a struct auth_question from the client's last word to the
 * backend's first, and are wiped by whoever moves on.
 */

#include "mail/mail.h"

// False when such a pair cannot be right anywhere: empty, too long, NUL, or control bytes in the
// name (it goes into logs and questions).
bool login_take_user(struct auth_question *login, struct span user);
bool login_take_password(struct auth_question *login, struct span password);

void login_ask(struct mail_host *host, const struct auth_question *login);

enum login_verdict { LOGIN_RIGHT, LOGIN_WRONG, LOGIN_THROTTLED, LOGIN_UNAVAILABLE };

// What came of it; refusals are counted. When right, the canonical name takes the typed one's
// place and is noted in the report.
enum login_verdict login_judge(struct mail_host *host, const struct message *answer,
                               struct auth_question *login);

enum { LOGIN_PLAIN_SIZE = (1 + USER_NAME_MAX + 1 + PASSWORD_MAX + 2) / 3 * 4 + 1 };

// Base64 of a PLAIN response (RFC 4616) without authorisation identity. Characters written; the
// caller wipes them.
size_t login_plain(const struct auth_question *login, char text[LOGIN_PLAIN_SIZE]);

uint64_t login_deadline(const struct mail_host *host, uint64_t now_us);   // to log in
uint64_t login_idle_until(const struct mail_host *host, uint64_t now_us); // once logged in

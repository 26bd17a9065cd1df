// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A login: credentials, the question, and the login to the backend. Credentials live in a struct
 * auth_question from the client's last word to the backend's first, and are wiped by whoever moves
 * on.
 */

#include "base/base64.h"
#include "mail/mail.h"

// False when such a pair cannot be right anywhere: empty, too long, NUL, or control bytes in the
// name (it goes into logs and questions).
bool login_take_user(struct auth_question *login, struct span user);
bool login_take_password(struct auth_question *login, struct span password);

struct auth_client login_client(const struct mail_host *host);
void login_ask(struct mail_host *host, const struct auth_question *login);

enum login_verdict {
    LOGIN_RIGHT,
    LOGIN_WRONG,
    LOGIN_THROTTLED,
    LOGIN_UNAVAILABLE,
    LOGIN_GOES_ON, // a SASL exchange is not over (mail/sasl.h)
};

// The canonical name takes the typed one's place and is noted in the report.
void login_name(struct mail_host *host, struct span user, struct auth_question *login);
// Counts the limit on guesses that the auth child names beside its verdict; 0: none.
void login_note_guesses(struct mail_host *host, uint8_t limit, uint8_t verdict);
// What came of login_ask. When right, the name is the canonical one, and noted.
enum login_verdict login_judge(struct mail_host *host, const struct message *answer,
                               struct auth_question *login);

// Notes it in the report, as login_judge does; returns it. The report has what the client was told:
// the backend's word when it has the last one, or there is a limit.
enum login_verdict login_note(struct mail_host *host, enum login_verdict verdict);

enum { LOGIN_PLAIN_SIZE = BASE64_SIZE(USER_NAME_MAX + 1 + USER_NAME_MAX + 1 + PASSWORD_MAX) };

// The backend that has the mailbox of the user who logged in.
uint8_t login_backend(const struct mail_host *host, const struct auth_question *login);
// The master user of a backend, or NULL: users log in there with their own passwords.
const struct mail_master *login_master(const struct mail_host *host, uint8_t backend);
// Have all backends one where the service's users may have their mailboxes?
bool login_has_masters(const struct mail_host *host);
// Base64 of a PLAIN response (RFC 4616) for a backend: the user's own, or the master's with the
// user as authorisation identity. Characters written; the caller wipes them.
size_t login_plain(const struct mail_host *host, uint8_t backend, const struct auth_question *login,
                   char text[LOGIN_PLAIN_SIZE]);

uint64_t login_deadline(const struct mail_host *host, uint64_t now_us); // to log in
// Once logged in, until the autologout; and is that enforced, or was it counted as shadow?
uint64_t login_idle_until(const struct mail_host *host, uint64_t now_us);
bool login_may_log_out(struct mail_host *host) MUST_CHECK;

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The passwd file as a back end: users from passwd_file.h, hashes computed by auth_pool.h, SCRAM by
 * scram_server.h, which is offered while every user who can log in has keys for it: a client that
 * prefers it must not fail where PLAIN would have done.
 *
 * A user who is unknown or cannot log in costs the hash of some known one, always the same for the
 * same name, or is shown made-up keys, and gets the same answer: neither tells who exists. A
 * password that was right when its hash was begun is wrong when the file says otherwise meanwhile.
 */

#include "lookup/auth_backend.h"
#include "lookup/passwd_file.h"

struct auth_passwd;

int auth_passwd_open(struct auth_passwd **ret_passwd, const char *path,
                     bool allow_plain) MUST_CHECK; // 0 or -errno
void auth_passwd_close(struct auth_passwd *passwd);

struct auth_backend auth_passwd_backend(struct auth_passwd *passwd);

void auth_passwd_refresh(struct auth_passwd *passwd); // reads the file when it changed
int auth_passwd_fd(const struct auth_passwd *passwd); // readable when tries have ended

int auth_passwd_error(const struct auth_passwd *passwd); // of the file: 0 or errno
uint32_t auth_passwd_users(const struct auth_passwd *passwd);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The users of a file in Dovecot's passwd-file format, a line each: `user:{SCHEME}hash[:...]`.
 *
 * User names are compared without case and kept in lower case. Empty lines and those that begin
 * with '#' are skipped. The file is read again when its inode, size or time of change says that it
 * is another; it is looked at when passwd_file_refresh is called. A file that cannot be read or has
 * a malformed line is refused as a whole, each bad line logged: the users read before stay, so a
 * half-written file locks nobody out; when there are none, its good lines are taken. A scheme that
 * is not spoken here is no malformed line: that user is warned about and cannot log in. {PLAIN} is
 * such a scheme unless it is allowed. One thread.
 */

#include "base/check.h"
#include "base/siphash.h"
#include "lookup/password_hash.h"

#include <stdint.h>
#include <sys/stat.h>

enum { PASSWD_FILE_MAX = 256 << 20, PASSWD_BAD_LINES_LOGGED = 20 };

struct passwd_user {
    struct span name; // lower case
    struct span hash;
    enum password_scheme scheme;
};

struct passwd_table;

struct passwd_file {
    const char *path; // the caller's
    bool allow_plain; // for tests
    struct passwd_table *table;
    struct stat seen;    // of the last look, good or bad
    bool has_seen;       // seen is filled
    uint64_t generation; // of the table, rises when it is replaced
    int error;           // of the state seen
};

// No users yet; refresh reads them.
void passwd_file_init(struct passwd_file *file, const char *path, bool allow_plain);
void passwd_file_done(struct passwd_file *file);

// Reads the file when it changed. 0: the table is what the file says; else -errno (-EBADMSG:
// malformed lines), logged once for each state of the file.
int passwd_file_refresh(struct passwd_file *file);

// The user, until the next refresh; false: no such user. Any bytes may be asked for.
bool passwd_file_find(const struct passwd_file *file, struct span name,
                      struct passwd_user *ret_user) MUST_CHECK;

// Some user, the same for the same number: whose hash a stranger's attempt is made to cost. False:
// there are none.
bool passwd_file_some(const struct passwd_file *file, uint64_t number,
                      struct passwd_user *ret_user) MUST_CHECK;

// Whose keys a stranger's SCRAM exchange looks like: the first user's with such keys, so that they
// change as seldom as can be. False: not every user who can log in has keys.
bool passwd_file_scram(const struct passwd_file *file, struct passwd_user *ret_user) MUST_CHECK;

uint32_t passwd_file_count(const struct passwd_file *file);

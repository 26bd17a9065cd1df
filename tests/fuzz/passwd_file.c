// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/passwd_file.h"
#include "base/limits.h"
#include "fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void user_is_sound(const struct passwd_file *file, const struct passwd_user *user)
{
    struct passwd_user same;
    CHECK(user->name.size > 0 && user->name.size <= USER_NAME_MAX);
    for (size_t i = 0; i < user->name.size; i++)
        CHECK(user->name.at[i] > ' ' && user->name.at[i] < 0x7f && user->name.at[i] != ':');
    CHECK(user->hash.size > 0 && user->hash.size <= PASSWORD_HASH_MAX);
    CHECK(passwd_file_find(file, user->name, &same) && same.hash.at == user->hash.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    static int fd = -1;
    struct passwd_file file;
    struct passwd_user user;
    if (fd < 0) {
        fd = memfd_create("passwd", MFD_CLOEXEC);
        CHECK(fd >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    passwd_file_init(&file, path, true);
    int error = passwd_file_refresh(&file);
    CHECK(error == 0 || error == -EBADMSG); // the good lines of a first file are taken
    for (uint32_t i = 0; i < passwd_file_count(&file); i++) {
        CHECK(passwd_file_some(&file, i, &user));
        user_is_sound(&file, &user);
    }
    if (passwd_file_find(&file, span_of(data, size), &user))
        user_is_sound(&file, &user);
    passwd_file_done(&file);
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "mail/master.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { FILE_MAX = USER_NAME_MAX + 1 + PASSWORD_MAX + 2 };

static bool has_control(struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < 0x20 || text.at[i] == 0x7f)
            return true;
    return false;
}

static const char *parse(struct span text, struct mail_master *ret_master)
{
    if (text.size && text.at[text.size - 1] == '\n')
        text.size--;
    size_t size = span_find(text, ':');
    struct span name = span_head(text, size), password = span_skip(text, size + 1);
    if (size == text.size || has_control(text))
        return "expected one line, NAME:PASSWORD";
    if (name.size == 0 || name.size > USER_NAME_MAX)
        return "name empty or too long";
    if (password.size == 0 || password.size > PASSWORD_MAX)
        return "password empty or too long";
    ret_master->name_size = (uint8_t)name.size;
    memcpy(ret_master->name, name.at, name.size);
    ret_master->password_size = (uint8_t)password.size;
    memcpy(ret_master->password, password.at, password.size);
    return NULL;
}

const char *master_read(const char *file, struct mail_master *ret_master)
{
    uint8_t text[FILE_MAX + 1];
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return strerror(errno);
    ssize_t size = read(fd, text, sizeof text);
    const char *wrong = size < 0          ? strerror(errno)
                        : size > FILE_MAX ? "too long"
                                          : parse(span_of(text, (size_t)size), ret_master);
    close(fd);
    explicit_bzero(text, sizeof text);
    return wrong;
}

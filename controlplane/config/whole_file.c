// SPDX-License-Identifier: BSD-3-Clause
#include "config/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int load(int fd, unsigned mb_max, uint8_t **ret_text, size_t *ret_size)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if (status.st_size > (off_t)mb_max << 20)
        return -EFBIG;
    uint8_t *text = malloc((size_t)status.st_size + 1);
    CHECK(text);
    size_t size = 0;
    while (size < (size_t)status.st_size) {
        ssize_t got = read(fd, text + size, (size_t)status.st_size - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int error = -errno;
            free(text);
            return error;
        }
        if (got == 0)
            break;
        size += (size_t)got;
    }
    *ret_text = text;
    *ret_size = size;
    return 0;
}

int whole_file_read(const char *file, unsigned mb_max, uint8_t **ret_text, size_t *ret_size,
                    struct config_errors *errors)
{
    struct config_place whole = {.file = file, .path = ""};
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int error = fd < 0 ? -errno : load(fd, mb_max, ret_text, ret_size);
    if (fd >= 0)
        close(fd);
    if (error == -EFBIG)
        config_errors_add(errors, &whole, "more than %u MB", mb_max);
    else if (error)
        config_errors_add(errors, &whole, "cannot be read: %s",
                          error == -EINVAL ? "not a file" : strerror(-error));
    return error;
}

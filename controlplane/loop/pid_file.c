// SPDX-License-Identifier: BSD-3-Clause
#include "loop/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 10 };

static int pid_put(int fd, pid_t pid)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%d\n", (int)pid);
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)size, 0) != size)
        return errno ? -errno : -EIO;
    return 0;
}

static int path_make(char *path, size_t size, const char *directory, const char *name)
{
    int length = snprintf(path, size, "%s/%s", directory, name);
    return length > 0 && (size_t)length < size ? 0 : -ENAMETOOLONG;
}

// Locked, but is it still the file of that name? The one who had it may have removed it meanwhile.
static bool is_current(const char *path, int fd)
{
    struct stat ours, named;
    return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

int pid_file_lock(struct pid_file *file, const char *directory, const char *name)
{
    file->fd = -1;
    int error = path_make(file->path, sizeof file->path, directory, name);
    if (error)
        return error;
    if (mkdir(directory, 0755) < 0 && errno != EEXIST)
        return -errno;
    for (int i = 0; i < TRIES; i++) {
        int fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            error = errno == EWOULDBLOCK ? -EEXIST : -errno;
            close(fd);
            return error;
        }
        if (!is_current(file->path, fd)) {
            close(fd);
            continue;
        }
        error = pid_put(fd, getpid());
        if (error)
            close(fd);
        else
            file->fd = fd;
        return error;
    }
    return -EEXIST;
}

void pid_file_unlock(struct pid_file *file)
{
    if (file->fd < 0)
        return;
    unlink(file->path);
    close(file->fd);
    file->fd = -1;
}

int pid_file_write(const char *directory, const char *name, pid_t pid)
{
    char path[PATH_NAME_MAX + 64], aside[PATH_NAME_MAX + 72];
    int error = path_make(path, sizeof path, directory, name);
    if (error)
        return error;
    snprintf(aside, sizeof aside, "%s.new", path);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    error = pid_put(fd, pid);
    close(fd);
    if (!error && rename(aside, path) < 0)
        error = -errno;
    if (error)
        unlink(aside);
    return error;
}

void pid_file_remove(const char *directory, const char *name)
{
    char path[PATH_NAME_MAX + 64];
    if (path_make(path, sizeof path, directory, name) == 0)
        unlink(path);
}

// SPDX-License-Identifier: BSD-3-Clause
// Runs a fuzz target over every file of the folders given: a corpus as an ordinary test.
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int replay_file(int folder, const char *name)
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (file < 0 || fstat(file, &about) != 0)
        return -1;
    if (S_ISREG(about.st_mode) && about.st_size == 0) {
        LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    } else if (S_ISREG(about.st_mode)) {
        size_t size = (size_t)about.st_size;
        void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
        if (bytes == MAP_FAILED)
            return -1;
        LLVMFuzzerTestOneInput(bytes, size);
        munmap(bytes, size);
    }
    return close(file);
}

static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return -1;
    int result = 0;
    const struct dirent *entry;
    while (result == 0 && (entry = readdir(folder)) != NULL)
        result = replay_file(dirfd(folder), entry->d_name);
    closedir(folder);
    return result;
}

int main(int count, char **folders)
{
    for (int i = 1; i < count; i++) {
        if (replay_folder(folders[i]) != 0) {
            perror(folders[i]);
            return 1;
        }
    }
    return count > 1 ? 0 : 1;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "base/memory_left.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 1024 };

// The number that stands in a file after `label` at a line's beginning; UINT64_MAX: none, or "max".
static uint64_t number_in(const char *folder, const char *name, const char *label)
{
    char path[PATH_SIZE + 32], line[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return UINT64_MAX;
    unsigned long long number = UINT64_MAX;
    size_t skip = strlen(label);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, label, skip) == 0 && sscanf(line + skip, "%llu", &number) == 1)
            break;
    fclose(file);
    return number;
}

// What a memory controller of cgroups leaves to the group in `folder`; page cache gives way.
static uint64_t group_leaves(const char *folder, bool is_v2)
{
    uint64_t most = number_in(folder, is_v2 ? "memory.max" : "memory.limit_in_bytes", "");
    uint64_t used = number_in(folder, "memory.stat", is_v2 ? "anon " : "total_rss ");
    if (most == UINT64_MAX || used == UINT64_MAX)
        return UINT64_MAX;
    return most > used ? most - used : 0;
}

// Likewise to a process in the group that a line of /proc/self/cgroup names, and in all groups
// around it: "4:memory:/a/b", or of version 2 "0::/a/b". In a container folders may be out of
// sight.
static uint64_t groups_leave(const char *root, char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return UINT64_MAX;
    *group++ = 0;
    group[strcspn(group, "\n")] = 0;
    bool is_v2 = controllers[1] == 0;
    if (!is_v2 && !strstr(controllers + 1, "memory"))
        return UINT64_MAX;
    char folder[PATH_SIZE];
    int mount = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s", root, is_v2 ? "" : "/memory");
    snprintf(folder + mount, sizeof folder - (size_t)mount, "%s", group);
    uint64_t least = UINT64_MAX;
    for (size_t end = strlen(folder); end >= (size_t)mount; end--) {
        if (folder[end] != 0 && folder[end] != '/')
            continue;
        folder[end] = 0;
        uint64_t left = group_leaves(folder, is_v2);
        least = left < least ? left : least;
    }
    return least;
}

uint64_t memory_left(const char *root)
{
    char path[PATH_SIZE], line[PATH_SIZE];
    snprintf(path, sizeof path, "%s/proc", root);
    uint64_t kilobytes = number_in(path, "meminfo", "MemAvailable: ");
    uint64_t least = kilobytes < UINT64_MAX / 1024 ? kilobytes * 1024 : UINT64_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        uint64_t left = groups_leave(root, line);
        least = left < least ? left : least;
    }
    if (file)
        fclose(file);
    return least;
}

bool memory_has_room(uint64_t size)
{
    uint64_t left = memory_left("");
    return size <= left - left / 16;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "link/port_device.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

static bool matches(const char *text, const char *pattern);
static unsigned kernel_queues(const char *interface);

bool port_device_is_pci(const char *device)
{
    return matches(device, "xxxx:xx:xx.x") || matches(device, "xx:xx.x");
}

// x is a hexadecimal digit; the pattern ends at the text's end or at its arguments.
static bool matches(const char *text, const char *pattern)
{
    size_t i = 0;
    for (; pattern[i]; i++)
        if (pattern[i] == 'x' ? !isxdigit((unsigned char)text[i]) : text[i] != pattern[i])
            return false;
    return text[i] == '\0' || text[i] == ',';
}

void port_device_name(const char *device, char *ret_name, size_t size)
{
    snprintf(ret_name, size, "%.*s", (int)strcspn(device, ","), device);
}

bool port_device_argument(const char *device, const char *key, char *ret_value, size_t size)
{
    size_t key_size = strlen(key);
    for (const char *at = strchr(device, ','); at; at = strchr(at, ',')) {
        at++;
        if (strncmp(at, key, key_size) != 0 || at[key_size] != '=')
            continue;
        at += key_size + 1;
        snprintf(ret_value, size, "%.*s", (int)strcspn(at, ","), at);
        return true;
    }
    return false;
}

bool port_device_arguments(const char *device, unsigned workers, char *ret_arguments, size_t size)
{
    char value[64], more[32] = "";
    const char *comma = strchr(device, ',');
    if (workers > 1 && strncmp(device, "net_af_packet", 13) == 0 &&
        !port_device_argument(device, "qpairs", value, sizeof value))
        snprintf(more, sizeof more, ",qpairs=%u", workers);
    if (workers > 1 && strncmp(device, "net_af_xdp", 10) == 0 &&
        !port_device_argument(device, "queue_count", value, sizeof value) &&
        port_device_argument(device, "iface", value, sizeof value) &&
        kernel_queues(value) >= workers)
        snprintf(more, sizeof more, ",queue_count=%u", workers);
    const char *own = comma ? comma + 1 : "";
    int written = snprintf(ret_arguments, size, "%s%s", own, *own ? more : more + (*more != '\0'));
    return written >= 0 && (size_t)written < size;
}

bool port_device_is_loss(const char *statistic)
{
    static const char *const of_all[] = {"rx_missed_errors", "rx_errors", "tx_errors",
                                         "rx_mbuf_allocation_errors"};
    static const char *const losses[] = {"err", "drop", "miss", "discard", "no_buf", "overflow"};
    unsigned queue;
    int size = 0;
    if (sscanf(statistic, "rx_q%u_errors%n", &queue, &size) == 1 && size && !statistic[size])
        return false;
    for (unsigned i = 0; i < sizeof of_all / sizeof of_all[0]; i++)
        if (strcmp(statistic, of_all[i]) == 0)
            return false;
    for (unsigned i = 0; i < sizeof losses / sizeof losses[0]; i++)
        if (strstr(statistic, losses[i]))
            return true;
    return false;
}

// Receive queues that the kernel gives the interface; 0 when there is no such interface.
static unsigned kernel_queues(const char *interface)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/class/net/%s/queues", interface);
    DIR *directory = opendir(path);
    unsigned count = 0;
    if (!directory)
        return 0;
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += strncmp(entry->d_name, "rx-", 3) == 0;
    closedir(directory);
    return count;
}

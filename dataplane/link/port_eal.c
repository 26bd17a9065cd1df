// SPDX-License-Identifier: BSD-3-Clause
#include "link/port_eal.h"

#include "base/log.h"
#include "base/memory_left.h"
#include "base/packet.h"
#include "link/port.h"
#include "link/port_device.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool has_enough(const struct policy_boot *boot, uint64_t huge_mb);
static void add(struct port_eal *eal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int add_lcores(struct port_eal *eal, const struct policy_boot *boot, const char **ret_what);
static void add_devices(struct port_eal *eal, const struct policy_boot *boot);
static void add_words(struct port_eal *eal, const char *words);

int port_eal_init(const struct policy_boot *boot, const char **ret_what)
{
    static struct port_eal eal; // EAL keeps pointers into it
    static char what[128];
    uint64_t huge_mb = port_eal_huge_mb("/sys/kernel/mm/hugepages");
    int error = port_eal_arguments(&eal, boot, huge_mb, ret_what);
    if (error < 0)
        return error;
    bool huge = has_enough(boot, huge_mb);
    log_info("what=\"memory\" huge_pages=%s wanted_mb=%" PRIu32 " free_huge_mb=%" PRIu64 "%s",
             huge ? "yes" : "no", boot->hugepage_mb, huge_mb,
             huge ? "" : " note=\"slower; reserve huge pages for speed\"");
    if (rte_eal_init(eal.count, eal.arguments) >= 0)
        return 0;
    error = rte_errno ? -rte_errno : -EIO;
    snprintf(what, sizeof what,
             "EAL did not start (%s): see its lines above; boot.eal, "
             "boot.hugepage_mb, boot.worker_lcores",
             rte_strerror(-error));
    *ret_what = what;
    return error;
}

int port_eal_arguments(struct port_eal *eal, const struct policy_boot *boot, uint64_t huge_mb,
                       const char **ret_what)
{
    *eal = (struct port_eal){0};
    add(eal, "weir-dataplane");
    int error = add_lcores(eal, boot, ret_what);
    if (error < 0)
        return error;
    add(eal, "--file-prefix=weir"); // of the telemetry socket; no other file is made
    add(eal, "--log-level=*:warning");
    if (boot->hugepage_mb) { // 0: as much as EAL thinks fit
        add(eal, "-m");
        add(eal, "%" PRIu32, boot->hugepage_mb);
    }
    if (has_enough(boot, huge_mb)) {
        add(eal, "--in-memory");
    } else {
        if (!memory_has_room((uint64_t)boot->hugepage_mb << 20)) {
            *ret_what = "boot.hugepage_mb: there is not so much memory";
            return -ENOMEM;
        }
        add(eal, "--no-huge"); // which does not go with --in-memory
        add(eal, "--no-shconf");
    }
    add_devices(eal, boot);
    add_words(eal, boot->eal); // last: the operator's word counts
    if (!eal->too_long)
        return 0;
    *ret_what = "boot.eal: too many arguments";
    return -EINVAL;
}

static bool has_enough(const struct policy_boot *boot, uint64_t huge_mb)
{
    return huge_mb > 0 && huge_mb >= boot->hugepage_mb;
}

// An lcore's id is its CPU. Where main shares a worker's CPU it takes the first id that is free.
static int add_lcores(struct port_eal *eal, const struct policy_boot *boot, const char **ret_what)
{
    bool taken[RTE_MAX_LCORE] = {false};
    char list[16 * (WORKERS_MAX + 1)];
    size_t size = 0;
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    for (unsigned i = 0; i < boot->workers; i++) {
        unsigned cpu = boot->lcores[i];
        if (cpu >= RTE_MAX_LCORE || cpu >= cpus || taken[cpu]) {
            *ret_what = cpu < RTE_MAX_LCORE && taken[cpu]
                            ? "boot.worker_lcores: a CPU is named twice"
                            : "boot.worker_lcores: no such CPU on this machine";
            return -EINVAL;
        }
        taken[cpu] = true;
        size += (size_t)snprintf(list + size, sizeof list - size, "%u@%u,", cpu, cpu);
    }
    unsigned main_id = boot->main_lcore;
    if (main_id >= RTE_MAX_LCORE || main_id >= cpus) {
        *ret_what = "boot.main_lcore: no such CPU on this machine";
        return -EINVAL;
    }
    for (unsigned id = 0; taken[main_id] && id < RTE_MAX_LCORE; id++)
        main_id = id;
    snprintf(list + size, sizeof list - size, "%u@%u", main_id, boot->main_lcore);
    add(eal, "--lcores=%s", list);
    add(eal, "--main-lcore=%u", main_id);
    return 0;
}

// Only the configured PCI devices are touched; EAL would take every one that is bound otherwise.
static void add_devices(struct port_eal *eal, const struct policy_boot *boot)
{
    bool pci = false;
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        const char *device = boot->legs[leg].device;
        if (!port_device_is_pci(device) || (pci && strcmp(device, boot->legs[0].device) == 0))
            continue;
        pci = true;
        add(eal, "--allow=%s", device);
    }
    if (!pci)
        add(eal, "--no-pci");
}

static void add_words(struct port_eal *eal, const char *words)
{
    while (*words) {
        size_t size = strcspn(words, " \t");
        if (size)
            add(eal, "%.*s", (int)size, words);
        words += size;
        words += strspn(words, " \t");
    }
}

static void add(struct port_eal *eal, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *at = eal->text + eal->text_size;
    size_t room = sizeof eal->text - eal->text_size;
    int size = vsnprintf(at, room, format, values);
    va_end(values);
    if (size < 0 || (size_t)size >= room || eal->count == PORT_EAL_ARGUMENTS_MAX) {
        eal->too_long = true;
        return;
    }
    eal->arguments[eal->count++] = at;
    eal->text_size += (size_t)size + 1;
}

uint64_t port_eal_huge_mb(const char *directory)
{
    DIR *sizes = opendir(directory);
    uint64_t kib = 0;
    if (!sizes)
        return 0;
    for (const struct dirent *entry; (entry = readdir(sizes));) {
        unsigned long page_kib, pages = 0;
        if (sscanf(entry->d_name, "hugepages-%lukB", &page_kib) != 1)
            continue;
        char path[512];
        snprintf(path, sizeof path, "%s/%s/free_hugepages", directory, entry->d_name);
        FILE *file = fopen(path, "re");
        if (!file)
            continue;
        if (fscanf(file, "%lu", &pages) == 1)
            kib += (uint64_t)pages * page_kib;
        fclose(file);
    }
    closedir(sizes);
    return kib / 1024;
}

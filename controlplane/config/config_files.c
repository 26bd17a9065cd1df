// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_files.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void file_check(const char *path, const char *key, const char *file,
                       struct config_errors *errors)
{
    struct config_place place = {.file = file, .path = key};
    if (access(path, R_OK) < 0)
        config_errors_add(errors, &place, "expected a file that can be read, not \"%s\": %s", path,
                          strerror(errno));
}

static void user_check(const char *user, const char *key, const char *file,
                       struct config_errors *errors)
{
    struct config_place place = {.file = file, .path = key};
    const struct passwd *entry = getpwnam(user);
    if (!entry || entry->pw_uid == 0)
        config_errors_add(errors, &place, "expected a user of this machine but root, not \"%s\"",
                          user);
}

// As DPDK finds them: one that is off line has no topology.
static void cpu_check(uint16_t cpu, const char *key, const char *file, struct config_errors *errors)
{
    char path[64];
    struct config_place place = {.file = file, .path = key};
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/topology", cpu);
    if (access(path, F_OK) < 0)
        config_errors_add(errors, &place, "expected a CPU of this machine, not %u", cpu);
}

static void cpus_check(const struct policy_boot *boot, const char *file,
                       struct config_errors *errors)
{
    cpu_check(boot->main_lcore, "boot.main_lcore", file, errors);
    for (int i = 0; i < boot->workers; i++) {
        char key[32];
        snprintf(key, sizeof key, "boot.worker_lcores[%d]", i);
        cpu_check(boot->lcores[i], key, file, errors);
    }
}

int config_files_check(const struct config *config, const char *file, struct config_errors *errors)
{
    unsigned before = errors->count;
    const struct policy *head = &config->head;
    cpus_check(&head->boot, file, errors);
    for (int i = 0; i < head->certificates_count; i++) {
        char key[64];
        snprintf(key, sizeof key, "tls.certificates[%d].certificate", i);
        file_check(head->certificates[i].certificate_file, key, file, errors);
        snprintf(key, sizeof key, "tls.certificates[%d].key", i);
        file_check(head->certificates[i].key_file, key, file, errors);
    }
    for (int i = 0; i < head->backends_count; i++) {
        char key[64];
        snprintf(key, sizeof key, "backends.%s.master_file", head->backends[i].name);
        if (head->backends[i].master_file[0])
            file_check(head->backends[i].master_file, key, file, errors);
        snprintf(key, sizeof key, "backends.%s.tls_ca_file", head->backends[i].name);
        if (head->backends[i].tls_ca_file[0])
            file_check(head->backends[i].tls_ca_file, key, file, errors);
    }
    if (config->auth.backend == CONFIG_AUTH_PASSWD_FILE && config->auth.passwd_file[0])
        file_check(config->auth.passwd_file, "auth.passwd_file", file, errors);
    user_check(config->control.dns_user, "control.dns_user", file, errors);
    user_check(config->control.auth_user, "control.auth_user", file, errors);
    if (strcmp(config->control.dns_user, config->control.auth_user) == 0) {
        struct config_place place = {.file = file, .path = "control.auth_user"};
        config_errors_add(errors, &place, "expected another user than control.dns_user's, \"%s\"",
                          config->control.dns_user);
    }
    return errors->count > before ? -EINVAL : 0;
}

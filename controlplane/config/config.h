// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The operator's configuration in memory: what the YAML file says, defaults filled in, checked.
 *
 * `head` holds the fixed part of the policy just as contract/policy.h has it (its header and ranges
 * stay zero until policy/policy_compile.h), so that nothing is named twice. A config never changes
 * once it was published: an edit is made on a copy, and the copy replaces it when the data plane
 * took it. Rules are shared between copies. One thread.
 */

#include "base/addr_pattern.h"
#include "config/config_errors.h"
#include "config/list_file.h"
#include "config/sender_map.h"
#include "contract/policy.h"

enum {
    CONFIG_PREFIXES_MAX = 1 << 20,
    CONFIG_LIST_FILES_MAX = 16,
    CONFIG_SERVERS_MAX = 8,
    CONFIG_SERVER_SIZE = 64,
    CONFIG_DNSBL_MAX = 16,
    CONFIG_DNSBL_WEIGHT_MAX = 100, // either way
    CONFIG_DNSBL_ZONE_SIZE = 128,
};

struct config_control { // read once, when weir-controlplane starts
    char dataplane_socket[108];
    char api_socket[108];
    char pid_directory[PATH_NAME_MAX + 1];
    char session_log[PATH_NAME_MAX + 1]; // "": none
    char metrics[CONFIG_SERVER_SIZE];    // ADDRESS:PORT; "": none
    char dns_user[32], auth_user[32];
};

struct config_dns {
    char servers[CONFIG_SERVERS_MAX][CONFIG_SERVER_SIZE]; // ADDRESS:PORT
    uint32_t servers_count;
    uint32_t timeout_ms;
};

struct config_dnsbl { // one entry; threshold and action are in the policy
    char zone[CONFIG_DNSBL_ZONE_SIZE];
    struct addr_pattern replies;
    int32_t weight;
};

enum config_auth_backend { CONFIG_AUTH_PASSWD_FILE, CONFIG_AUTH_DOVECOT };

struct config_auth {
    uint8_t backend;                // enum config_auth_backend
    char socket[PATH_NAME_MAX + 1]; // of Dovecot: a path or ADDRESS:PORT
    char passwd_file[PATH_NAME_MAX + 1];
    bool allow_plain; // users with {PLAIN} passwords
};

struct config_prefixes {
    struct prefix *items;
    uint32_t count, room;
};

struct config_list_file {
    char name[16];
    char file[PATH_NAME_MAX + 1];
    uint8_t class;
    struct list_prefixes *prefixes; // shared; never NULL in a whole configuration
};

struct config_rule {
    char name[sizeof((struct policy_rule *)0)->name];
    char *pattern;
    uint8_t parts;  // bits of enum rule_part
    uint8_t action; // enum action
    bool caseless, dotall, multiline;
    size_t line, column; // in the rules file
};

struct config_rules {
    unsigned references;
    char file[PATH_NAME_MAX + 1]; // "": no rules
    uint32_t count;
    struct config_rule *items;
};

struct config {
    struct config_control control;
    struct config_dns dns;
    struct config_dnsbl dnsbl[CONFIG_DNSBL_MAX]; // head.smtp.dnsbl_zones of them
    struct config_auth auth;
    struct policy head;
    struct config_prefixes relay_networks, lenient_networks;
    struct config_prefixes lists[CLASSES_MAX]; // by class; head.classes has the names
    bool martians_given;                       // else config_martians_default makes that list
    struct config_list_file list_files[CONFIG_LIST_FILES_MAX];
    uint32_t list_files_count;
    struct policy_domain *domains; // sorted by name
    uint32_t domains_count;
    struct config_rules *rules;   // never NULL
    struct sender_map *senders;   // shared; NULL: none
    struct sender_map *mailboxes; // likewise
    char mailbox_file[PATH_NAME_MAX + 1];
};

// Reads, checks and completes the file, and the rules file that it names. 0, or -EINVAL (or -errno)
// with at least one line in `errors`; *ret_config is touched only on success.
int config_read(const char *file, struct config **ret_config,
                struct config_errors *errors) MUST_CHECK;

// The class of that name, allow, deny and martian among them, or -1. The default class has no list.
int config_class_find(const struct config *config, const char *name);

struct config *config_new(void); // defaults only; never NULL
struct config *config_copy(const struct config *config);
void config_free(struct config *config); // NULL is fine

// 0; -ENOSPC. Looks for no equal one, so that a list of n is read in n steps.
int config_prefixes_append(struct config_prefixes *prefixes,
                           const struct prefix *prefix) MUST_CHECK;
// 0; -EEXIST; -ENOSPC.
int config_prefixes_add(struct config_prefixes *prefixes, const struct prefix *prefix) MUST_CHECK;
// All that are equal. 0; -ENOENT.
int config_prefixes_remove(struct config_prefixes *prefixes,
                           const struct prefix *prefix) MUST_CHECK;

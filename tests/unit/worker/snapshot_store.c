// SPDX-License-Identifier: BSD-3-Clause
#include "worker/snapshot_store.h"

#include "base/packet.h"
#include "support/eal_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW };

static struct policy sound_policy(uint64_t generation)
{
    struct policy p = {.magic = POLICY_MAGIC,
                       .version = contract_version,
                       .size = sizeof p,
                       .generation = generation,
                       .services_count = 1,
                       .backends_count = 1};
    for (int i = 0; i < LIMIT_COUNT; i++)
        p.limits[i] = limit_facts((enum limit)i)->value;
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        struct policy_interface *i = &p.boot.legs[leg];
        snprintf(i->device, sizeof i->device, "net_null%d", leg);
        i->mtu = 1500;
        assert_true(addr_parse("192.0.2.1", &i->addr[FAMILY_V4]));
    }
    p.boot.workers = 1;
    p.boot.lcores[0] = 1;
    p.boot.mbufs = 2048;
    p.boot.connections = p.boot.sessions = p.boot.sources = 64;
    policy_verdicts_default(&p.smtp);
    snprintf(p.smtp.host_name, sizeof p.smtp.host_name, "mail.example.net");
    p.services[0] = (struct policy_service){.name = "smtp", .port = 25};
    p.backends[0] = (struct policy_backend){
        .name = "b", .servers_count = 1, .servers = {{.port = 25, .weight = 1}}};
    assert_true(addr_parse("192.0.2.9", &p.backends[0].servers[0].addr));
    struct policy_range *ranges[] = {&p.domains, &p.relay_networks, &p.prefixes, &p.rules,
                                     &p.rules_database};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        ranges[i]->offset = sizeof p;
    return p;
}

static int memfd_of(const struct policy *p, int seals)
{
    int fd = memfd_create("policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(write(fd, p, sizeof *p), sizeof *p);
    if (seals)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static int add(struct snapshot_store *store, const struct policy *p, int seals,
               const struct policy_boot *boot, char text[200])
{
    int fd = memfd_of(p, seals);
    int error = snapshot_store_add(store, fd, sizeof *p, boot, text, 200);
    close(fd);
    return error;
}

static void a_snapshot_that_could_still_be_written_is_refused(void **state)
{
    struct snapshot_store store = {0};
    struct policy p = sound_policy(1);
    char text[200];
    assert_int_equal(add(&store, &p, 0, NULL, text), -EINVAL);
    assert_non_null(strstr(text, "sealed"));
    assert_null(store.newest);
}

static void an_unsound_snapshot_is_refused_and_names_its_part(void **state)
{
    struct snapshot_store store = {0};
    struct policy p = sound_policy(1);
    p.services[0].backend = 9;
    char text[200];
    assert_int_equal(add(&store, &p, SEALS, NULL, text), -EINVAL);
    assert_non_null(strstr(text, "services"));
    assert_null(store.newest);
}

static void a_certificate_that_cannot_be_read_refuses_the_whole(void **state)
{
    struct snapshot_store store = {0};
    struct policy p = sound_policy(1);
    p.certificates_count = 1;
    snprintf(p.certificates[0].certificate_file, PATH_NAME_MAX, "/nowhere/cert.pem");
    snprintf(p.certificates[0].key_file, PATH_NAME_MAX, "/nowhere/key.pem");
    char text[200];
    assert_int_equal(add(&store, &p, SEALS, NULL, text), -EINVAL);
    assert_non_null(strstr(text, "/nowhere/cert.pem"));
    assert_null(store.newest);
}

static void another_boot_part_asks_for_a_restart(void **state)
{
    struct snapshot_store store = {0};
    struct policy p = sound_policy(1);
    struct policy_boot boot = p.boot;
    char text[200];
    assert_int_equal(add(&store, &p, SEALS, NULL, text), 0);
    p.boot.sessions++;
    assert_int_equal(add(&store, &p, SEALS, &boot, text), -EBUSY);
    assert_non_null(strstr(text, "stop it"));
    assert_int_equal(store.newest->policy->generation, 1);
    snapshot_store_done(&store);
}

static void an_old_snapshot_lives_as_long_as_its_last_session(void **state)
{
    struct snapshot_store store = {0};
    char text[200];
    for (uint64_t generation = 1; generation <= 3; generation++) {
        struct policy p = sound_policy(generation);
        assert_int_equal(add(&store, &p, SEALS, NULL, text), 0);
        if (generation == 1)
            store.newest->uses[0].sessions = 1;
    }
    snapshot_store_collect(&store);
    assert_int_equal(store.newest->policy->generation, 3);
    assert_int_equal(store.newest->older->policy->generation, 1);
    store.newest->older->uses[0].sessions = 0;
    snapshot_store_collect(&store);
    assert_null(store.newest->older);
    snapshot_store_done(&store);
}

static struct policy_with_list {
    struct policy policy;
    struct policy_class_prefix prefixes[2];
} with_list(uint64_t generation, const char *denied)
{
    struct policy_with_list p = {.policy = sound_policy(generation)};
    p.policy.size = sizeof p;
    p.policy.prefixes.count = 2;
    assert_true(prefix_parse("192.0.2.0/24", &p.prefixes[0].prefix));
    assert_true(prefix_parse(denied, &p.prefixes[1].prefix));
    p.prefixes[0].class = p.prefixes[1].class = CLASS_DENY;
    for (int class = CLASS_DENY; class < CLASSES_MAX; class ++)
        snprintf(p.policy.classes[class].name, sizeof p.policy.classes[0].name, "c%d", class);
    return p;
}

static int add_with_list(struct snapshot_store *store, const struct policy_with_list *p)
{
    char text[200];
    int fd = memfd_create("policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(write(fd, p, sizeof *p), sizeof *p);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
    int error = snapshot_store_add(store, fd, sizeof *p, NULL, text, sizeof text);
    close(fd);
    return error;
}

static void lists_that_did_not_change_are_not_built_again(void **state)
{
    struct snapshot_store store = {0};
    struct policy_with_list p = with_list(1, "198.18.0.0/15");
    assert_int_equal(add_with_list(&store, &p), 0);
    const struct guard_lists *first = store.newest->lists;
    p.policy.generation = 2;
    p.policy.limits[LIMIT_CONNECTIONS_SOURCE]++;
    assert_int_equal(add_with_list(&store, &p), 0);
    assert_ptr_equal(store.newest->lists, first);
    snapshot_store_collect(&store); // the older one goes, the lists stay
    assert_null(store.newest->older);
    p = with_list(3, "198.18.0.0/16");
    assert_int_equal(add_with_list(&store, &p), 0);
    assert_ptr_not_equal(store.newest->lists, first);
    assert_ptr_equal(store.newest->older->lists, first);
    snapshot_store_done(&store);
}

static int start(void **state)
{
    eal_fixture_start();
    return 0;
}

static void a_master_file_that_cannot_be_read_refuses_the_whole(void **state)
{
    struct snapshot_store store = {0};
    struct policy p = sound_policy(1);
    snprintf(p.backends[0].master_file, PATH_NAME_MAX, "/nowhere/master");
    char text[200];
    assert_int_equal(add(&store, &p, SEALS, NULL, text), -EINVAL);
    assert_non_null(strstr(text, "/nowhere/master: No such file or directory"));
    assert_null(store.newest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_that_could_still_be_written_is_refused),
        cmocka_unit_test(an_unsound_snapshot_is_refused_and_names_its_part),
        cmocka_unit_test(a_certificate_that_cannot_be_read_refuses_the_whole),
        cmocka_unit_test(another_boot_part_asks_for_a_restart),
        cmocka_unit_test(an_old_snapshot_lives_as_long_as_its_last_session),
        cmocka_unit_test(lists_that_did_not_change_are_not_built_again),
        cmocka_unit_test(a_master_file_that_cannot_be_read_refuses_the_whole),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}

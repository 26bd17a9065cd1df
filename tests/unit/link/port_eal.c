// SPDX-License-Identifier: BSD-3-Clause
#include "link/port_eal.h"

#include "base/packet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct policy_boot boot;
static struct port_eal eal;
static const char *what;

static int start(void **state)
{
    boot = (struct policy_boot){.workers = 1, .hugepage_mb = 256};
    snprintf(boot.legs[LEG_OUTSIDE].device, sizeof boot.legs[0].device, "net_ring0");
    snprintf(boot.legs[LEG_INSIDE].device, sizeof boot.legs[0].device, "net_ring1");
    what = "";
    return 0;
}

static bool has(const char *argument)
{
    for (int i = 0; i < eal.count; i++)
        if (strcmp(eal.arguments[i], argument) == 0)
            return true;
    return false;
}

static void a_cpu_that_is_not_there_is_refused_by_its_key(void **state)
{
    boot.lcores[0] = 127;
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), -EINVAL);
    assert_non_null(strstr(what, "boot.worker_lcores"));
    boot.lcores[0] = 60000;
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), -EINVAL);
    boot.lcores[0] = 0;
    boot.main_lcore = 60000;
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), -EINVAL);
    assert_non_null(strstr(what, "boot.main_lcore"));
}

static void a_cpu_for_two_workers_is_refused(void **state)
{
    boot.workers = 2;
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), -EINVAL);
    assert_non_null(strstr(what, "twice"));
}

static void more_arguments_than_fit_are_refused(void **state)
{
    for (size_t i = 0; i + 2 < sizeof boot.eal; i += 2)
        memcpy(boot.eal + i, "x ", 3);
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), -EINVAL);
    assert_non_null(strstr(what, "boot.eal"));
}

static void more_memory_than_there_is_is_refused_by_its_key(void **state)
{
    boot.hugepage_mb = UINT32_MAX; // 4 PiB
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), -ENOMEM);
    assert_non_null(strstr(what, "boot.hugepage_mb"));
}

static void too_few_huge_pages_mean_none(void **state)
{
    assert_int_equal(port_eal_arguments(&eal, &boot, 255, &what), 0);
    assert_true(has("--no-huge"));
    assert_false(has("--in-memory"));
    assert_int_equal(port_eal_arguments(&eal, &boot, 256, &what), 0);
    assert_true(has("--in-memory"));
    assert_false(has("--no-huge"));
    assert_true(has("256"));
    boot.hugepage_mb = 0; // EAL decides
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), 0);
    assert_true(has("--no-huge"));
    assert_false(has("-m"));
}

static void a_worker_has_its_cpu_for_an_id_and_main_gives_way(void **state)
{
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), 0);
    assert_true(has("--lcores=0@0,1@0"));
    assert_true(has("--main-lcore=1"));
    if (sysconf(_SC_NPROCESSORS_CONF) < 2)
        return;
    boot.lcores[0] = 1;
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), 0);
    assert_true(has("--lcores=1@1,0@0"));
    assert_true(has("--main-lcore=0"));
}

static void only_configured_pci_devices_are_touched(void **state)
{
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), 0);
    assert_true(has("--no-pci"));
    snprintf(boot.legs[LEG_INSIDE].device, sizeof boot.legs[0].device, "0000:01:00.1");
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), 0);
    assert_false(has("--no-pci"));
    assert_true(has("--allow=0000:01:00.1"));
    snprintf(boot.legs[LEG_OUTSIDE].device, sizeof boot.legs[0].device, "0000:01:00.1");
    int one = eal.count;
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), 0);
    assert_int_equal(eal.count, one);
}

static void the_operators_arguments_come_last(void **state)
{
    snprintf(boot.eal, sizeof boot.eal, "  --iova-mode=va \t --log-level=debug ");
    assert_int_equal(port_eal_arguments(&eal, &boot, 0, &what), 0);
    assert_string_equal(eal.arguments[eal.count - 2], "--iova-mode=va");
    assert_string_equal(eal.arguments[eal.count - 1], "--log-level=debug");
    assert_null(eal.arguments[eal.count]);
}

static void put_pages(const char *directory, const char *size, const char *pages)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, size);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/%s/free_hugepages", directory, size);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(pages, file);
    fclose(file);
}

static void huge_pages_of_all_sizes_are_counted(void **state)
{
    char directory[] = "/tmp/weir-test-XXXXXX", command[64];
    assert_non_null(mkdtemp(directory));
    assert_int_equal(port_eal_huge_mb("/no/such/directory"), 0);
    assert_int_equal(port_eal_huge_mb(directory), 0);
    put_pages(directory, "hugepages-2048kB", "100\n");
    put_pages(directory, "hugepages-1048576kB", "2\n");
    put_pages(directory, "other", "7\n");
    assert_int_equal(port_eal_huge_mb(directory), 200 + 2048);
    snprintf(command, sizeof command, "rm -r %s", directory);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_cpu_that_is_not_there_is_refused_by_its_key, start),
        cmocka_unit_test_setup(a_cpu_for_two_workers_is_refused, start),
        cmocka_unit_test_setup(more_arguments_than_fit_are_refused, start),
        cmocka_unit_test_setup(more_memory_than_there_is_is_refused_by_its_key, start),
        cmocka_unit_test_setup(too_few_huge_pages_mean_none, start),
        cmocka_unit_test_setup(a_worker_has_its_cpu_for_an_id_and_main_gives_way, start),
        cmocka_unit_test_setup(only_configured_pci_devices_are_touched, start),
        cmocka_unit_test_setup(the_operators_arguments_come_last, start),
        cmocka_unit_test_setup(huge_pages_of_all_sizes_are_counted, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

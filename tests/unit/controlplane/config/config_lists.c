// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_lists.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char names[2][32];

static void write_file(int index, const char *text)
{
    FILE *file = fopen(names[index], "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct config *config_with(const char *first, uint8_t first_class, const char *second,
                                  uint8_t second_class)
{
    const char *const texts[] = {first, second};
    const uint8_t classes[] = {first_class, second_class};
    struct config *config = config_new();
    struct config_errors errors = {0};
    for (int i = 0; i < 2; i++) {
        snprintf(names[i], sizeof names[i], "/tmp/config_lists_XXXXXX");
        int fd = mkstemp(names[i]);
        assert_true(fd >= 0);
        close(fd);
        write_file(i, texts[i]);
        struct config_list_file *file = &config->list_files[config->list_files_count++];
        file->class = classes[i];
        snprintf(file->file, sizeof file->file, "%s", names[i]);
        assert_int_equal(list_file_read(names[i], &file->prefixes, &errors), 0);
    }
    return config;
}

static int done(void **state)
{
    unlink(names[0]);
    unlink(names[1]);
    return 0;
}

static int class_of(const struct config *config, const char *text)
{
    struct addr addr;
    struct config_lists_match match = {.class = CLASS_DEFAULT};
    assert_true(addr_parse(text, &addr));
    return config_lists_find(config, &addr, &match) ? match.class : -1;
}

static void a_bad_file_leaves_all_lists_as_they_were(void **state)
{
    struct config *config =
        config_with("192.0.2.0/24\n", CLASS_DENY, "198.51.100.0/24\n", CLASS_DENY);
    struct config_errors errors = {0};
    write_file(0, "203.0.113.0/24\n");
    write_file(1, "198.51.100.0/24\nnonsense\n");
    assert_int_equal(config_lists_reload(config, &errors), -EINVAL);
    assert_int_equal(errors.count, 1);
    assert_non_null(strstr(errors.text, ":2:1: expected a prefix"));
    assert_int_equal(class_of(config, "192.0.2.1"), CLASS_DENY);
    assert_int_equal(class_of(config, "203.0.113.1"), -1);
    write_file(1, "");
    assert_int_equal(config_lists_reload(config, &errors), 0);
    assert_int_equal(class_of(config, "192.0.2.1"), -1);
    assert_int_equal(class_of(config, "198.51.100.1"), -1);
    assert_int_equal(class_of(config, "203.0.113.1"), CLASS_DENY);
    config_free(config);
}

static void a_reload_of_a_copy_leaves_the_other(void **state)
{
    struct config *config = config_with("192.0.2.0/24\n", CLASS_DENY, "", CLASS_DENY);
    struct config *copy = config_copy(config);
    struct config_errors errors = {0};
    write_file(0, "192.0.2.0/24\n::1\n");
    assert_int_equal(config_lists_reload(copy, &errors), 0);
    assert_int_equal(config_lists_count(config), 1);
    assert_int_equal(config_lists_count(copy), 2);
    config_free(config);
    assert_int_equal(class_of(copy, "::1"), CLASS_DENY);
    config_free(copy);
}

static void the_longest_prefix_of_all_lists_counts_and_then_the_greater_class(void **state)
{
    struct config *config = config_with("192.0.2.0/24\n198.51.100.0/24\n", CLASS_DENY,
                                        "192.0.2.0/24\n198.51.100.0/25\n", CLASS_NAMED);
    struct prefix inner, outer;
    assert_true(prefix_parse("192.0.2.64/26", &inner) && prefix_parse("0.0.0.0/0", &outer));
    assert_int_equal(config_prefixes_add(&config->lists[CLASS_ALLOW], &inner), 0);
    assert_int_equal(config_prefixes_add(&config->lists[CLASS_NAMED + 1], &outer), 0);
    assert_int_equal(class_of(config, "192.0.2.1"), CLASS_DENY);
    assert_int_equal(class_of(config, "192.0.2.64"), CLASS_ALLOW);
    assert_int_equal(class_of(config, "198.51.100.1"), CLASS_NAMED);
    assert_int_equal(class_of(config, "198.51.100.200"), CLASS_DENY);
    assert_int_equal(class_of(config, "203.0.113.1"), CLASS_NAMED + 1);
    assert_int_equal(class_of(config, "::1"), -1);
    assert_int_equal(config_lists_count(config), 6);
    assert_int_equal(config_lists_count_of(config, CLASS_DENY), 2); // in a file
    assert_int_equal(config_lists_count_of(config, CLASS_ALLOW), 1);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test_teardown(a_bad_file_leaves_all_lists_as_they_were, done),
        cmocka_unit_test_teardown(a_reload_of_a_copy_leaves_the_other, done),
        cmocka_unit_test_teardown(the_longest_prefix_of_all_lists_counts_and_then_the_greater_class,
                                  done),
    };
    return cmocka_run_group_tests_name("config_lists", cases, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "config/list_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static int parse(const char *text, struct list_prefixes **ret_prefixes,
                 struct config_errors *errors)
{
    return list_file_parse("drop.txt", span_text(text), ret_prefixes, errors);
}

static void bad_lines_are_told_by_number_and_nothing_is_taken(void **state)
{
    struct list_prefixes *prefixes = NULL;
    struct config_errors errors = {0};
    const char *text = "192.0.2.0/24\n"
                       "192.0.2.1/24\n"
                       "# 1\n"
                       "2001:db8::/129\n"
                       "192.0.2.0/24 198.51.100.0/24\n"
                       "\x1b[31m\n"
                       "00000000000000000000000000000000000000000000000000000000000000\n";
    assert_int_equal(parse(text, &prefixes, &errors), -EINVAL);
    assert_null(prefixes);
    assert_int_equal(errors.count, 5);
    assert_non_null(strstr(errors.text, "drop.txt:2:1: expected a prefix"));
    assert_non_null(strstr(errors.text, "not \"192.0.2.1/24\""));
    assert_non_null(strstr(errors.text, "drop.txt:4:1: "));
    assert_non_null(strstr(errors.text, "drop.txt:5:1: "));
    assert_non_null(strstr(errors.text, "not \"?[31m\""));
    assert_non_null(strstr(errors.text, "drop.txt:7:1: "));
}

static void a_thousand_bad_lines_make_twenty_of_text(void **state)
{
    char text[1000 * 2 + 1] = "";
    for (int i = 0; i < 1000; i++)
        memcpy(text + i * 2, "x\n", 3);
    struct list_prefixes *prefixes = NULL;
    struct config_errors errors = {0};
    assert_int_equal(parse(text, &prefixes, &errors), -EINVAL);
    assert_int_equal(errors.count, 1000);
    assert_non_null(strstr(errors.text, "drop.txt:20:1:"));
    assert_null(strstr(errors.text, "drop.txt:21:1:"));
}

static void one_prefix_too_many_ends_it(void **state)
{
    size_t size = ((size_t)LIST_FILE_PREFIXES_MAX + 2) * 3;
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size; i += 3)
        memcpy(text + i, "::\n", 4);
    struct list_prefixes *prefixes = NULL;
    struct config_errors errors = {0};
    assert_int_equal(parse(text, &prefixes, &errors), -E2BIG);
    assert_int_equal(errors.count, 1);
    assert_non_null(strstr(errors.text, "drop.txt:1048577:1: more than 1048576 prefixes"));
    text[size - 6] = '\0';
    assert_int_equal(parse(text, &prefixes, &errors), 0);
    assert_int_equal(prefixes->count, LIST_FILE_PREFIXES_MAX);
    list_file_give(prefixes);
    free(text);
}

static void what_is_no_file_is_told(void **state)
{
    struct list_prefixes *prefixes = NULL;
    struct config_errors errors = {0};
    assert_int_equal(list_file_read("/nowhere/drop.txt", &prefixes, &errors), -ENOENT);
    assert_int_equal(list_file_read("/dev/zero", &prefixes, &errors), -EINVAL);
    assert_string_equal(errors.text,
                        "/nowhere/drop.txt: cannot be read: No such file or directory\n"
                        "/dev/zero: cannot be read: not a file\n");
    assert_null(prefixes);
}

static void a_file_too_large_is_not_read(void **state)
{
    char name[] = "/tmp/list_file_XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (LIST_FILE_MB_MAX << 20) + 1), 0);
    struct list_prefixes *prefixes = NULL;
    struct config_errors errors = {0};
    assert_int_equal(list_file_read(name, &prefixes, &errors), -EFBIG);
    assert_non_null(strstr(errors.text, "more than 64 MB"));
    close(fd);
    unlink(name);
}

static void comments_blanks_and_line_ends_of_all_kinds_are_nothing(void **state)
{
    struct list_prefixes *prefixes = NULL;
    struct config_errors errors = {0};
    const char *text = "\n  \t\n# all\r\n; of it\n 192.0.2.0/24 ; SBL1\r\n2001:db8::/32#\n"
                       "198.51.100.7";
    assert_int_equal(parse(text, &prefixes, &errors), 0);
    assert_int_equal(prefixes->count, 3);
    assert_int_equal(prefixes->ipv4, 2);
    char shown[PREFIX_TEXT_SIZE];
    assert_string_equal(prefix_format(&prefixes->items[0], shown), "192.0.2.0/24");
    assert_string_equal(prefix_format(&prefixes->items[1], shown), "2001:db8::/32");
    assert_string_equal(prefix_format(&prefixes->items[2], shown), "198.51.100.7/32");
    assert_ptr_equal(list_file_share(prefixes), prefixes);
    list_file_give(prefixes);
    assert_int_equal(prefixes->count, 3);
    list_file_give(prefixes);
    assert_int_equal(parse("", &prefixes, &errors), 0);
    assert_int_equal(prefixes->count, 0);
    list_file_give(prefixes);
    list_file_give(NULL);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(bad_lines_are_told_by_number_and_nothing_is_taken),
        cmocka_unit_test(a_thousand_bad_lines_make_twenty_of_text),
        cmocka_unit_test(one_prefix_too_many_ends_it),
        cmocka_unit_test(what_is_no_file_is_told),
        cmocka_unit_test(a_file_too_large_is_not_read),
        cmocka_unit_test(comments_blanks_and_line_ends_of_all_kinds_are_nothing),
    };
    return cmocka_run_group_tests_name("list_file", cases, NULL, NULL);
}

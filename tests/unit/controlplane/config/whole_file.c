// SPDX-License-Identifier: BSD-3-Clause
#include "config/whole_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void what_is_no_file_or_too_big_is_told(void **state)
{
    struct config_errors errors = {0};
    char file[] = "/tmp/weir-whole-XXXXXX";
    uint8_t *text;
    size_t size;
    assert_int_equal(whole_file_read("/nowhere", 1, &text, &size, &errors), -ENOENT);
    assert_int_equal(whole_file_read("/tmp", 1, &text, &size, &errors), -EINVAL);
    assert_non_null(strstr(errors.text, "/tmp: cannot be read: not a file"));
    int fd = mkstemp(file);
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    assert_int_equal(whole_file_read(file, 1, &text, &size, &errors), -EFBIG);
    assert_non_null(strstr(errors.text, "more than 1 MB"));
    assert_int_equal(errors.count, 3);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(whole_file_read(file, 1, &text, &size, &errors), 0);
    assert_int_equal(size, 1 << 20);
    free(text);
    close(fd);
    unlink(file);
}

static void a_file_is_read_as_it_is(void **state)
{
    struct config_errors errors = {0};
    char file[] = "/tmp/weir-whole-XXXXXX";
    uint8_t *text;
    size_t size;
    int fd = mkstemp(file);
    assert_int_equal(write(fd, "a\0b\n", 4), 4);
    close(fd);
    assert_int_equal(whole_file_read(file, 1, &text, &size, &errors), 0);
    unlink(file);
    assert_int_equal(size, 4);
    assert_memory_equal(text, "a\0b\n", 4);
    assert_int_equal(errors.count, 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_file_or_too_big_is_told),
        cmocka_unit_test(a_file_is_read_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "loop/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/weir-pid-XXXXXX";

static long read_pid(const char *name)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *stream = fopen(path, "r");
    if (!stream)
        return 0;
    assert_non_null(fgets(text, sizeof text, stream));
    fclose(stream);
    return strtol(text, NULL, 10);
}

static void locked_file_is_refused_to_another_process(void **state)
{
    struct pid_file file, other;
    assert_int_equal(pid_file_lock(&file, directory, "one"), 0);
    assert_int_equal(read_pid("one"), getpid());
    assert_int_equal(pid_file_lock(&other, directory, "one"), -EEXIST);
    assert_int_equal(read_pid("one"), getpid());
    pid_file_unlock(&file);
    assert_int_equal(read_pid("one"), 0);
}

static void file_of_a_dead_process_is_taken_over(void **state)
{
    struct pid_file file;
    pid_t child = fork();
    if (child == 0)
        _exit(pid_file_lock(&file, directory, "two") == 0 ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(read_pid("two"), child);
    assert_int_equal(pid_file_lock(&file, directory, "two"), 0);
    assert_int_equal(read_pid("two"), getpid());
    pid_file_unlock(&file);
}

static void impossible_places_are_errors(void **state)
{
    struct pid_file file;
    char long_name[300];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(pid_file_lock(&file, "/nowhere/at/all", "x"), -ENOENT);
    assert_int_equal(pid_file_write("/nowhere/at/all", "x", 1), -ENOENT);
    assert_true(pid_file_write(directory, long_name, 1) < 0);
}

static void missing_directory_is_made(void **state)
{
    struct pid_file file;
    char below[64];
    snprintf(below, sizeof below, "%s/below", directory);
    assert_int_equal(pid_file_lock(&file, below, "x"), 0);
    pid_file_unlock(&file);
    assert_int_equal(rmdir(below), 0);
}

static void written_file_holds_the_id_until_removed(void **state)
{
    assert_int_equal(pid_file_write(directory, "dns", 4711), 0);
    assert_int_equal(pid_file_write(directory, "dns", 12), 0);
    assert_int_equal(read_pid("dns"), 12);
    pid_file_remove(directory, "dns");
    pid_file_remove(directory, "dns");
    assert_int_equal(read_pid("dns"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locked_file_is_refused_to_another_process),
        cmocka_unit_test(file_of_a_dead_process_is_taken_over),
        cmocka_unit_test(impossible_places_are_errors),
        cmocka_unit_test(missing_directory_is_made),
        cmocka_unit_test(written_file_holds_the_id_until_removed),
    };
    if (!mkdtemp(directory))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}

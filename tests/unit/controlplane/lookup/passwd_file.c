// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/passwd_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char path[32];
static struct passwd_file file;

static void file_write(const char *text)
{
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

static int start(void **state)
{
    snprintf(path, sizeof path, "/tmp/weir-passwd-XXXXXX");
    int fd = mkstemp(path);
    passwd_file_init(&file, path, true);
    return fd < 0 ? 1 : close(fd);
}

static int stop(void **state)
{
    passwd_file_done(&file);
    unlink(path);
    return 0;
}

static bool knows(const char *name)
{
    struct passwd_user user;
    return passwd_file_find(&file, span_text(name), &user);
}

static void missing_file_has_no_users(void **state)
{
    struct passwd_user user;
    unlink(path);
    assert_int_equal(passwd_file_refresh(&file), -ENOENT);
    assert_int_equal(passwd_file_count(&file), 0);
    assert_false(knows("a"));
    assert_false(passwd_file_some(&file, 7, &user));
}

static void directory_is_no_passwd_file(void **state)
{
    passwd_file_init(&file, "/tmp", true);
    assert_true(passwd_file_refresh(&file) < 0);
}

static void bad_file_keeps_the_users_read_before(void **state)
{
    static const char *const bad[] = {
        "b", ":{PLAIN}x", "b c:{PLAIN}x", "b:nothing", "b:{PLAIN}x\nB:{PLAIN}y", "b:{PLAIN}x\nc"};
    file_write("a:{PLAIN}x\n");
    assert_int_equal(passwd_file_refresh(&file), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        file_write(bad[i]);
        assert_int_equal(passwd_file_refresh(&file), -EBADMSG);
        assert_true(knows("a"));
        assert_false(knows("b"));
    }
    assert_int_equal(file.generation, 1);
}

static void file_that_vanished_keeps_the_users(void **state)
{
    file_write("a:{PLAIN}x\n");
    assert_int_equal(passwd_file_refresh(&file), 0);
    unlink(path);
    assert_int_equal(passwd_file_refresh(&file), -ENOENT);
    assert_true(knows("a"));
}

static void good_lines_of_a_bad_first_file_are_taken(void **state)
{
    file_write("a:{PLAIN}x\nnonsense\nb:{PLAIN}y\n");
    assert_int_equal(passwd_file_refresh(&file), -EBADMSG);
    assert_int_equal(passwd_file_refresh(&file), -EBADMSG); // for as long as it is so
    assert_int_equal(passwd_file_count(&file), 2);
}

static void plain_passwords_are_taken_only_when_allowed(void **state)
{
    struct passwd_user user;
    file.allow_plain = false;
    file_write("a:{PLAIN}x\n");
    assert_int_equal(passwd_file_refresh(&file), 0);
    assert_true(passwd_file_find(&file, span_text("a"), &user));
    assert_int_equal(user.scheme, PASSWORD_UNSUPPORTED);
}

static void any_bytes_may_be_asked_for(void **state)
{
    char name[300];
    struct passwd_user user;
    memset(name, 0xff, sizeof name);
    file_write("a:{PLAIN}x\n");
    assert_int_equal(passwd_file_refresh(&file), 0);
    for (size_t size = 0; size < sizeof name; size++)
        assert_false(passwd_file_find(&file, span_of(name, size), &user));
}

static void unchanged_file_is_not_read_again(void **state)
{
    file_write("a:{PLAIN}x\n");
    assert_int_equal(passwd_file_refresh(&file), 0);
    assert_int_equal(passwd_file_refresh(&file), 0);
    assert_int_equal(file.generation, 1);
    file_write("a:{PLAIN}xy\n");
    assert_int_equal(passwd_file_refresh(&file), 0);
    assert_int_equal(file.generation, 2);
}

static void fields_comments_and_line_ends_are_understood(void **state)
{
    struct passwd_user user;
    file_write("# comment\n\nAlice@Example.net:{PLAIN}wonder land:1000:1000::/home\r\n"
               "bob:{NTLM}x\nlast:$6$a$b");
    assert_int_equal(passwd_file_refresh(&file), 0);
    assert_int_equal(passwd_file_count(&file), 3);
    assert_true(passwd_file_find(&file, span_text("ALICE@example.NET"), &user));
    assert_true(span_equal(user.name, span_text("alice@example.net")));
    assert_true(span_equal(user.hash, span_text("wonder land")));
    assert_true(passwd_file_find(&file, span_text("bob"), &user));
    assert_int_equal(user.scheme, PASSWORD_UNSUPPORTED);
    assert_true(passwd_file_find(&file, span_text("last"), &user));
    assert_true(span_equal(user.hash, span_text("$6$a$b")));
    assert_true(passwd_file_some(&file, 1000000007, &user));
}

static void ten_thousand_users_are_all_found(void **state)
{
    enum { USERS = 10000 };
    char name[32];
    FILE *stream = fopen(path, "w");
    for (int i = 0; i < USERS; i++)
        fprintf(stream, "user%d:{PLAIN}x\n", i);
    fclose(stream);
    assert_int_equal(passwd_file_refresh(&file), 0);
    assert_int_equal(passwd_file_count(&file), USERS);
    for (int i = 0; i < USERS; i++) {
        snprintf(name, sizeof name, "user%d", i);
        assert_true(knows(name));
    }
    assert_false(knows("user10000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(missing_file_has_no_users, start, stop),
        cmocka_unit_test_setup_teardown(directory_is_no_passwd_file, start, stop),
        cmocka_unit_test_setup_teardown(bad_file_keeps_the_users_read_before, start, stop),
        cmocka_unit_test_setup_teardown(file_that_vanished_keeps_the_users, start, stop),
        cmocka_unit_test_setup_teardown(good_lines_of_a_bad_first_file_are_taken, start, stop),
        cmocka_unit_test_setup_teardown(plain_passwords_are_taken_only_when_allowed, start, stop),
        cmocka_unit_test_setup_teardown(any_bytes_may_be_asked_for, start, stop),
        cmocka_unit_test_setup_teardown(unchanged_file_is_not_read_again, start, stop),
        cmocka_unit_test_setup_teardown(fields_comments_and_line_ends_are_understood, start, stop),
        cmocka_unit_test_setup_teardown(ten_thousand_users_are_all_found, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

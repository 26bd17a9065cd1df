// SPDX-License-Identifier: BSD-3-Clause
#include "mail/master.h"

#include "mail_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char *read_of(const char *text, size_t size, struct mail_master *ret_master)
{
    char file[] = "/tmp/weir-master-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    close(fd);
    const char *wrong = master_read(file, ret_master);
    unlink(file);
    return wrong;
}

static const char *read_text(const char *text, struct mail_master *ret_master)
{
    return read_of(text, strlen(text), ret_master);
}

static void a_file_that_is_no_pair_is_refused_without_a_word_of_it(void **state)
{
    static const char form[] = "expected one line, NAME:PASSWORD";
    struct mail_master master = {0};
    assert_string_equal(master_read("/nowhere", &master), "No such file or directory");
    assert_string_equal(read_text("", &master), form);
    assert_string_equal(read_text("weir", &master), form);
    assert_string_equal(read_text("weir:secret\nother:secret\n", &master), form);
    assert_string_equal(read_of("weir:a\0b", 8, &master), form);
    assert_string_equal(read_text(":secret\n", &master), "name empty or too long");
    assert_string_equal(read_text("weir:\n", &master), "password empty or too long");
    assert_int_equal(master.name_size, 0);
}

static void names_and_passwords_end_at_their_limits(void **state)
{
    char text[USER_NAME_MAX + 1 + PASSWORD_MAX + 2];
    struct mail_master master = {0};
    memset(text, 'x', sizeof text);
    text[USER_NAME_MAX] = ':';
    text[sizeof text - 1] = '\n';
    assert_string_equal(read_of(text, sizeof text, &master), "password empty or too long");
    text[sizeof text - 2] = '\n';
    assert_null(read_of(text, sizeof text - 1, &master));
    assert_int_equal(master.name_size, USER_NAME_MAX);
    assert_int_equal(master.password_size, PASSWORD_MAX);
    memmove(text + 1, text, sizeof text - 2);
    assert_string_equal(read_of(text, sizeof text - 1, &master), "name empty or too long");
}

static void a_password_may_hold_colons_and_spaces(void **state)
{
    struct mail_master master = {0};
    assert_null(read_text("weir:se:cret word\n", &master));
    assert_memory_equal(master.name, "weir", 4);
    assert_int_equal(master.password_size, 12);
    assert_memory_equal(master.password, "se:cret word", 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(a_file_that_is_no_pair_is_refused_without_a_word_of_it),
        FAKE_TEST(names_and_passwords_end_at_their_limits),
        FAKE_TEST(a_password_may_hold_colons_and_spaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

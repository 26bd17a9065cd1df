// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_files.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config *config_with(const char *certificate, const char *passwd, const char *user)
{
    struct config *config = config_new();
    config->head.boot.lcores[0] = 0; // every machine has that one
    config->head.certificates_count = 1;
    struct policy_certificate *c = &config->head.certificates[0];
    snprintf(c->certificate_file, sizeof c->certificate_file, "%s", certificate);
    snprintf(c->key_file, sizeof c->key_file, "/dev/null");
    snprintf(config->auth.passwd_file, sizeof config->auth.passwd_file, "%s", passwd);
    snprintf(config->control.dns_user, sizeof config->control.dns_user, "%s", user);
    snprintf(config->control.auth_user, sizeof config->control.auth_user, "nobody");
    return config;
}

static void what_is_not_there_is_named_by_its_key(void **state)
{
    struct config *config = config_with("/nowhere/mail.pem", "/nowhere/passwd", "nosuchuser");
    struct config_errors errors = {0};
    assert_int_equal(config_files_check(config, "weir.yaml", &errors), -EINVAL);
    assert_int_equal(errors.count, 3);
    assert_non_null(strstr(errors.text, "weir.yaml: tls.certificates[0].certificate: expected"));
    assert_non_null(strstr(errors.text, "weir.yaml: auth.passwd_file: expected"));
    assert_non_null(strstr(errors.text, "weir.yaml: control.dns_user: expected"));
    config_free(config);
}

static void children_do_not_run_as_root(void **state)
{
    struct config *config = config_with("/dev/null", "", "root");
    struct config_errors errors = {0};
    assert_int_equal(config_files_check(config, "weir.yaml", &errors), -EINVAL);
    assert_non_null(strstr(errors.text, "weir.yaml: control.dns_user: expected"));
    config_free(config);
}

static void children_do_not_share_a_user(void **state)
{
    struct config *config = config_with("/dev/null", "", "nobody");
    struct config_errors errors = {0};
    assert_int_equal(config_files_check(config, "weir.yaml", &errors), -EINVAL);
    assert_non_null(strstr(errors.text, "weir.yaml: control.auth_user: expected another"));
    config_free(config);
}

static void a_cpu_that_is_not_there_is_named(void **state)
{
    struct config *config = config_with("/dev/null", "", "daemon");
    struct config_errors errors = {0};
    config->head.boot.workers = 2;
    config->head.boot.lcores[1] = 1023;
    assert_int_equal(config_files_check(config, "weir.yaml", &errors), -EINVAL);
    assert_string_equal(errors.text, "weir.yaml: boot.worker_lcores[1]: expected a CPU of this "
                                     "machine, not 1023\n");
    config_free(config);
}

static void what_is_there_is_fine(void **state)
{
    struct config *config = config_with("/dev/null", "", "daemon");
    struct config_errors errors = {0};
    assert_int_equal(config_files_check(config, "weir.yaml", &errors), 0);
    assert_int_equal(errors.count, 0);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_there_is_named_by_its_key),
        cmocka_unit_test(children_do_not_run_as_root),
        cmocka_unit_test(children_do_not_share_a_user),
        cmocka_unit_test(a_cpu_that_is_not_there_is_named),
        cmocka_unit_test(what_is_there_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

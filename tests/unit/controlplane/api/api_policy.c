// SPDX-License-Identifier: BSD-3-Clause
#include "api_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct config *running(void)
{
    return api_rig.plane.publisher.config;
}

static void result(int error, const char *text)
{
    struct attach_result record = {.magic = ATTACH_MAGIC, .error = error};
    snprintf(record.text, sizeof record.text, "%s", text);
    publisher_result(&api_rig.plane.publisher, &record);
}

static bool is_published(void)
{
    const json_t *response = api_rig_granted();
    return json_is_true(json_object_get(response, "published"));
}

static void wrong_arguments_send_no_policy(void **state)
{
    static const struct {
        const char *request, *want;
    } rows[] = {
        {"{'command':'lists add'}", "list: expected a text"},
        {"{'command':'lists add','list':'deny'}", "prefix: expected a text"},
        {"{'command':'lists add','list':'grey','prefix':'192.0.2.0/24'}",
         "list: expected allow, deny, martian or a class of the configuration"},
        {"{'command':'lists remove','list':'deny','prefix':'192.0.2.1/24'}",
         "prefix: expected a prefix such as 192.0.2.0/24 or 2001:db8::/32, host bits zero"},
        {"{'command':'lists remove','list':'deny','prefix':'198.18.0.0/15'}",
         "deny: 198.18.0.0/15: is not on the list"},
        {"{'command':'limits get'}", "name: expected a text"},
        {"{'command':'limits get','name':'speed'}",
         "name: no such limit; `weirctl limits` lists them"},
        {"{'command':'limits mode','name':'question_ms','mode':'off'}",
         "name: this limit has no mode: it bounds memory or a wait, and is always enforced"},
        {"{'command':'limits mode','name':'syn_burst_source','mode':'off'}",
         "name: this limit has no mode: nothing is refused by it alone"},
        {"{'command':'limits mode','name':'connections_source','mode':'on'}",
         "mode: expected enforce, shadow or off"},
        {"{'command':'limits get','name':'connections_source','class':'nobody'}",
         "class: expected a class of the configuration"},
        {"{'command':'limits get','name':'connections_source','class':'allow'}",
         "class: expected a class of the configuration"},
        {"{'command':'limits set','name':'question_ms','value':20,'class':'cgnat'}",
         "class: no class has a limit of its own here"},
        {"{'command':'limits set','name':'connections_source'}",
         "value: expected a number from 1 to 1000000"},
        {"{'command':'limits set','name':'connections_source','value':1000001}",
         "value: expected a number from 1 to 1000000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        api_rig_start(rows[i].request);
        api_rig_refused(rows[i].want);
    }
    assert_int_equal(ops_rig_policy(&api_rig.ops), 0);
}

static void change_that_the_data_plane_refuses_is_told_with_its_words(void **state)
{
    uint64_t before = running()->head.limits[LIMIT_CONNECTIONS_SOURCE];
    api_rig_start("{'command':'limits set','name':'connections_source','value':7}");
    assert_int_equal(api_rig.responses, 0);
    assert_int_equal(ops_rig_policy(&api_rig.ops), 1);
    result(-EINVAL, "limits: too small");
    api_rig_refused("limits: too small");
    assert_int_equal(running()->head.limits[LIMIT_CONNECTIONS_SOURCE], before);
}

static void a_low_mark_above_the_high_one_is_refused(void **state)
{
    uint64_t before = running()->head.limits[LIMIT_SYN_ATTACK_LOW];
    api_rig_start("{'command':'limits set','name':'syn_attack_low','value':50000}");
    api_rig_refused("limits: expected syn_attack_low to be at most syn_attack_high");
    api_rig_start("{'command':'limits set','name':'syn_attack_high','value':10}");
    api_rig_refused("limits: expected syn_attack_low to be at most syn_attack_high");
    assert_int_equal(ops_rig_policy(&api_rig.ops), 0);
    assert_int_equal(running()->head.limits[LIMIT_SYN_ATTACK_LOW], before);
}

static void changes_beyond_the_queue_are_refused(void **state)
{
    for (int i = 0; i < PUBLICATIONS_MAX; i++)
        api_rig_start("{'command':'limits set','name':'connections_source','value':7}");
    assert_int_equal(api_rig.responses, 0);
    api_rig_start("{'command':'limits set','name':'connections_source','value':7}");
    api_rig_refused("too many changes wait, try again");
    api_rig_start("{'command':'config reload'}");
    api_rig_refused("too many changes wait, try again");
}

static void configuration_that_cannot_be_read_is_told_without_effect(void **state)
{
    struct config *before = running();
    snprintf(api_rig.plane.config_file, sizeof api_rig.plane.config_file, "/nowhere/weir.yaml");
    api_rig_start("{'command':'config check'}");
    api_rig_refused("/nowhere/weir.yaml: cannot be read: No such file or directory");
    api_rig_start("{'command':'config reload'}");
    api_rig_refused("/nowhere/weir.yaml: cannot be read: No such file or directory");
    assert_ptr_equal(running(), before);
    assert_int_equal(ops_rig_policy(&api_rig.ops), 0);
}

static void prefix_is_on_a_list_once(void **state)
{
    api_rig_start("{'command':'lists add','list':'deny','prefix':'198.18.0.0/15'}");
    result(0, "");
    assert_true(is_published());
    api_rig_start("{'command':'lists add','list':'deny','prefix':'198.18.0.0/15'}");
    api_rig_refused("deny: 198.18.0.0/15: is on the list already");
    api_rig_start("{'command':'lists list'}");
    json_t *deny = json_object_get(api_rig_granted(), "deny");
    assert_int_equal(json_array_size(deny), running()->lists[CLASS_DENY].count);
    const json_t *last = json_array_get(deny, json_array_size(deny) - 1);
    assert_string_equal(json_string_value(last), "198.18.0.0/15");
    api_rig_start("{'command':'lists remove','list':'deny','prefix':'198.18.0.0/15'}");
    result(0, "");
    assert_int_equal(json_integer_value(json_object_get(api_rig_granted(), "generation")), 2);
}

static void limit_at_its_bounds_is_set(void **state)
{
    static const char *const values[] = {"1", "1000000"};
    for (int i = 0; i < 2; i++) {
        char request[128];
        snprintf(request, sizeof request,
                 "{'command':'limits set','name':'Connections_Source','value':%s}", values[i]);
        api_rig_start(request);
        result(0, "");
        assert_non_null(api_rig_granted());
        api_rig_start("{'command':'limits get','name':'connections_source'}");
        json_t *limit = api_rig_granted();
        assert_int_equal(json_integer_value(json_object_get(limit, "value")),
                         strtol(values[i], NULL, 10));
        assert_string_equal(json_string_value(json_object_get(limit, "name")),
                            "connections_source");
    }
}

static void a_mode_is_set_of_all_and_of_a_class(void **state)
{
    api_rig_start("{'command':'limits mode','name':'connections_source','mode':'shadow'}");
    result(0, "");
    assert_non_null(api_rig_granted());
    assert_int_equal(running()->head.modes[LIMIT_CONNECTIONS_SOURCE], MODE_SHADOW);
    api_rig_start("{'command':'limits set','name':'connections_source','value':9,"
                  "'class':'cgnat'}");
    result(0, "");
    assert_non_null(api_rig_granted());
    api_rig_start("{'command':'limits mode','name':'connections_source','mode':'off',"
                  "'class':'cgnat'}");
    result(0, "");
    assert_non_null(api_rig_granted());
    const struct policy *head = &running()->head;
    assert_int_equal(policy_limit(head, CLASS_NAMED, LIMIT_CONNECTIONS_SOURCE), 9);
    assert_int_equal(policy_mode(head, CLASS_NAMED, LIMIT_CONNECTIONS_SOURCE), MODE_OFF);
    assert_int_equal(policy_mode(head, CLASS_DEFAULT, LIMIT_CONNECTIONS_SOURCE), MODE_SHADOW);
    api_rig_start("{'command':'limits get','name':'connections_source','class':'cgnat'}");
    json_t *limit = api_rig_granted();
    assert_int_equal(json_integer_value(json_object_get(limit, "value")), 9);
    assert_string_equal(json_string_value(json_object_get(limit, "mode")), "off");
    api_rig_start("{'command':'limits mode','name':'connections_source','mode':'enforce'}");
    result(0, "");
    assert_non_null(api_rig_granted());
}

static void every_limit_is_listed_within_its_bounds(void **state)
{
    size_t i;
    const json_t *limit;
    api_rig_start("{'command':'limits list'}");
    const json_t *limits = json_object_get(api_rig_granted(), "limits");
    assert_int_equal(json_array_size(limits), LIMIT_COUNT);
    json_array_foreach(limits, i, limit)
    {
        enum limit found;
        assert_true(limit_find(json_string_value(json_object_get(limit, "name")), &found));
        assert_int_equal(found, i);
        assert_in_range(json_integer_value(json_object_get(limit, "value")),
                        json_integer_value(json_object_get(limit, "least")),
                        json_integer_value(json_object_get(limit, "most")));
    }
}

enum { FILE_SIZE = 32 };

// A configuration that names nothing that is not there; taken for the control plane's.
static void sound_file_make(char file[FILE_SIZE])
{
    snprintf(file, FILE_SIZE, "/tmp/weir-api-XXXXXX");
    FILE *stream = fdopen(mkstemp(file), "w");
    assert_non_null(stream);
    fputs("control: {metrics: '127.0.0.1:9464'}\n"
          "interfaces:\n"
          "  outside: {device: net_null0, ipv4: 198.51.100.1/24}\n"
          "  inside: {device: net_null1, ipv4: 203.0.113.1/24}\n"
          "backends:\n"
          "  b: {address: 203.0.113.10, port: 25, protocol: smtp}\n"
          "services:\n"
          "  smtp: {port: 25, protocol: smtp, backend: b}\n"
          "smtp: {host_name: mail.example.net}\n"
          "auth: {passwd_file: /dev/null}\n",
          stream);
    fclose(stream);
    snprintf(api_rig.plane.config_file, sizeof api_rig.plane.config_file, "%s", file);
}

static void change_without_a_data_plane_says_that_it_waits(void **state)
{
    char file[FILE_SIZE];
    sound_file_make(file);
    api_rig.plane.link.state = LINK_DOWN;
    api_rig_start("{'command':'lists add','list':'allow','prefix':'198.18.0.0/15'}");
    assert_false(is_published());
    api_rig_start("{'command':'config reload'}"); // the file knows nothing of it
    assert_non_null(api_rig_granted());
    api_rig_start("{'command':'lists remove','list':'allow','prefix':'198.18.0.0/15'}");
    api_rig_refused("allow: 198.18.0.0/15: is not on the list");
    api_rig.plane.link.state = LINK_UP;
    unlink(file);
}

// The sample names files that only an operator has.
static void check_and_reload_name_the_files_that_are_missing(void **state)
{
    static const char *const commands[] = {"{'command':'config check'}",
                                           "{'command':'config reload'}"};
    for (int i = 0; i < 2; i++) {
        struct config *before = running();
        api_rig_start(commands[i]);
        const char *error = json_string_value(json_object_get(api_rig.response, "error"));
        assert_non_null(error);
        assert_non_null(strstr(error, "tls.certificates[0].certificate: expected a file"));
        assert_non_null(strstr(error, "auth.passwd_file: expected a file"));
        assert_ptr_equal(running(), before);
    }
}

static void sound_configuration_is_checked_without_effect(void **state)
{
    char file[FILE_SIZE];
    sound_file_make(file);
    struct config *before = running();
    api_rig_start("{'command':'config check'}");
    assert_string_equal(json_string_value(json_object_get(api_rig_granted(), "file")), file);
    assert_ptr_equal(running(), before);
    assert_int_equal(ops_rig_policy(&api_rig.ops), 0);
    unlink(file);
}

// A list file of the running configuration with that text, its name in `file`.
static void list_file_put(char *file, const char *text)
{
    struct config_errors errors = {0};
    struct config *config = running();
    int fd = mkstemp(file);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    struct config_list_file *list = &config->list_files[config->list_files_count++];
    snprintf(list->name, sizeof list->name, "drop");
    snprintf(list->file, sizeof list->file, "%s", file);
    list->class = CLASS_DENY;
    assert_int_equal(list_file_read(file, &list->prefixes, &errors), 0);
}

static void a_list_file_gone_bad_is_told_and_kept_as_it_was(void **state)
{
    char file[] = "/tmp/api_policy_XXXXXX", refused[128];
    list_file_put(file, "192.0.2.0/24\n2001:db8:7::/48\n");
    FILE *stream = fopen(file, "we");
    assert_non_null(stream);
    fputs("192.0.2.0/24\n192.0.2.1/24\n", stream);
    fclose(stream);
    api_rig_start("{'command':'lists reload'}");
    snprintf(refused, sizeof refused,
             "%s:2:1: expected a prefix such as 192.0.2.0/24 or 2001:db8::/32, host bits zero, "
             "not \"192.0.2.1/24\"",
             file);
    api_rig_refused(refused);
    api_rig_start("{'command':'lists list'}");
    const json_t *answer = api_rig_granted();
    assert_string_equal(json_string_value(json_object_get(answer, "error")), refused);
    const json_t *drop = json_array_get(json_object_get(answer, "from files"), 0);
    assert_int_equal(json_integer_value(json_object_get(drop, "ipv4")), 1);
    assert_int_equal(json_integer_value(json_object_get(drop, "ipv6")), 1);
    unlink(file);
}

static void a_list_file_is_read_again_and_an_address_tested(void **state)
{
    char file[] = "/tmp/api_policy_XXXXXX";
    list_file_put(file, "192.0.2.0/24\n");
    FILE *stream = fopen(file, "we");
    assert_non_null(stream);
    fputs("2001:db8:7::/48\n", stream);
    fclose(stream);
    api_rig_start("{'command':'lists test','address':'192.0.2.1'}");
    const json_t *answer = api_rig_granted();
    assert_string_equal(json_string_value(json_object_get(answer, "class")), "deny");
    assert_string_equal(json_string_value(json_object_get(answer, "prefix")), "192.0.2.0/24");
    assert_string_equal(json_string_value(json_object_get(answer, "file")), file);
    api_rig_start("{'command':'lists reload'}");
    result(0, "");
    assert_true(is_published());
    api_rig_start("{'command':'lists test','address':'192.0.2.1'}");
    assert_string_equal(json_string_value(json_object_get(api_rig_granted(), "class")), "martian");
    api_rig_start("{'command':'lists test','address':'2001:db8:7::1'}");
    assert_string_equal(json_string_value(json_object_get(api_rig_granted(), "class")), "deny");
    api_rig_start("{'command':'lists test','address':'mail'}");
    api_rig_refused("address: expected an IPv4 or IPv6 address");
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_arguments_send_no_policy, api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(change_that_the_data_plane_refuses_is_told_with_its_words,
                                        api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(a_low_mark_above_the_high_one_is_refused, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(changes_beyond_the_queue_are_refused, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(configuration_that_cannot_be_read_is_told_without_effect,
                                        api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(prefix_is_on_a_list_once, api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(a_list_file_gone_bad_is_told_and_kept_as_it_was, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(a_list_file_is_read_again_and_an_address_tested, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(limit_at_its_bounds_is_set, api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(a_mode_is_set_of_all_and_of_a_class, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(every_limit_is_listed_within_its_bounds, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(change_without_a_data_plane_says_that_it_waits, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(check_and_reload_name_the_files_that_are_missing,
                                        api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(sound_configuration_is_checked_without_effect, api_rig_up,
                                        api_rig_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

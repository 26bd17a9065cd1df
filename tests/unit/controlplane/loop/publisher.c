// SPDX-License-Identifier: BSD-3-Clause
#include "loop/publisher.h"

#include "support/ops_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static uv_loop_t loop;
static struct dataplane_link uplink;
static struct ops_rig rig;
static struct publisher publisher;
static struct {
    unsigned changed, first_refused, done;
    struct publisher_outcome last;
    char text[256]; // of the last
} heard;

static void on_changed(void *context, const struct config *config)
{
    heard.changed++;
}

static void on_first_refused(void *context, const char *text)
{
    heard.first_refused++;
    snprintf(heard.text, sizeof heard.text, "%s", text);
}

static void on_done(void *context, const struct publisher_outcome *outcome)
{
    heard.done++;
    heard.last = *outcome;
    snprintf(heard.text, sizeof heard.text, "%s", outcome->text);
}

static struct config *sample(void)
{
    struct config *config = NULL;
    struct config_errors errors = {0};
    assert_int_equal(config_read(SAMPLE, &config, &errors), 0);
    return config;
}

static int up(void **state)
{
    struct config_errors errors = {0};
    memset(&heard, 0, sizeof heard);
    assert_int_equal(uv_loop_init(&loop), 0);
    ops_rig_up(&rig, &loop, &uplink);
    if (publisher_init(&publisher, &uplink, sample(), &errors) < 0)
        return 1;
    publisher.changed = on_changed;
    publisher.first_refused = on_first_refused;
    return 0;
}

static int down(void **state)
{
    publisher_close(&publisher);
    ops_rig_down(&rig);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    return uv_loop_close(&loop);
}

static int edit_limit(void *context, struct config **candidate, struct config_errors *errors)
{
    (*candidate)->head.limits[LIMIT_CONNECTIONS_SOURCE]++;
    return 0;
}

static int edit_unsound(void *context, struct config **candidate, struct config_errors *errors)
{
    (*candidate)->head.limits[LIMIT_QUESTION_MS] = 0;
    return 0;
}

static int edit_refused(void *context, struct config **candidate, struct config_errors *errors)
{
    static const struct config_place place = {.file = "edit", .path = ""};
    config_errors_add(errors, &place, "not so");
    return -EEXIST;
}

static int edit_replaced(void *context, struct config **candidate, struct config_errors *errors)
{
    config_free(*candidate);
    *candidate = sample();
    (*candidate)->head.limits[LIMIT_CONNECTIONS_SOURCE] = 999;
    return 0;
}

static int submit(publisher_edit *edit)
{
    struct publication change = {.edit = edit, .done = on_done};
    return publisher_submit(&publisher, &change);
}

static uint64_t limit_running(void)
{
    return publisher.config->head.limits[LIMIT_CONNECTIONS_SOURCE];
}

static void result(int error, const char *text)
{
    struct attach_result record = {.magic = ATTACH_MAGIC, .error = error};
    snprintf(record.text, sizeof record.text, "%s", text);
    publisher_result(&publisher, &record);
}

static void connected(void)
{
    publisher_connected(&publisher);
    assert_int_equal(ops_rig_policy(&rig), publisher.generation);
    result(0, "");
}

static void unsound_configuration_stays_the_callers(void **state)
{
    struct publisher none;
    struct config_errors errors = {0};
    struct config *config = sample();
    config->head.limits[LIMIT_QUESTION_MS] = 0;
    assert_int_equal(publisher_init(&none, &uplink, config, &errors), -EINVAL);
    assert_int_equal(errors.count, 1);
    config_free(config);
}

static void change_refused_before_it_is_sent_changes_nothing(void **state)
{
    uint64_t before = limit_running();
    connected();
    assert_int_equal(submit(edit_refused), 0);
    assert_int_equal(heard.last.error, -EEXIST);
    assert_string_equal(heard.text, "edit: not so");
    assert_int_equal(submit(edit_unsound), 0);
    assert_int_equal(heard.last.error, -EINVAL);
    assert_int_equal(heard.done, 2);
    assert_int_equal(heard.changed, 0);
    assert_int_equal(limit_running(), before);
    assert_int_equal(ops_rig_policy(&rig), 0);
    assert_int_equal(publisher.generation, 1);
}

static void change_refused_by_the_data_plane_changes_nothing(void **state)
{
    uint64_t before = limit_running();
    connected();
    assert_int_equal(submit(edit_limit), 0);
    assert_int_equal(heard.done, 0);
    result(-EINVAL, "deny: table full");
    assert_int_equal(heard.last.error, -EINVAL);
    assert_string_equal(heard.text, "deny: table full");
    assert_int_equal(heard.last.generation, 1);
    assert_int_equal(limit_running(), before);
    assert_int_equal(submit(edit_limit), 0);
    result(-EINVAL, "");
    assert_string_equal(heard.text, "refused by the data plane");
}

static void first_policy_refused_is_told_apart(void **state)
{
    publisher_connected(&publisher);
    result(-EINVAL, "boot: no such device");
    assert_int_equal(heard.first_refused, 1);
    assert_string_equal(heard.text, "boot: no such device");
    assert_int_equal(publisher.generation_running, 0);
}

static void data_plane_that_goes_before_it_answers_ends_that_change_only(void **state)
{
    uint64_t before = limit_running();
    connected();
    assert_int_equal(submit(edit_limit), 0);
    assert_int_equal(submit(edit_limit), 0);
    uplink.state = LINK_DOWN;
    publisher_down(&publisher);
    assert_int_equal(heard.done, 2);
    assert_int_equal(heard.last.error, 0); // the second, kept for the next data plane
    assert_false(heard.last.published);
    assert_int_equal(limit_running(), before + 1);
    uplink.state = LINK_UP;
}

static void policy_that_cannot_be_sent_refuses_the_change(void **state)
{
    connected();
    close(rig.socket);
    assert_int_equal(submit(edit_limit), 0);
    assert_int_equal(heard.last.error, -EPIPE);
    assert_string_equal(heard.text, "policy: cannot be sent: Broken pipe");
    assert_int_equal(publisher.generation, 1);
    rig.socket = -1;
}

static void queue_takes_its_limit_and_not_one_more(void **state)
{
    connected();
    for (int i = 0; i < PUBLICATIONS_MAX; i++)
        assert_int_equal(submit(edit_limit), 0);
    assert_int_equal(submit(edit_limit), -EBUSY);
    result(0, "");
    assert_int_equal(submit(edit_limit), 0);
}

static void close_ends_what_waits(void **state)
{
    connected();
    for (int i = 0; i < 3; i++)
        assert_int_equal(submit(edit_limit), 0);
    publisher_close(&publisher);
    assert_int_equal(heard.done, 3);
    assert_int_equal(heard.last.error, -ECANCELED);
    assert_int_equal(heard.changed, 0);
    struct config_errors errors = {0};
    assert_int_equal(publisher_init(&publisher, &uplink, sample(), &errors), 0);
}

static void changes_wait_for_the_first_policy_and_for_each_other(void **state)
{
    uint64_t before = limit_running();
    publisher_connected(&publisher);
    assert_int_equal(ops_rig_policy(&rig), 1);
    assert_int_equal(submit(edit_limit), 0);
    assert_int_equal(submit(edit_limit), 0);
    assert_int_equal(ops_rig_policy(&rig), 0);
    for (uint64_t generation = 2; generation <= 3; generation++) {
        result(0, "");
        assert_int_equal(ops_rig_policy(&rig), generation);
    }
    result(0, "");
    assert_int_equal(heard.done, 2);
    assert_int_equal(heard.changed, 2);
    assert_int_equal(heard.last.generation, 3);
    assert_true(heard.last.published);
    assert_int_equal(limit_running(), before + 2);
}

static void candidate_may_be_another_configuration(void **state)
{
    connected();
    assert_int_equal(submit(edit_replaced), 0);
    result(0, "");
    assert_int_equal(heard.last.error, 0);
    assert_int_equal(limit_running(), 999);
}

static void change_without_a_data_plane_is_in_effect_at_once_and_sent_later(void **state)
{
    uint64_t before = limit_running();
    uplink.state = LINK_DOWN;
    assert_int_equal(submit(edit_limit), 0);
    assert_int_equal(heard.last.error, 0);
    assert_false(heard.last.published);
    assert_int_equal(limit_running(), before + 1);
    assert_int_equal(submit(edit_unsound), 0); // checked all the same
    assert_int_equal(heard.last.error, -EINVAL);
    uplink.state = LINK_UP;
    connected();
    assert_int_equal(publisher.generation_running, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unsound_configuration_stays_the_callers, up, down),
        cmocka_unit_test_setup_teardown(change_refused_before_it_is_sent_changes_nothing, up, down),
        cmocka_unit_test_setup_teardown(change_refused_by_the_data_plane_changes_nothing, up, down),
        cmocka_unit_test_setup_teardown(first_policy_refused_is_told_apart, up, down),
        cmocka_unit_test_setup_teardown(
            data_plane_that_goes_before_it_answers_ends_that_change_only, up, down),
        cmocka_unit_test_setup_teardown(policy_that_cannot_be_sent_refuses_the_change, up, down),
        cmocka_unit_test_setup_teardown(queue_takes_its_limit_and_not_one_more, up, down),
        cmocka_unit_test_setup_teardown(close_ends_what_waits, up, down),
        cmocka_unit_test_setup_teardown(changes_wait_for_the_first_policy_and_for_each_other, up,
                                        down),
        cmocka_unit_test_setup_teardown(candidate_may_be_another_configuration, up, down),
        cmocka_unit_test_setup_teardown(
            change_without_a_data_plane_is_in_effect_at_once_and_sent_later, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
/* A child is the running program itself, so this test is its own child: with --child it says on its
 * connection which one it is, and then plays what PLAY in the environment names. */
#include "loop/children.h"

#include "base/log.h"
#include "contract/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { UNTIL_MS = 20000 };

static char directory[] = "/tmp/weir-children-XXXXXX";
static uv_loop_t loop;
static uv_timer_t tick; // so that the loop comes back
static struct config *config;
static struct children children;
static struct child *const dns = &children.items[CHILD_DNS], *const auth =
                                                                 &children.items[CHILD_AUTH];
static int listener;
static unsigned said[CHILD_COUNT]; // hellos of each

// The child's side.

static bool area_is_sound(const struct lookup_area *area, bool is_dns)
{
    if (is_dns)
        return area->dns.parent == getppid() && area->dns.servers_count == 1 &&
               strcmp(area->dns.servers[0], "127.0.0.1:53") == 0;
    return area->auth.parent == getppid() && strcmp(area->auth.user, "weir-auth") == 0 &&
           area->limits[LIMIT_AUTH_GUESSES_PAIR] == 5;
}

static int child_play(int argc, char **argv)
{
    alarm(60); // should the test die
    char parent[16];
    snprintf(parent, sizeof parent, "%d", (int)getppid());
    bool is_dns = strcmp(argv[2], "dns") == 0;
    struct lookup_area *area =
        mmap(NULL, sizeof *area, PROT_READ | PROT_WRITE, MAP_SHARED, CHILD_AREA, 0);
    bool sound = area != MAP_FAILED && argc == 5 && (is_dns || strcmp(argv[2], "auth") == 0) &&
                 strcmp(argv[3], "--parent") == 0 && strcmp(argv[4], parent) == 0 &&
                 area_is_sound(area, is_dns);
    const char *play = getenv("PLAY");
    if (strcmp(play, "deaf") == 0)
        signal(SIGTERM, SIG_IGN);
    struct attach_hello hello = {.magic = ATTACH_MAGIC, .role = is_dns ? CHILD_DNS : CHILD_AUTH};
    if (!sound || attach_send(CHILD_SOCKET, &hello, sizeof hello, NULL, 0) < 0)
        return 1;
    if (strcmp(play, "turn") == 0)
        area->turns = 1;
    while (strcmp(play, "die") != 0)
        pause();
    return 1;
}

// The test's side.

static void on_tick(uv_timer_t *timer)
{
    struct attach_hello hello;
    int fd = listener < 0 ? -1 : accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    // Blocks until it says who it is, or is gone.
    if (attach_receive(fd, &hello, sizeof hello, NULL, 0, NULL) == 0 && hello.role < CHILD_COUNT)
        said[hello.role]++;
    close(fd);
}

static void listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
}

static int up(void **state)
{
    memset(said, 0, sizeof said);
    listener = -1;
    setenv("PLAY", "live", 1);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &tick), 0);
    uv_timer_start(&tick, on_tick, 1, 1);
    config = config_new();
    snprintf(config->control.pid_directory, sizeof config->control.pid_directory, "%s", directory);
    snprintf(config->control.dataplane_socket, sizeof config->control.dataplane_socket,
             "%s/dataplane.sock", directory);
    children_init(&children, &loop, config);
    return 0;
}

static bool all_gone(void)
{
    return children_gone(&children);
}

static bool both_said(void)
{
    return said[CHILD_DNS] && said[CHILD_AUTH];
}

static void until(bool (*condition)(void))
{
    uint64_t end = uv_now(&loop) + UNTIL_MS;
    while (!condition() && uv_now(&loop) < end)
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(condition());
}

static int down(void **state)
{
    children_stop(&children);
    until(all_gone);
    children_done(&children);
    uv_close((uv_handle_t *)&tick, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    unlink(config->control.dataplane_socket);
    config_free(config);
    if (listener >= 0)
        close(listener);
    return uv_loop_close(&loop);
}

static void start_both(void)
{
    listen_at(config->control.dataplane_socket);
    children_start(&children);
    until(both_said);
}

// What the pid file of that child holds, 0 without one.
static int pid_filed(const char *name)
{
    char path[64], text[16] = "";
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *stream = fopen(path, "r");
    if (!stream)
        return 0;
    char *line = fgets(text, sizeof text, stream);
    fclose(stream);
    return line ? (int)strtol(line, NULL, 10) : 0;
}

static bool dns_tried_twice(void)
{
    return dns->restarts >= 2;
}

static void child_without_a_data_plane_waits_longer_each_time(void **state)
{
    children_start(&children);
    assert_int_equal(dns->state, CHILD_WAITING);
    assert_int_equal(dns->pid, 0);
    assert_int_equal(dns->pause_ms, 2 * CHILD_PAUSE_LEAST_MS);
    auth->pause_ms = CHILD_PAUSE_MOST_MS;
    until(dns_tried_twice);
    assert_int_equal(dns->pause_ms, 8 * CHILD_PAUSE_LEAST_MS);
    assert_int_equal(auth->pause_ms, CHILD_PAUSE_MOST_MS); // and no longer
    children_stop(&children);
    assert_int_equal(dns->state, CHILD_STOPPED);
    assert_true(children_gone(&children));
}

static void child_that_dies_is_started_again_after_a_pause(void **state)
{
    setenv("PLAY", "die", 1);
    listen_at(config->control.dataplane_socket);
    children_start(&children);
    until(dns_tried_twice);
    assert_true(said[CHILD_DNS] >= 2);
    assert_true(dns->pause_ms >= 4 * CHILD_PAUSE_LEAST_MS);
}

static bool auth_is_another(void)
{
    return said[CHILD_AUTH] == 2;
}

static bool dns_is_another(void)
{
    return said[CHILD_DNS] == 2;
}

static void killed_child_comes_back_and_the_other_stays(void **state)
{
    start_both();
    int before = auth->pid, other = dns->pid;
    assert_int_equal(kill(before, SIGKILL), 0);
    until(auth_is_another);
    assert_int_not_equal(auth->pid, before);
    assert_int_equal(auth->restarts, 1);
    assert_int_equal(dns->pid, other);
    assert_int_equal(pid_filed("auth"), auth->pid);
}

static bool auth_was_looked_at(void)
{
    return auth->looks_missed == 2;
}

static void child_that_takes_no_turn_is_killed_and_started_again(void **state)
{
    setenv("PLAY", "turn", 1);
    start_both();
    int before = auth->pid, other = dns->pid;
    until(auth_was_looked_at);
    assert_int_equal(auth->turns_seen, 1);
    auth->looks_missed = CHILD_LOOKS_HUNG - 1;
    until(auth_is_another);
    assert_int_not_equal(auth->pid, before);
    assert_int_equal(auth->restarts, 1);
    assert_int_equal(dns->pid, other);
}

static void child_that_opens_has_more_time(void **state)
{
    start_both();
    auth->looks_missed = CHILD_LOOKS_HUNG;
    dns->looks_missed = CHILD_LOOKS_OPENING - 1;
    until(dns_is_another);
    assert_int_equal(auth->restarts, 0);
}

static void child_deaf_to_sigterm_is_killed(void **state)
{
    setenv("PLAY", "deaf", 1);
    start_both();
    uint64_t begin = uv_now(&loop);
    children_stop(&children);
    assert_string_equal(children_state_name(dns), "ending");
    assert_false(children_gone(&children));
    until(all_gone);
    assert_true(uv_now(&loop) - begin >= CHILD_END_MS);
    assert_string_equal(children_state_name(dns), "stopped");
    assert_int_equal(dns->restarts, 0);
}

static void changed_part_replaces_its_own_child_only(void **state)
{
    start_both();
    int before = auth->pid, other = dns->pid;
    children_configure(&children, config); // nothing changed
    assert_int_equal(auth->state, CHILD_RUNNING);
    snprintf(config->auth.passwd_file, sizeof config->auth.passwd_file, "/etc/weir/other");
    children_configure(&children, config);
    assert_int_equal(auth->state, CHILD_ENDING);
    assert_int_equal(dns->state, CHILD_RUNNING);
    until(auth_is_another);
    assert_int_not_equal(auth->pid, before);
    assert_int_equal(auth->restarts, 0); // asked for, no fault
    assert_int_equal(dns->pid, other);
}

static void proven_child_pauses_for_the_least_time_again(void **state)
{
    start_both();
    auth->pause_ms = CHILD_PAUSE_MOST_MS;
    auth->started_ms = uv_now(&loop) - CHILD_PROVEN_MS;
    assert_int_equal(kill(auth->pid, SIGKILL), 0);
    until(auth_is_another);
    assert_int_equal(auth->pause_ms, 2 * CHILD_PAUSE_LEAST_MS);
}

static void pid_files_live_as_long_as_the_children(void **state)
{
    start_both();
    assert_int_equal(pid_filed("dns"), dns->pid);
    assert_int_equal(pid_filed("auth"), auth->pid);
    children_stop(&children);
    until(all_gone);
    assert_int_equal(pid_filed("dns"), 0);
    assert_int_equal(pid_filed("auth"), 0);
    assert_int_equal(dns->pid, 0);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--child") == 0)
        return child_play(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(child_without_a_data_plane_waits_longer_each_time, up,
                                        down),
        cmocka_unit_test_setup_teardown(child_that_dies_is_started_again_after_a_pause, up, down),
        cmocka_unit_test_setup_teardown(killed_child_comes_back_and_the_other_stays, up, down),
        cmocka_unit_test_setup_teardown(child_that_takes_no_turn_is_killed_and_started_again, up,
                                        down),
        cmocka_unit_test_setup_teardown(child_that_opens_has_more_time, up, down),
        cmocka_unit_test_setup_teardown(child_deaf_to_sigterm_is_killed, up, down),
        cmocka_unit_test_setup_teardown(changed_part_replaces_its_own_child_only, up, down),
        cmocka_unit_test_setup_teardown(proven_child_pauses_for_the_least_time_again, up, down),
        cmocka_unit_test_setup_teardown(pid_files_live_as_long_as_the_children, up, down),
    };
    log_open("test", LOG_ERROR);
    if (!mkdtemp(directory))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}

// SPDX-License-Identifier: BSD-3-Clause
/* Streams to a backend of the rig, outside any session. */
#include "session/stream.h"

#include "play.h"
#include "play_tls.h"
#include "session/session_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct rig *rig;
static struct sessions *all;
static struct stream stream;
static struct rig_peer *server;

static int set_up(void **state)
{
    enum reason reason;
    if (play_tls_setup(state) < 0)
        return -1;
    rig = *state;
    all = rig_sessions(rig);
    const struct policy_server *to = &rig_policy(rig)->backends[0].servers[0];
    const struct addr *local = all->config.local(all->config.context, &to->addr);
    stream = (struct stream){.connection = tcp_connect(all->config.tcp, local, &to->addr, to->port,
                                                       LEG_INSIDE, 0, rig_now(rig), &reason)};
    rig_run(rig, 10000);
    server = rig_backend(rig, 0);
    return server ? 0 : -1;
}

static int tear_down(void **state)
{
    stream_close(all, &stream);
    if (all->buffers.used > 0)
        return -1;
    return play_tls_teardown(state);
}

static void assert_input(const char *want)
{
    struct span input = stream_input(&stream);
    assert_int_equal(input.size, strlen(want));
    assert_memory_equal(input.at, want, input.size);
}

// Takes every buffer of the pool, or gives them back.
static void buffers_gone(bool gone)
{
    static handle taken[1024];
    static size_t count;
    void *bytes;
    if (gone)
        while ((taken[count] = pool_take(&all->buffers, &bytes)) != HANDLE_NONE)
            assert_true(++count < sizeof taken / sizeof taken[0]);
    else
        while (count > 0)
            pool_give(&all->buffers, taken[--count]);
}

static void without_a_buffer_nothing_is_lost_or_pretended(void **state)
{
    rig_say(rig, server, "hello\r\n");
    rig_run(rig, 5000);
    buffers_gone(true);
    assert_int_equal(stream_fill(all, &stream), STREAM_NO_BUFFER);
    assert_true(stream_input_waits(all, &stream));
    rig_deaf(rig, server, true);
    while (stream_room(all, &stream) > 0) {
        assert_true(stream_send(all, &stream,
                                span_head(span_text("0123456789"), stream_room(all, &stream))));
        rig_run(rig, 1000);
    }
    assert_false(stream_send(all, &stream, span_text("one more")));
    buffers_gone(false);
    assert_int_equal(stream_fill(all, &stream), STREAM_OK);
    assert_input("hello\r\n");
}

static void what_has_no_room_spills_and_keeps_its_order(void **state)
{
    char line[16];
    unsigned count = 0;
    rig_deaf(rig, server, true);
    while (stream.spill.end < INPUT_BUFFER_SIZE / 2) {
        snprintf(line, sizeof line, "%06u\r\n", count++);
        assert_true(stream_send(all, &stream, span_text(line)));
        if (stream.spill.end == 0)
            rig_run(rig, 1000);
    }
    assert_int_equal(stream_room(all, &stream), 0);
    assert_false(stream_flush(all, &stream));
    rig_deaf(rig, server, false);
    for (int i = 0; i < 1000 && !stream_flush(all, &stream); i++)
        rig_run(rig, 1000);
    rig_run(rig, 1000000);
    assert_int_equal(all->buffers.used, 0);
    assert_int_equal(server->size, count * 8);
    for (unsigned i = 0; i < count; i++) {
        snprintf(line, sizeof line, "%06u\r\n", i);
        assert_memory_equal(server->text + i * 8, line, 8);
    }
}

static void a_spill_takes_its_buffer_full_and_no_more(void **state)
{
    static const uint8_t bytes[INPUT_BUFFER_SIZE + 1];
    rig_deaf(rig, server, true);
    while (stream_room(all, &stream) > 0) {
        size_t room = stream_room(all, &stream);
        assert_true(stream_send(all, &stream, span_of(bytes, room < 1000 ? room : 1000)));
        rig_run(rig, 1000);
    }
    assert_true(stream_send(all, &stream, span_of(bytes, INPUT_BUFFER_SIZE - 1)));
    assert_true(stream_send(all, &stream, span_of(bytes, 1)));
    assert_false(stream_send(all, &stream, span_of(bytes, 1)));
    stream_drop(all, &stream);
    assert_int_equal(all->buffers.used, 0);
}

static void what_was_not_taken_stands_before_what_comes(void **state)
{
    rig_say(rig, server, "first");
    rig_run(rig, 5000);
    assert_int_equal(stream_fill(all, &stream), STREAM_OK);
    assert_false(stream_has_line(all, &stream));
    stream_skip(all, &stream, 3);
    rig_say(rig, server, " line\r\nsecond");
    rig_run(rig, 5000);
    assert_true(stream_has_line(all, &stream));
    assert_int_equal(stream_fill(all, &stream), STREAM_OK);
    assert_input("st line\r\nsecond");
    stream_skip(all, &stream, stream_input(&stream).size);
    assert_false(stream_input_waits(all, &stream));
    assert_int_equal(all->buffers.used, 0);
}

static void a_buffer_that_is_given_back_holds_nothing(void **state)
{
    void *bytes;
    handle next = pool_take(&all->buffers, &bytes);
    memset(bytes, 0, INPUT_BUFFER_SIZE);
    pool_give(&all->buffers, next);
    rig_say(rig, server, "something long enough to be moved within its buffer");
    rig_run(rig, 5000);
    assert_int_equal(stream_fill(all, &stream), STREAM_OK);
    assert_ptr_equal(stream.input.bytes, bytes);
    stream_skip(all, &stream, 45);
    rig_say(rig, server, "x");
    rig_run(rig, 5000);
    assert_int_equal(stream_fill(all, &stream), STREAM_OK);
    assert_input("bufferx");
    stream_drop(all, &stream);
    for (size_t i = 0; i < INPUT_BUFFER_SIZE; i++)
        assert_int_equal(((uint8_t *)bytes)[i], 0);
}

// Handshakes as far as it goes; what the last step said.
static int handshake(struct play_tls *peer)
{
    int step = 0;
    for (int i = 0; i < 50 && step == 0; i++) {
        bool fed = stream_feed(all, &stream);
        step = stream_step(&stream, fed);
        stream_flush(all, &stream);
        rig_run(rig, 5000);
        if (peer)
            play_tls_pump(peer);
    }
    return step;
}

static struct play_tls *start_tls(void)
{
    const struct addr *addr = &rig_policy(rig)->backends[0].servers[0].addr;
    stream.tls = tls_client_open(play_tls_clients(), 0, addr);
    assert_non_null(stream.tls);
    return play_tls_open(rig, server);
}

static void a_handshake_with_nobody_waits_and_fails_at_the_end(void **state)
{
    struct play_tls *peer = start_tls();
    assert_int_equal(handshake(NULL), 0);
    stream.finished = true;
    assert_int_equal(handshake(NULL), -1);
    play_tls_close(peer);
}

static void a_handshake_with_no_tls_fails(void **state)
{
    struct play_tls *peer = start_tls();
    rig_say(rig, server, "220 backend ESMTP\r\n");
    assert_int_equal(handshake(NULL), -1);
    play_tls_close(peer);
}

static void under_tls_lines_go_both_ways(void **state)
{
    struct play_tls *peer = start_tls();
    assert_int_equal(handshake(peer), 1);
    play_tls_say(peer, "220 hello\r\n");
    rig_run(rig, 5000);
    assert_int_equal(stream_fill(all, &stream), STREAM_OK);
    assert_input("220 hello\r\n");
    assert_true(stream_send(all, &stream, span_text("EHLO us\r\n")));
    assert_true(stream_flush(all, &stream));
    play_tls_expect(peer, "EHLO us\r\n");
    tls_finish(peer->tls);
    play_tls_pump(peer);
    rig_run(rig, 5000);
    stream_skip(all, &stream, stream_input(&stream).size);
    assert_int_equal(stream_fill(all, &stream), STREAM_OK);
    assert_true(stream.finished);
    play_tls_close(peer);
}

static void a_record_that_is_none_comes_after_what_was_good(void **state)
{
    struct play_tls *peer = start_tls();
    assert_int_equal(handshake(peer), 1);
    play_tls_say(peer, "220 good\r\n");
    rig_say(rig, server, "250 in the clear\r\n");
    rig_run(rig, 5000);
    assert_int_equal(stream_fill(all, &stream), STREAM_OK);
    assert_input("220 good\r\n");
    stream_skip(all, &stream, stream_input(&stream).size);
    assert_int_equal(stream_fill(all, &stream), STREAM_BAD_RECORD);
    play_tls_close(peer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_a_buffer_nothing_is_lost_or_pretended),
        TEST(what_has_no_room_spills_and_keeps_its_order),
        TEST(a_spill_takes_its_buffer_full_and_no_more),
        TEST(what_was_not_taken_stands_before_what_comes),
        TEST(a_buffer_that_is_given_back_holds_nothing),
        TEST(a_handshake_with_nobody_waits_and_fails_at_the_end),
        TEST(a_handshake_with_no_tls_fails),
        TEST(under_tls_lines_go_both_ways),
        TEST(a_record_that_is_none_comes_after_what_was_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

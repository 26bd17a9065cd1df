// SPDX-License-Identifier: BSD-3-Clause
#include "contract/spsc.h"

#include "base/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static struct spsc_channel asker, answerer;

static int set_up(void **state)
{
    int fd = spsc_channel_create();
    if (fd < 0 || spsc_channel_open(&asker, fd, SPSC_ASKER) < 0 ||
        spsc_channel_open(&answerer, fd, SPSC_ANSWERER) < 0)
        return -1;
    return close(fd);
}

static int tear_down(void **state)
{
    spsc_channel_close(&asker);
    spsc_channel_close(&answerer);
    return 0;
}

static struct message numbered(uint64_t n)
{
    struct message m = message_make(MESSAGE_SESSION_KILL, STATUS_ASKED, n);
    memset(m.bytes, (int)(n & 0xff), sizeof m.bytes);
    return m;
}

static void expect_numbered(const struct message *m, uint64_t n)
{
    struct message expected = numbered(n);
    assert_memory_equal(m, &expected, sizeof *m);
}

static int memfd_of(size_t size, int seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void what_is_no_sealed_channel_is_not_mapped(void **state)
{
    const size_t size = sizeof(struct spsc_channel_memory);
    struct spsc_channel channel;
    const struct {
        size_t size;
        int seals;
    } bad[] = {{size, 0},         {size, F_SEAL_SHRINK}, {size, F_SEAL_GROW | F_SEAL_SEAL},
               {size - 1, SEALS}, {size + 4096, SEALS},  {0, SEALS}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int fd = memfd_of(bad[i].size, bad[i].seals);
        assert_int_equal(spsc_channel_open(&channel, fd, SPSC_ASKER), -EPROTO);
        close(fd);
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(spsc_channel_open(&channel, null, SPSC_ASKER), -EPROTO);
    close(null);
    assert_int_equal(spsc_channel_open(&channel, -1, SPSC_ASKER), -EPROTO);
}

static void a_channels_size_cannot_change(void **state)
{
    int fd = spsc_channel_create();
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(ftruncate(fd, 1 << 24), -1);
    close(fd);
}

static void a_full_ring_takes_no_more_and_an_empty_one_gives_none(void **state)
{
    struct message m = numbered(77);
    assert_false(spsc_take(&answerer.in, &m));
    expect_numbered(&m, 77);
    for (uint64_t i = 0; i < SPSC_SLOTS; i++) {
        m = numbered(i);
        assert_true(spsc_put(&asker.out, &m));
    }
    m = numbered(99);
    assert_false(spsc_put(&asker.out, &m));
    for (uint64_t i = 0; i < SPSC_SLOTS; i++) {
        assert_true(spsc_take(&answerer.in, &m));
        expect_numbered(&m, i);
    }
    assert_false(spsc_take(&answerer.in, &m));
    assert_false(asker.out.broken || answerer.in.broken);
}

static void directions_do_not_mix(void **state)
{
    struct message m = numbered(1);
    assert_true(spsc_put(&asker.out, &m));
    assert_false(spsc_take(&asker.in, &m));
    m = numbered(2);
    assert_true(spsc_put(&answerer.out, &m));
    assert_true(spsc_take(&answerer.in, &m));
    expect_numbered(&m, 1);
    assert_true(spsc_take(&asker.in, &m));
    expect_numbered(&m, 2);
}

static void indices_go_on_past_32_bits(void **state)
{
    asker.out.index = answerer.in.index = UINT32_MAX - 2;
    asker.memory->questions.head = asker.memory->questions.tail = UINT32_MAX - 2;
    struct message m;
    for (uint64_t i = 0; i < 3000; i++) {
        m = numbered(i);
        assert_true(spsc_put(&asker.out, &m));
        if (i >= 100) {
            assert_true(spsc_take(&answerer.in, &m));
            expect_numbered(&m, i - 100);
        }
    }
}

static void a_wiping_take_leaves_no_credentials_behind(void **state)
{
    struct message m = numbered(5), zeros;
    memset(&zeros, 0, sizeof zeros);
    assert_true(spsc_put(&asker.out, &m));
    assert_true(spsc_take_wiping(&answerer.in, &m));
    expect_numbered(&m, 5);
    assert_memory_equal(&asker.memory->questions.slots[0], &zeros, sizeof zeros);
}

static void an_impossible_index_breaks_the_ring_for_good(void **state)
{
    struct message m = numbered(1);
    asker.memory->questions.tail = SPSC_SLOTS + 1; // a lying producer
    assert_false(spsc_take(&answerer.in, &m));
    assert_true(answerer.in.broken);
    asker.memory->questions.tail = 1; // repentance does not help
    assert_false(spsc_take(&answerer.in, &m));
    assert_true(spsc_sleep(&answerer.in));

    asker.memory->answers.head = 1; // a consumer ahead of the producer
    assert_false(spsc_put(&answerer.out, &m));
    assert_true(answerer.out.broken);
    asker.memory->answers.head = 0;
    assert_false(spsc_put(&answerer.out, &m));
}

static void our_own_index_is_never_read_back(void **state)
{
    struct message m = numbered(1);
    assert_true(spsc_put(&asker.out, &m));
    answerer.memory->questions.tail = 400; // the consumer rewrites the producer's word
    m = numbered(2);
    assert_true(spsc_put(&asker.out, &m));
    assert_int_equal(asker.memory->questions.tail, 2);
    assert_true(spsc_take(&answerer.in, &m));
    expect_numbered(&m, 1);
    asker.memory->questions.head = 300;
    assert_true(spsc_take(&answerer.in, &m));
    expect_numbered(&m, 2);
    assert_int_equal(asker.memory->questions.head, 2);
}

/* A peer process that writes noise over the whole channel for as long as we use it: nothing here
 * may crash, hang, or touch anything outside (the sanitizers watch), whatever is read.
 */
static _Noreturn void vandalize(uint64_t seed)
{
    struct rng rng;
    rng_seed(&rng, seed);
    uint32_t *words = (uint32_t *)asker.memory;
    const uint64_t count = sizeof *asker.memory / sizeof *words;
    volatile uint32_t *indices[] = {&asker.memory->questions.tail, &asker.memory->questions.head,
                                    &asker.memory->answers.tail, &asker.memory->answers.head,
                                    &asker.memory->answers.asleep};
    for (;;) {
        *indices[rng_below(&rng, 5)] = (uint32_t)rng_below(&rng, 2 * SPSC_SLOTS);
        words[rng_below(&rng, count)] = (uint32_t)rng_next(&rng);
    }
}

static void a_vandal_on_the_other_side_harms_only_its_channel(void **state)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        vandalize(21);
    struct message m = numbered(3);
    unsigned broken = 0, taken = 0, sound = 0;
    for (int i = 0; i < 400000; i++) {
        (void)spsc_put(&answerer.out, &m);
        struct message got;
        if (spsc_take(&answerer.in, &got)) {
            taken++;
            sound += message_is_sound(&got);
        }
        if (spsc_sleep(&answerer.in))
            spsc_wake(&answerer.in);
        (void)spsc_wants_bell(&answerer.out);
        broken += answerer.in.broken + answerer.out.broken;
        answerer.in.broken = answerer.out.broken = false; // go on for the test's sake
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(taken > 0 || broken > 0);
    assert_true(sound <= taken);
}

static void what_was_taken_does_not_change_afterwards(void **state)
{
    struct message m = numbered(8);
    assert_true(spsc_put(&asker.out, &m));
    assert_true(spsc_take(&answerer.in, &m));
    memset(&asker.memory->questions.slots[0], 0xff, sizeof m);
    expect_numbered(&m, 8);
}

enum { THREAD_MESSAGES = 60000 };

static void *produce(void *bell)
{
    for (uint64_t i = 0; i < THREAD_MESSAGES;) {
        struct message m = numbered(i);
        if (spsc_put(&asker.out, &m))
            i++;
        else
            sched_yield();
        if (spsc_wants_bell(&asker.out))
            (void)!write(*(int *)bell, &(uint64_t){1}, 8);
    }
    return NULL;
}

// Two threads, with the doorbell: everything arrives in order and no wake-up is lost (else it
// hangs, and the test's time is up).
static void everything_arrives_in_order_and_no_bell_is_missed(void **state)
{
    int bell = eventfd(0, EFD_CLOEXEC);
    assert_true(bell >= 0);
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, &bell), 0);
    for (uint64_t i = 0; i < THREAD_MESSAGES;) {
        struct message m;
        if (spsc_take(&answerer.in, &m)) {
            if (m.handle != i || m.bytes[0] != (i & 0xff) || m.bytes[1007] != (i & 0xff))
                fail_msg("message %lu came as %lu", (unsigned long)i, (unsigned long)m.handle);
            i++;
        } else if (spsc_sleep(&answerer.in)) {
            uint64_t rings;
            assert_int_equal(read(bell, &rings, sizeof rings), sizeof rings);
            spsc_wake(&answerer.in);
        }
    }
    pthread_join(producer, NULL);
    close(bell);
}

static void sleep_is_refused_while_something_waits(void **state)
{
    struct message m = numbered(1);
    assert_false(spsc_wants_bell(&asker.out));
    assert_true(spsc_sleep(&answerer.in));
    assert_true(spsc_put(&asker.out, &m));
    assert_true(spsc_wants_bell(&asker.out));
    spsc_wake(&answerer.in);
    assert_false(spsc_wants_bell(&asker.out));
    assert_false(spsc_sleep(&answerer.in));
    assert_false(spsc_wants_bell(&asker.out));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(what_is_no_sealed_channel_is_not_mapped),
        CASE(a_channels_size_cannot_change),
        CASE(a_full_ring_takes_no_more_and_an_empty_one_gives_none),
        CASE(directions_do_not_mix),
        CASE(indices_go_on_past_32_bits),
        CASE(a_wiping_take_leaves_no_credentials_behind),
        CASE(an_impossible_index_breaks_the_ring_for_good),
        CASE(our_own_index_is_never_read_back),
        CASE(a_vandal_on_the_other_side_harms_only_its_channel),
        CASE(what_was_taken_does_not_change_afterwards),
        CASE(everything_arrives_in_order_and_no_bell_is_missed),
        CASE(sleep_is_refused_while_something_waits),
    };
    return cmocka_run_group_tests_name("spsc", cases, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "policy/policy_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct policy policy = {.magic = POLICY_MAGIC, .size = sizeof policy, .generation = 7};

static int lowest_free_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
}

// policy_memfd_create under a lowered limit of the process.
static int create_within(int resource, rlim_t most)
{
    struct rlimit whole, less;
    assert_int_equal(getrlimit(resource, &whole), 0);
    less = (struct rlimit){.rlim_cur = most, .rlim_max = whole.rlim_max};
    assert_int_equal(setrlimit(resource, &less), 0);
    int fd = policy_memfd_create(&policy);
    assert_int_equal(setrlimit(resource, &whole), 0);
    return fd;
}

static void snapshot_that_does_not_fit_is_an_error_and_leaves_no_descriptor(void **state)
{
    int before = lowest_free_fd();
    assert_int_equal(create_within(RLIMIT_FSIZE, sizeof policy - 1), -EFBIG);
    assert_int_equal(lowest_free_fd(), before);
}

static void no_descriptor_left_is_an_error(void **state)
{
    assert_int_equal(create_within(RLIMIT_NOFILE, (rlim_t)lowest_free_fd()), -EMFILE);
}

static void sealed_snapshot_cannot_be_written_resized_or_unsealed(void **state)
{
    int fd = policy_memfd_create(&policy);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, sizeof policy + 1), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1), -1);
    assert_ptr_equal(mmap(NULL, 1, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_int_equal(fcntl(fd, F_GET_SEALS),
                     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, 0), -1);
    close(fd);
}

static void sealed_snapshot_holds_every_byte_and_stays_in_this_program(void **state)
{
    struct policy read_back;
    struct stat status;
    int fd = policy_memfd_create(&policy);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, policy.size);
    assert_int_equal(pread(fd, &read_back, sizeof read_back, 0), sizeof read_back);
    assert_memory_equal(&read_back, &policy, sizeof policy);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot_that_does_not_fit_is_an_error_and_leaves_no_descriptor),
        cmocka_unit_test(no_descriptor_left_is_an_error),
        cmocka_unit_test(sealed_snapshot_cannot_be_written_resized_or_unsealed),
        cmocka_unit_test(sealed_snapshot_holds_every_byte_and_stays_in_this_program),
    };
    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

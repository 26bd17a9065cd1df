// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/fiber.h"

#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif

#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

struct fiber { // lies at the top of its own stack
    ucontext_t context, caller;
    void (*run)(void *argument);
    void *argument;
    struct fiber *resumer;   // the fiber that resumed this one, or NULL
    struct fiber *next_free; // kept stacks
    void *mapping;
    bool finished;
    void *fake_stack, *caller_fake_stack; // the address sanitizer's
    const void *caller_bottom;
    size_t caller_size;
};

static struct fiber *current;
static struct fiber *kept;

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void *stack_bottom(const struct fiber *fiber)
{
    return (uint8_t *)fiber->mapping + page_size();
}

static size_t stack_size(const struct fiber *fiber)
{
    return (size_t)((const uint8_t *)fiber - (const uint8_t *)stack_bottom(fiber));
}

// Leaving `from`, whose frames stay; the sanitizer must know which stack is in use.
static void switch_begin(void **fake_stack, const void *bottom, size_t size)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(fake_stack, bottom, size);
#endif
}

static void switch_end(void *fake_stack, const void **bottom, size_t *size)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, bottom, size);
#endif
}

static void leave(struct fiber *fiber)
{
    switch_begin(fiber->finished ? NULL : &fiber->fake_stack, fiber->caller_bottom,
                 fiber->caller_size);
    swapcontext(&fiber->context, &fiber->caller);
    switch_end(fiber->fake_stack, &fiber->caller_bottom, &fiber->caller_size);
}

static void fiber_main(unsigned high, unsigned low)
{
    struct fiber *fiber = (struct fiber *)((uintptr_t)high << 32 | low);
    switch_end(NULL, &fiber->caller_bottom, &fiber->caller_size);
    fiber->run(fiber->argument);
    fiber->finished = true;
    leave(fiber);
}

static struct fiber *stack_take(void)
{
    struct fiber *fiber = kept;
    if (fiber) {
        kept = fiber->next_free;
        return fiber;
    }
    size_t size = FIBER_STACK_SIZE + page_size();
    uint8_t *mapping =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED)
        return NULL;
    if (mprotect(mapping, page_size(), PROT_NONE) < 0) {
        munmap(mapping, size);
        return NULL;
    }
    fiber = (struct fiber *)(mapping + size - (sizeof *fiber + 63) / 64 * 64);
    fiber->mapping = mapping;
    return fiber;
}

static void context_make(struct fiber *fiber)
{
    CHECK(getcontext(&fiber->context) == 0);
    fiber->context.uc_stack.ss_sp = stack_bottom(fiber);
    fiber->context.uc_stack.ss_size = stack_size(fiber);
    uintptr_t address = (uintptr_t)fiber;
    makecontext(&fiber->context, (void (*)(void))fiber_main, 2, (unsigned)(address >> 32),
                (unsigned)address);
}

struct fiber *fiber_create(void (*run)(void *argument), void *argument)
{
    struct fiber *fiber = stack_take();
    if (!fiber)
        return NULL;
    *fiber = (struct fiber){.run = run, .argument = argument, .mapping = fiber->mapping};
    context_make(fiber);
    return fiber;
}

bool fiber_resume(struct fiber *fiber)
{
    CHECK(!fiber->finished && fiber != current);
    fiber->resumer = current;
    current = fiber;
    switch_begin(&fiber->caller_fake_stack, stack_bottom(fiber), stack_size(fiber));
    swapcontext(&fiber->caller, &fiber->context);
    switch_end(fiber->caller_fake_stack, NULL, NULL);
    current = fiber->resumer;
    if (!fiber->finished)
        return true;
    fiber->next_free = kept;
    kept = fiber;
    return false;
}

void fiber_yield(void)
{
    CHECK(current);
    leave(current);
}

struct fiber *fiber_current(void)
{
    return current;
}

void fiber_stacks_done(void)
{
    while (kept) {
        struct fiber *fiber = kept;
        kept = fiber->next_free;
        munmap(fiber->mapping, FIBER_STACK_SIZE + page_size());
    }
}

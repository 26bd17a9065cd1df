// SPDX-License-Identifier: BSD-3-Clause

/* auth.flood: 10,000 wrong logins a second from 1,000 sources, each its own guess, into the real
 * auth child in its own process and sandbox; meanwhile users log in from where they have logged in
 * before. Half of the time their passwords are remembered, then the file changes, so that each is
 * hashed anew. Counted: good logins answered right within a second, of all that were asked.
 *
 * Usage: bench_auth_flood [--smoke]
 */

#include "lookup/lookup.h"
#include "plane_fake.h"

#include "base/log.h"
#include "contract/attach.h"
#include "lookup/lookup_wait.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SOURCES = 1000,
    USERS = 50,
    FLOOD_RATE = 10000, // a second
    GOOD_RATE = 50,
    SECONDS = 10, // of each case
    ANSWER_MS = 1000,
    GOODS_MAX = GOOD_RATE * (SECONDS + 1),
};

enum { GOOD = 1u << 31 }; // in a handle: a good login, by its number

static struct plane_fake plane;
static struct lookup_area *area;
static char path[] = "/tmp/weir-bench-XXXXXX";
static char hash[256];
static struct {
    uint64_t asked_ms, took_ms; // took_ms UINT64_MAX: not answered right
} goods[GOODS_MAX];
static uint64_t flooded, dropped; // questions put, and for which the ring was full

static int run(int socket, const void *config)
{
    return auth_child_run(socket, -1, area);
}

static void file_write(const char *comment)
{
    FILE *stream = fopen(path, "w");
    CHECK(stream);
    fprintf(stream, "# %s\n", comment);
    for (int i = 0; i < USERS; i++)
        fprintf(stream, "user%d:{CRYPT}%s\n", i, hash);
    fclose(stream);
}

static bool ask(uint64_t handle, uint32_t addr, unsigned user, const char *password)
{
    struct message m = message_make(MESSAGE_AUTH, STATUS_ASKED, handle);
    char text[ADDR_TEXT_SIZE];
    snprintf(text, sizeof text, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255,
             addr & 255);
    CHECK(addr_parse(text, &m.auth_question.client.addr));
    int size = snprintf(m.auth_question.user, sizeof m.auth_question.user, "user%u", user);
    m.auth_question.user_size = (uint8_t)size;
    m.auth_question.password_size = (uint8_t)strlen(password);
    memcpy(m.auth_question.password, password, strlen(password));
    return plane_fake_ask(&plane, 0, &m);
}

static void answers_take(uint64_t now_ms)
{
    struct message answer;
    while (plane_fake_answer(&plane, 0, &answer, 0, NULL, NULL)) {
        if (!(answer.handle & GOOD))
            continue;
        bool right = answer.status == STATUS_OK && answer.auth_answer.verdict == AUTH_RIGHT;
        uint64_t i = answer.handle & ~(uint64_t)GOOD;
        goods[i].took_ms = right ? now_ms - goods[i].asked_ms : UINT64_MAX;
    }
}

static void good_ask(unsigned i, uint64_t now_ms)
{
    goods[i].asked_ms = now_ms;
    goods[i].took_ms = UINT64_MAX;
    (void)ask(GOOD | i, 0x0a800000 + i % USERS * 256 + 1, i % USERS, "wonderland");
}

static void flood_ask(uint64_t number)
{
    char guess[32];
    snprintf(guess, sizeof guess, "guess%lu", (unsigned long)number);
    uint32_t source = (uint32_t)(number % SOURCES); // four a /24
    flooded++;
    dropped += !ask(0, 0xc6120000 + source / 4 * 256 + source % 4, (unsigned)(number % 200), guess);
}

// Returns how many good logins were asked.
static unsigned story(unsigned seconds)
{
    uint64_t begun_ms = lookup_now_ms(), number = flooded, left = flooded;
    unsigned good = 0;
    for (uint64_t now_ms = begun_ms; now_ms < begun_ms + seconds * 1000; now_ms = lookup_now_ms()) {
        for (; number - left < (now_ms - begun_ms) * FLOOD_RATE / 1000; number++)
            flood_ask(number);
        for (; good < (now_ms - begun_ms) * GOOD_RATE / 1000; good++)
            good_ask(good, now_ms);
        answers_take(now_ms);
        poll(NULL, 0, 1);
    }
    for (uint64_t end_ms = lookup_now_ms() + 2 * ANSWER_MS; lookup_now_ms() < end_ms;) {
        answers_take(lookup_now_ms());
        poll(NULL, 0, 1);
    }
    return good;
}

static int order(const void *a, const void *b)
{
    const uint64_t *first = a, *second = b;
    return *first < *second ? -1 : *first > *second;
}

static void report(const char *name, unsigned good)
{
    static uint64_t took[GOODS_MAX];
    unsigned in_time = 0;
    for (unsigned i = 0; i < good; i++) {
        took[i] = goods[i].took_ms;
        in_time += goods[i].took_ms <= ANSWER_MS;
    }
    qsort(took, good, sizeof took[0], order);
    uint64_t p99 = took[good * 99 / 100];
    printf(
        "{\"bench\":\"auth.flood\",\"case\":\"%s success\",\"value\":%.2f,\"unit\":\"percent\"}\n"
        "{\"bench\":\"auth.flood\",\"case\":\"%s p99\",\"value\":%.1f,\"unit\":\"ms\"}\n",
        name, 100.0 * in_time / good, name, p99 == UINT64_MAX ? 1e9 : (double)p99);
    fprintf(stderr, "auth.flood: %s: %u good logins, %lu wrong ones, %lu found the ring full\n",
            name, good, (unsigned long)flooded, (unsigned long)dropped);
    fflush(stdout);
}

static void child_start(void)
{
    struct crypt_data data = {0};
    const char *made = crypt_rn("wonderland", "$6$rounds=5000$salt$", &data, sizeof data);
    snprintf(hash, sizeof hash, "%s", made);
    int fd = mkstemp(path);
    CHECK(fd >= 0 && fchmod(fd, 0644) == 0);
    close(fd);
    file_write("first");
    area = mmap(NULL, sizeof *area, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED);
    area->auth = (struct auth_child_config){.user = "nobody", .parent = getpid()};
    snprintf(area->auth.passwd_file, sizeof area->auth.passwd_file, "%s", path);
    for (int i = 0; i < LIMIT_COUNT; i++)
        area->limits[i] = limit_facts((enum limit)i)->value;
    CHECK(plane_fake_open(&plane, ROLE_AUTH, run, NULL));
}

int main(int argc, char **argv)
{
    bool smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
    unsigned seconds = smoke ? 1 : SECONDS, good = USERS;
    log_open("bench", LOG_WARNING);
    child_start();
    for (unsigned i = 0; i < USERS; i++) // they log in once, before
        good_ask(i, lookup_now_ms());
    for (uint64_t end_ms = lookup_now_ms() + 3000; lookup_now_ms() < end_ms; poll(NULL, 0, 1))
        answers_take(lookup_now_ms());
    report("before", good);
    report("remembered", story(seconds));
    file_write("second: all is hashed again");
    report("hashed", story(seconds));
    unlink(path);
    return plane_fake_close(&plane) == 0 ? 0 : 1;
}
